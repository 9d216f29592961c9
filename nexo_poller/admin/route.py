"""One line of the table of routes, and what its handler is called with."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import Factory, frozen

from nexo_poller.admin.access import Rules
from nexo_poller.runner.runner import PollerRunner

if TYPE_CHECKING:
    from nexo_poller.admin.limits import Limits

Schema = Mapping[str, Any]
Cost = Literal["light", "ordinary", "lengthy"]
ANY_OBJECT: Final[Schema] = {"type": "object"}
NO_BODY: Final[Schema] = {"type": "object", "properties": {}, "additionalProperties": False}


@frozen(kw_only=True)
class Call:
    """A request that was let in, and whose parts are as its route asks.

    `path` has what stands for the `{…}` of the route's path; `query` every parameter, defaults included; `body` the
    JSON object that came, or an empty one.
    """

    runner: PollerRunner
    rules: Rules
    limits: "Limits"
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]


Handler = Callable[[Call], Awaitable[Any]]


@frozen(kw_only=True)
class Route:
    """A method of a path. Its `handler` returns JSON, or a response of Quart's where the answer is something else.

    `query` has a JSON Schema for each parameter, `body` and `answer` one for the whole; an `answer` in `media_type`
    other than JSON has none. `failures` are the statuses beyond those that any request may get. `is_public` needs no
    token; a `lengthy` one may take as long as a tick, a `light` one is answered however many others are; `needs_runner`
    only makes sense while the runner serves.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answer: Schema = ANY_OBJECT
    media_type: str = "application/json"
    query: Mapping[str, Schema] = Factory(dict)
    body: Schema = NO_BODY
    failures: tuple[int, ...] = ()
    is_public: bool = False
    cost: Cost = "ordinary"
    needs_runner: bool = True
