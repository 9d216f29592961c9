"""What travels of a tick: its request and its reply, as JSON has them.

Whoever writes here is exact, whoever reads is lenient where that is harmless: base64 may be padded, members that nobody
knows are passed over. What could lose something is refused: a member of a wrong type, a cursor that is no base64. The
errors name the plugin and the member, and never show what stood there.

The format is that of the plugins of nexo-rs. Beyond it go `dry_run` in a request, `not_before` and `dead_because` in a
delivery; each is left out where it would say nothing.
"""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import Factory, frozen

from nexo_poller.errors import PluginPollerForwardError
from nexo_poller.plugins.members import Members, WrongMember
from nexo_poller.plugins.wire import LONGEST_WAIT
from nexo_poller.poller import OutboundDelivery, PollContext, TickAck, TickMetrics

SECOND: Final = timedelta(seconds=1)


@frozen(kw_only=True)
class TickRequest:
    """What a plugin is told of a tick. `cursor` is base64, `now` RFC 3339 in UTC, `config` any JSON object."""

    kind: str
    job_id: str
    agent_id: str
    cursor: str | None
    config: Mapping[str, Any]
    now: str
    interval_hint_secs: int
    is_dry_run: bool = False

    def params(self) -> dict[str, Any]:
        """The `params` of a `poll_tick`."""
        params = {
            "kind": self.kind,
            "job_id": self.job_id,
            "agent_id": self.agent_id,
            "cursor": self.cursor,
            "config": self.config,
            "now": self.now,
            "interval_hint_secs": self.interval_hint_secs,
        }
        return {**params, "dry_run": True} if self.is_dry_run else params


@frozen(kw_only=True)
class TickReply:
    """What a plugin says of a tick that succeeded. `next_cursor` is base64; None keeps the cursor as it was."""

    next_cursor: str | None = None
    next_interval_secs: int | None = None
    metrics: TickMetrics = Factory(TickMetrics)
    deliver: tuple[OutboundDelivery, ...] = ()

    def ack(self) -> TickAck:
        """The same, as a poller in this process returns it. Raises `ValueError` if the cursor is no base64."""
        secs = self.next_interval_secs
        return TickAck(
            next_cursor=None if self.next_cursor is None else decode_cursor(self.next_cursor),
            next_interval_hint=None if secs is None else min(secs * SECOND, LONGEST_WAIT),
            metrics=self.metrics,
            deliver=self.deliver,
        )


def build_tick_request(ctx: PollContext[Mapping[str, Any]]) -> TickRequest:
    """The request for the tick that `ctx` describes. A part of a second of `interval_hint` is left out."""
    return TickRequest(
        kind=ctx.kind,
        job_id=ctx.job_id,
        agent_id=ctx.agent_id,
        cursor=encode_cursor(ctx.cursor),
        config=ctx.config,
        now=_rfc3339(ctx.now),
        interval_hint_secs=ctx.interval_hint // SECOND,
        is_dry_run=ctx.is_dry_run,
    )


def tick_request(params: object) -> TickRequest:
    """The request in the `params` of a `poll_tick`, for plugins. Raises `ValueError` that names a member if it is faulty.

    Then `datetime.fromisoformat` takes its `now`, and `decode_cursor` its cursor.
    """
    whole = Members.of("params", params)
    _moment(whole, "now")
    return TickRequest(
        kind=whole.text("kind"),
        job_id=whole.text("job_id"),
        agent_id=whole.text("agent_id"),
        cursor=_cursor(whole, "cursor"),
        config=whole.object("config").values,
        now=whole.text("now"),
        interval_hint_secs=whole.amount_or_none("interval_hint_secs") or 0,
        is_dry_run=whole.values.get("dry_run") is True,
    )


def tick_reply(result: object, plugin_id: str) -> TickReply:
    """The reply in the `result` of a `poll_tick`; an older form has the numbers of `metrics` at its top.

    Raises `PluginPollerForwardError` if it is no object, or something in it has a wrong type.
    """
    try:
        whole = Members.of("result", result)
        counts = whole.object("metrics") if whole.has("metrics") else whole
        return TickReply(
            next_cursor=_cursor(whole, "next_cursor"),
            next_interval_secs=whole.amount_or_none("next_interval_secs"),
            metrics=TickMetrics(
                items_seen=counts.amount_or_none("items_seen") or 0,
                items_dispatched=counts.amount_or_none("items_dispatched") or 0,
            ),
            deliver=tuple(map(_delivery, whole.objects("deliver"))),
        )
    except WrongMember as error:
        raise PluginPollerForwardError(plugin_id, str(error), member=error.member) from None


def reply_of(ack: TickAck) -> dict[str, Any]:
    """The `result` that `tick_reply` reads, for plugins. A part of a second to wait counts as a whole one."""
    hint = ack.next_interval_hint
    result: dict[str, Any] = {
        "next_cursor": encode_cursor(ack.next_cursor),
        "next_interval_secs": None if hint is None else max(0, -(-min(hint, LONGEST_WAIT) // SECOND)),
        "metrics": {"items_seen": ack.metrics.items_seen, "items_dispatched": ack.metrics.items_dispatched},
        "deliver": [*map(_members_of, ack.deliver)] or None,
    }
    return _without_nulls(result)


def encode_cursor(cursor: bytes | None) -> str | None:
    """URL-safe base64 without padding (RFC 4648, section 5); None stays None."""
    return None if cursor is None else urlsafe_b64encode(cursor).decode().rstrip("=")


def decode_cursor(text: str) -> bytes:
    """The bytes in URL-safe base64, padded or not. Raises `ValueError` for what no encoder writes."""
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    cursor = b64decode(padded, altchars=b"-_")
    if encode_cursor(cursor) != bare or text not in (bare, padded):  # the decoder passes over what it does not know
        raise ValueError("this is no URL-safe base64")
    return cursor


def _cursor(members: Members, name: str) -> str | None:
    cursor = members.text_or_none(name)
    try:
        decode_cursor(cursor or "")
    except ValueError:
        raise WrongMember(members.path_of(name), "is no URL-safe base64 (- and _, not + and /)") from None
    return cursor


def _moment(members: Members, name: str) -> datetime | None:
    written = members.text_or_none(name)
    if written is None:
        return None
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    raise WrongMember(members.path_of(name), "must be a moment as RFC 3339 has it, with its offset")


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _delivery(members: Members) -> OutboundDelivery:
    if "payload" not in members.values:
        raise WrongMember(members.path_of("payload"), "is missing")
    return OutboundDelivery(
        channel=members.text("channel"),
        recipient=members.text("recipient"),
        payload=members.values["payload"],
        not_before=_moment(members, "not_before"),
        dead_because=members.text_or_none("dead_because"),
    )


def _members_of(delivery: OutboundDelivery) -> dict[str, Any]:
    held = {
        "not_before": None if delivery.not_before is None else _rfc3339(delivery.not_before),
        "dead_because": delivery.dead_because,
    }
    sent = {"channel": delivery.channel, "recipient": delivery.recipient, "payload": delivery.payload}
    return sent | _without_nulls(held)


def _without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
