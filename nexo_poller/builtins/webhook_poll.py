"""The kind `webhook_poll`: new items of a list that some API returns as JSON."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

import httpx
from attrs import Factory, define, frozen

from nexo_poller.builtins.cursor import Cursor
from nexo_poller.builtins.instead import what_came
from nexo_poller.builtins.offload import worked_out
from nexo_poller.builtins.source import SourceConfig, url_problems
from nexo_poller.builtins.strict_json import NotJson, parse_json
from nexo_poller.dotted import DeadEnd, described, follow
from nexo_poller.errors import ConfigError, Problem, TransientError
from nexo_poller.http.answers import raise_for_answer
from nexo_poller.http.errors import tick_errors
from nexo_poller.poller import PollContext, Poller, TickAck
from nexo_poller.seen import Choice, FirstTick

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


@frozen(kw_only=True)
class WebhookPollConfig(SourceConfig):
    """The keys of kind `webhook_poll`. Template fields are those of an item.

    `body` is sent as JSON, with POST only. `items_path` leads to the list in the document, `id_field` to the id in an
    item; both are dotted, and "" is the document itself.
    """

    url: str
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = Factory(dict)
    body: Any = None
    items_path: str = ""
    id_field: str = "id"
    max_per_tick: int = 20
    first_tick: FirstTick = "all"


@frozen(kw_only=True)
class Listing:
    """What a document listed: `chosen` of its `items`, and how many of them are `nameless`, that is, without an id."""

    choice: Choice[Any]
    items: int
    nameless: int


@define(eq=False)
class WebhookPoller(Poller[WebhookPollConfig]):
    """Items of a JSON list, each id once, in the order in which the document lists them.

    So `first_tick: latest` sends the last `max_per_tick` of it. An id is a string or a number; 7 and "7" are the same
    id, as an API that changes its mind between the two does not list new items.
    """

    kind = "webhook_poll"
    description = "New items of a list that an API returns as JSON."
    config_type = WebhookPollConfig

    _warned: set[str] = Factory(set)  # ids of jobs

    def validate(self, config: WebhookPollConfig) -> None:
        """See `Poller`."""
        if problems := [*url_problems("url", config.url), *_request_problems(config), *config.problems()]:
            raise ConfigError(*problems)

    def validate_cursor(self, cursor: bytes) -> None:
        """See `Poller`."""
        Cursor.from_bytes(self.kind, cursor)

    async def tick(self, ctx: PollContext[WebhookPollConfig]) -> TickAck:
        """Ask for the list and send what is new in it."""
        config = ctx.config
        cursor = None if ctx.cursor is None else Cursor.from_bytes(self.kind, ctx.cursor)
        with tick_errors():
            response = await ctx.http.request(
                config.method,
                config.url,
                headers={"Accept": "application/json", **config.headers},
                json=config.body,
            )
        raise_for_answer(response.status_code, response.headers, ctx.now, host=response.url.host)
        listing = await worked_out(len(response.content), partial(_listing, response, cursor, config))
        if listing.nameless:
            await self._warn_once(ctx, listing)
        waiting = (*(cursor.waiting if cursor else ()), *map(config.text, listing.choice.chosen))
        return config.ack(self.kind, Cursor(seen=listing.choice.seen, waiting=waiting), listing.items)

    async def _warn_once(self, ctx: PollContext[WebhookPollConfig], listing: Listing) -> None:
        if ctx.job_id in self._warned:
            return
        self._warned.add(ctx.job_id)
        await ctx.host.log(
            "warning",
            f"{listing.nameless} of {listing.items} items have no string or number at '{ctx.config.id_field}' and are "
            "skipped, now and later (set id_field to what identifies an item)",
        )


def _listing(response: httpx.Response, cursor: Cursor | None, config: WebhookPollConfig) -> Listing:
    items = _items(response, config.items_path)
    named = [(id_, item) for item in items if (id_ := _id(follow(item, config.id_field)))]
    return Listing(choice=config.choice(named, cursor), items=len(items), nameless=len(items) - len(named))


def _items(response: httpx.Response, items_path: str) -> Sequence[Any]:
    if response.status_code == HTTPStatus.NO_CONTENT:
        return ()
    host = response.url.host
    try:
        document = parse_json(response.content)
    except NotJson as error:
        came = what_came(response.headers.get("Content-Type", ""), response.content)
        raise TransientError(f"{host} sent no JSON: {error}; it is {came}") from error
    match follow(document, items_path):
        case list(items):
            return items
        case DeadEnd(at=at, missing=missing, found=found):
            where = f"'{at}'" if at else "the document"
            raise TransientError(
                f"{host}: items_path '{items_path}' leads nowhere: {where} is {described(found)}, without '{missing}'"
            )
        case other:
            place = f"'{items_path}'" if items_path else "the document"
            raise TransientError(f"{host}: {place} is {described(other)}, but items_path must lead to a list")


def _id(value: Any) -> str:
    """An id as text; "" for what is none."""
    match value:
        case bool():
            return ""
        case float() if value.is_integer():
            return str(int(value))
        case str() | int() | float():
            return str(value)
        case _:
            return ""


def _request_problems(config: WebhookPollConfig) -> Iterator[Problem]:
    if config.body is not None and config.method != "POST":
        yield Problem(key=("body",), what=f"a {config.method} request carries no body", remedy="use `method: POST`")
    for name, value in config.headers.items():
        if not HEADER_NAME.fullmatch(name):
            yield Problem(
                key=("headers", name),
                what=f"{name!r} cannot be the name of a header",
                remedy="use letters, digits and hyphens",
            )
        if not HEADER_VALUE.fullmatch(value):  # not shown: it may be a secret (O2)
            yield Problem(
                key=("headers", name),
                what=f"the value of header '{name}' holds characters that headers cannot",
                remedy="use printable ASCII on one line",
            )
    for key in ("items_path", "id_field"):
        path = getattr(config, key)
        if path and not all(path.split(".")):
            yield Problem(key=(key,), what=f"{key} '{path}' has an empty part", remedy="write it like `data.items`")
