"""What travels between a daemon and its plugins: ticks, their replies, errors, and the JSON-RPC around them.

Whoever writes here is exact, whoever reads is lenient where that is harmless: `jsonrpc` and `id` may be missing, base64
may be padded, members that nobody knows are passed over. What could lose something is refused: a reply that is neither
result nor error, a member of a wrong type, a cursor that is no base64. The errors name the plugin and the member, and
never show what stood there.

The format: JSON-RPC 2.0 (https://www.jsonrpc.org/specification), a message a line, with ticks and codes as the plugins of
nexo-rs have them. Beyond it go `dry_run` in a request, `not_before` and `dead_because` in a delivery, and `data` in an
error; each is left out where it would say nothing.
"""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from math import isfinite
from typing import Any, Final

from attrs import Factory, frozen

from nexo_poller.errors import (
    ConfigError,
    CredentialsMissing,
    HostError,
    MethodNotFound,
    PermanentError,
    PluginPollerForwardError,
    TransientError,
)
from nexo_poller.failures import describe
from nexo_poller.plugins.lines import LONGEST_LINE
from nexo_poller.plugins.members import Members, WrongMember
from nexo_poller.poller import OutboundDelivery, PollContext, TickAck, TickMetrics

INITIALIZE: Final = "initialize"
SHUTDOWN: Final = "shutdown"
POLL_TICK: Final = "poll_tick"
LIST_TOOLS: Final = "poll_list_tools"
CALL_TOOL: Final = "poll_tool_call"

SECOND: Final = timedelta(seconds=1)
LONGEST_MESSAGE: Final = 65_536  # characters, of which the daemon keeps few, once it has masked them
LONGEST_WAIT: Final = timedelta(hours=24)  # longer ones are not honoured, and could be more than a timedelta holds
TO_JSON: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class Code(IntEnum):
    """What kind of error it is. Any other code is transient."""

    HOST_REFUSED = -32000  # a `HostError`; of a tick it is transient like all that follows nowhere below
    TRANSIENT = -32001
    PERMANENT = -32002
    METHOD_NOT_FOUND = -32601
    BAD_CONFIG = -32602


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


def request_line(id: str | int, method: str, params: Mapping[str, Any]) -> bytes:  # noqa: A002 - the member's name
    """A call, with its newline.

    Raises `ValueError` if JSON cannot hold the `params`, `PermanentError` if no line may be so long.
    """
    return _short_enough(
        f"the call of {method}", _line({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    )


def reply_result(id: object, result: object) -> bytes:  # noqa: A002 - the member's name
    """The reply to a call that succeeded, with its newline. Raises like `request_line`."""
    return _short_enough("the reply", _line({"jsonrpc": "2.0", "id": id, "result": result}))


def reply_error(id: object, error: Exception) -> bytes:  # noqa: A002 - the member's name
    """The reply to a call that failed, with its newline. Of what ends a tick, give what `classify` makes of it.

    Where `id` is none that a call can have, the reply's is null, as JSON-RPC has it (section 5).
    """
    data: dict[str, Any] | None = None
    if isinstance(error, TransientError) and error.retry_after is not None:
        data = {"retry_after_secs": error.retry_after.total_seconds()}
    elif isinstance(error, CredentialsMissing):
        data = {"channel": error.channel, "agent": error.agent}
    member = _without_nulls({"code": int(code_of(error)), "message": describe(error)[:LONGEST_MESSAGE], "data": data})
    is_id = isinstance(id, str | int) or (isinstance(id, float) and isfinite(id))  # Python reads 1e999 as infinity
    return _line({"jsonrpc": "2.0", "id": id if is_id else None, "error": member})


def message_of(line: bytes) -> Mapping[str, Any]:
    """The JSON object in a line or a body. Raises `ValueError`, which says what else it is."""
    try:
        message = json.loads(line.decode(), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return Members.of("message", message).values


def unwrap(body: bytes) -> Mapping[str, Any]:
    """The call or reply in a broker's message: bare, or as an event's `payload`. Raises `ValueError` like `message_of`."""
    message = message_of(body)
    if "payload" not in message or message.keys() & {"method", "result", "error"}:
        return message
    return Members("message", message).object("payload").values


def result_of(reply: Mapping[str, Any], plugin_id: str) -> Any:
    """The `result` of a reply. Raises the error that it holds instead, `PluginPollerForwardError` if it holds neither."""
    if reply.get("error") is not None:
        raise error_of(reply["error"], plugin_id)
    if "result" not in reply:
        raise PluginPollerForwardError(plugin_id, "its reply has neither `result` nor `error`", member="result")
    return reply["result"]


def error_of(error: object, plugin_id: str) -> Exception:
    """What the `error` of a reply stands for: an error of a tick, in the plugin's own words."""
    try:
        members = Members.of("error", error)
        code, message = members.whole_number("code"), members.text("message")
    except WrongMember as wrong:
        return PluginPollerForwardError(plugin_id, str(wrong), member=wrong.member)
    data = members.values.get("data")
    match code:
        case Code.PERMANENT:
            return _permanent(message, data)
        case Code.BAD_CONFIG:
            return ConfigError(message)
        case Code.TRANSIENT:
            return TransientError(message, retry_after=_retry_after(data))
        case Code.HOST_REFUSED:
            return TransientError(f"{HostError.__name__}: {message}")  # in the words of `classify`
        case _:
            type_ = MethodNotFound if code == Code.METHOD_NOT_FOUND else TransientError
            return type_(f"plugin '{plugin_id}' answered with code {code}: {message}")


def code_of(error: Exception) -> Code:
    """The code by which `error` travels."""
    match error:
        case ConfigError():
            return Code.BAD_CONFIG
        case PermanentError():
            return Code.PERMANENT
        case HostError():
            return Code.HOST_REFUSED
        case MethodNotFound():
            return Code.METHOD_NOT_FOUND
        case _:
            return Code.TRANSIENT


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
    try:
        moment = datetime.fromisoformat(written)
        return moment.astimezone(UTC) if moment.tzinfo else _refuse(written)
    except (ValueError, OverflowError):
        raise WrongMember(members.path_of(name), "must be a moment as RFC 3339 has it, with its offset") from None


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


def _retry_after(data: object) -> timedelta | None:
    secs = data.get("retry_after_secs") if isinstance(data, dict) else None
    if isinstance(secs, bool) or not isinstance(secs, int | float) or secs < 0:
        return None
    return timedelta(seconds=min(secs, LONGEST_WAIT.total_seconds()))


def _permanent(message: str, data: object) -> PermanentError:
    named = data if isinstance(data, dict) else {}
    channel, agent = named.get("channel"), named.get("agent")
    if not (isinstance(channel, str) and isinstance(agent, str)):
        return PermanentError(message)
    missing = CredentialsMissing(channel, agent)
    missing.args = (message,)  # which lists the channels that are bound
    return missing


def _line(message: Mapping[str, Any]) -> bytes:
    try:
        return TO_JSON(message).encode() + b"\n"
    except (TypeError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from error


def _short_enough(what: str, line: bytes) -> bytes:
    size = len(line) - len(b"\n")
    if size > LONGEST_LINE:  # the other end would hang up, and all that is under way would be lost with it
        raise PermanentError(f"{what} has {size:,} bytes of JSON, and at most {LONGEST_LINE:,} may travel")
    return line


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
