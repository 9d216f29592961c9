"""The kinds that come with the library."""

import os
from typing import Any

from nexo_poller.poller import Poller


def builtin_pollers() -> tuple[Poller[Any], ...]:
    """A new poller of each kind that comes with the library."""
    from nexo_poller.builtins.agent_turn import AgentTurnPoller
    from nexo_poller.builtins.gmail.poller import GmailPoller
    from nexo_poller.builtins.google_calendar.poller import CalendarPoller
    from nexo_poller.builtins.rss import RssPoller
    from nexo_poller.builtins.webhook_poll import WebhookPoller
    from nexo_poller.google.accounts import GoogleAccounts
    from nexo_poller.google.endpoints import GoogleEndpoints

    google = GoogleAccounts(GoogleEndpoints.of(os.environ))
    return AgentTurnPoller(), RssPoller(), WebhookPoller(), GmailPoller(google), CalendarPoller(google)
