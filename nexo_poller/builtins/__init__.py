"""The kinds that come with the library."""

from typing import Any

from nexo_poller.poller import Poller


def builtin_pollers() -> tuple[Poller[Any], ...]:
    """A new poller of each kind that comes with the library."""
    from nexo_poller.builtins.rss import RssPoller
    from nexo_poller.builtins.webhook_poll import WebhookPoller

    return RssPoller(), WebhookPoller()
