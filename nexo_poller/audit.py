"""The lines of the logger `credentials.audit`: which agent used an account, for what, and which one was refused.

Their fields are `agent`, `channel`, `fp` (the account's fingerprint, never its name, O2), `topic` (of an event, without
the account), `direction`, and `job_id` or `plugin` where a job or a plugin is at work. A refusal is a warning.
"""

import logging
from typing import Any, Final, Literal

from attrs import asdict, frozen

from nexo_poller.masking import fingerprint

Direction = Literal["outbound", "credential"]
WHERE_KNOWN: Final = ("job_id", "plugin")
log: Final = logging.getLogger("credentials.audit")


@frozen(kw_only=True)
class Use:
    """One use of an account: to send an event (`outbound`), or to act for it (`credential`).

    `agent` and `channel` None: a plugin wanted to publish to a topic, for whomever.
    """

    agent: str | None
    channel: str | None
    direction: Direction
    topic: str | None = None
    job_id: str | None = None
    plugin: str | None = None


def used(use: Use, account: str | None) -> None:
    """Write down a use. `account` None: the configuration has no agents, and so no accounts."""
    log.info("%s %s", use.direction, use.channel, extra={"fields": _fields(use, account)})


def refused(use: Use) -> None:
    """Write down that there was no account to use."""
    log.warning("%s %s refused", use.direction, use.channel or use.topic, extra={"fields": _fields(use, None)})


def _fields(use: Use, account: str | None) -> dict[str, Any]:
    facts = asdict(use, filter=lambda attribute, value: attribute.name not in WHERE_KNOWN or value is not None)
    return {**facts, "fp": None if account is None else fingerprint(account)}
