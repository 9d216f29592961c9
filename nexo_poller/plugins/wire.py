"""JSON-RPC between a daemon and its plugins: calls, replies and errors, a message a line.

Whoever writes here is exact, whoever reads is lenient where that is harmless: `jsonrpc` and `id` may be missing, members
that nobody knows are passed over. What could lose something is refused: a reply that is neither result nor error, a line
that is too long for the other end. `ticks` says what the calls of a tick are about.

The format: JSON-RPC 2.0 (https://www.jsonrpc.org/specification), with codes as the plugins of nexo-rs have them. Beyond it
goes `data` in an error, left out where it would say nothing.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from enum import IntEnum
from math import isfinite
from typing import Any, Final

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

INITIALIZE: Final = "initialize"
SHUTDOWN: Final = "shutdown"
POLL_TICK: Final = "poll_tick"
LIST_TOOLS: Final = "poll_list_tools"
CALL_TOOL: Final = "poll_tool_call"

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
    member = {"code": int(code_of(error)), "message": describe(error)[:LONGEST_MESSAGE]}
    if data is not None:
        member["data"] = data
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
