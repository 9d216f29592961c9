"""What a language model can call: a name, words that tell when to use it, a schema of its arguments, and a handler."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import field, frozen
from attrs.validators import gt, is_callable

from nexo_poller.of_type import of_type

AGENT_ID: Final = "agent_id"

ToolHandler = Callable[[Any, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


@frozen(kw_only=True)
class Tool:
    """One tool. Its name (`a-z A-Z 0-9 _ -`, at most 64) is what all providers allow, and unique among all tools.

    `parameters` is a JSON Schema (draft 2020-12) of an object; say `"additionalProperties": False` to have a model told
    of arguments that do not exist. `handler` is awaited with the `PollerRunner` and the arguments, which fit the schema;
    beside them stands `agent_id`, who calls, which no argument can set. It returns a mapping that JSON can hold, with
    times as integer milliseconds. What it raises is told to the model, and so is that it took longer than `timeout`.
    """

    name: str = field(validator=of_type(str))
    description: str = field(validator=of_type(str))
    parameters: Mapping[str, Any]
    handler: ToolHandler = field(validator=is_callable())
    timeout: timedelta = field(
        default=timedelta(seconds=60), validator=[of_type(timedelta, write="timedelta(seconds=60)"), gt(timedelta())]
    )
