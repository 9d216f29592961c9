"""The topics of deliveries, and how they are shown."""

from typing import Final

from nexo_poller.broker.subjects import topic_fault
from nexo_poller.errors import PermanentError
from nexo_poller.masking import fingerprint

OUTBOUND: Final = "plugin.outbound"


def outbound_topic(channel: str, instance: str | None) -> str:
    """`plugin.outbound.<channel>.<instance>`; without an instance, the bare `plugin.outbound.<channel>`.

    Raises `PermanentError` if one of the two cannot be part of a topic. The error does not show the instance (O2).
    """
    if fault := "has a dot" if "." in channel else topic_fault(channel):
        raise PermanentError(f"the channel '{channel}' {fault} (name one of the channels in the agent's credentials)")
    if instance is None:
        return f"{OUTBOUND}.{channel}"
    if fault := topic_fault(instance):
        raise PermanentError(f"the name of the account bound to channel '{channel}' {fault} (rename it)")
    return f"{OUTBOUND}.{channel}.{instance}"


def without_account(topic: str) -> str:
    """`topic` as logs and errors may show it: with the account's fingerprint in the place of its name (O2)."""
    outbound, _, rest = topic.partition(f"{OUTBOUND}.")
    channel, _, instance = rest.partition(".")
    if outbound or not instance:
        return topic
    return f"{OUTBOUND}.{channel}.{fingerprint(instance)}"
