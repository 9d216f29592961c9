"""The ticks of kind `google_calendar`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from attrs import define

from nexo_poller.builtins.cursor import CursorUnreadable, address_of
from nexo_poller.builtins.google_calendar.config import CalendarConfig
from nexo_poller.builtins.google_calendar.cursor import KIND, CalendarCursor
from nexo_poller.clock import Clock
from nexo_poller.errors import ConfigError, PermanentError
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.google.answers import GoogleRefused
from nexo_poller.google.client import GoogleClient, Params
from nexo_poller.poller import OutboundDelivery, PollContext, Poller, TickAck, TickMetrics
from nexo_poller.template import render

PAGE_SIZE: Final = 250
SOON: Final = timedelta(seconds=1)
UNREADABLE: Final = 400
GONE: Final = 410
Ctx = PollContext[CalendarConfig]


@define(eq=False)
class CalendarPoller(Poller[CalendarConfig]):
    """Changes of a calendar, each a message: new events, changed ones, and, if wanted, cancelled ones."""

    kind = KIND
    description = "Changes in a Google calendar, by the agent's own account."
    channels = ("google",)
    config_type = CalendarConfig

    _google: GoogleAccounts

    def validate(self, config: CalendarConfig) -> None:
        """See `Poller`."""
        if problems := [*config.problems()]:
            raise ConfigError(*problems)

    def validate_cursor(self, cursor: bytes) -> None:
        """See `Poller`."""
        try:
            CalendarCursor.from_bytes(cursor)
        except CursorUnreadable as error:
            raise ConfigError(str(error)) from error

    @asynccontextmanager
    async def lifespan(self, clock: Clock) -> AsyncIterator[None]:
        """Let tokens expire by the runner's clock."""
        self._google.follow(clock)
        yield

    async def tick(self, ctx: Ctx) -> TickAck:
        """Tell what has changed since the last tick; on the first one, only look."""
        client = self._google.client(await ctx.host.credentials_get("google"), ctx.http)
        cursor = None if ctx.cursor is None else CalendarCursor.from_bytes(ctx.cursor)
        if cursor is None or cursor.address != address_of(ctx.config.calendar_id):
            return await _beginning(client, ctx.config)
        try:
            return await _difference(client, ctx.config, cursor)
        except GoogleRefused as error:
            has_expired = error.status == GONE or (error.status == UNREADABLE and cursor.page_token)
            if not has_expired:
                raise
            if ctx.config.on_expired == "reset":
                await ctx.host.log("warning", "the sync token has expired: changes since the last tick are not told")
                return await _beginning(client, ctx.config)
            raise PermanentError(
                f"Google no longer knows what has changed since the last tick ({error.status}); "
                f"`nexo-poller reset {ctx.job_id} --yes` begins anew, from now on"
            ) from error


async def _beginning(client: GoogleClient, config: CalendarConfig) -> TickAck:
    """All pages to the sync token at their end; nothing is sent."""
    page_token, seen = None, 0
    while True:
        page = await _page(client, config, _at(page_token))
        seen += len(_items(page))
        page_token = page.get("nextPageToken")
        if page_token is None:
            cursor = CalendarCursor(address=address_of(config.calendar_id), sync_token=_sync_token(page))
            return TickAck(next_cursor=cursor.to_bytes(), metrics=TickMetrics(items_seen=seen))


async def _difference(client: GoogleClient, config: CalendarConfig, cursor: CalendarCursor) -> TickAck:
    """The next page of what has changed. Where there are more, the next tick comes soon, and goes on from there."""
    page = await _page(client, config, {"syncToken": cursor.sync_token, **_at(cursor.page_token)})
    items = _items(page)
    told = [item for item in items if not (config.skip_cancelled and item.get("status") == "cancelled")]
    deliver = [
        OutboundDelivery(
            channel=config.deliver.channel,
            recipient=config.deliver.to,
            payload={"text": render(config.message_template, _fields(item))},
        )
        for item in told
    ]
    following = page.get("nextPageToken")
    after = CalendarCursor(
        address=cursor.address,
        sync_token=cursor.sync_token if following else _sync_token(page),
        page_token=following,
    )
    return TickAck(
        deliver=deliver,
        next_cursor=None if after == cursor else after.to_bytes(),
        next_interval_hint=SOON if following else None,
        metrics=TickMetrics(items_seen=len(items), items_dispatched=len(deliver)),
    )


async def _page(client: GoogleClient, config: CalendarConfig, place: Mapping[str, str]) -> Mapping[str, Any]:
    # of all parameters, only the tokens may change between the first synchronisation and the later ones
    params: Params = {"maxResults": PAGE_SIZE, **place}
    calendar = quote(config.calendar_id, safe="")
    return await client.get_json(f"{client.endpoints.calendar_url}/calendars/{calendar}/events", params)


def _at(page_token: str | None) -> Mapping[str, str]:
    return {} if page_token is None else {"pageToken": page_token}


def _sync_token(page: Mapping[str, Any]) -> str:
    token = page.get("nextSyncToken")
    if not isinstance(token, str):
        raise PermanentError(
            "Google gave no sync token at the end of the calendar (is the account allowed to read it?)"
        )
    return token


def _items(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [item for item in page.get("items", ()) if isinstance(item, Mapping)]


def _fields(event: Mapping[str, Any]) -> Mapping[str, str]:
    """The fields of a message. A time is as the calendar has it: a date of an all-day event, else with its offset."""
    organizer = event.get("organizer", {})
    return {
        "summary": event.get("summary", "(no title)"),
        "start": _time(event.get("start", event.get("originalStartTime", {}))),
        "end": _time(event.get("end", {})),
        "location": event.get("location", ""),
        "status": event.get("status", ""),
        "organizer": organizer.get("displayName", organizer.get("email", "")),
        "html_link": event.get("htmlLink", ""),
        "id": event.get("id", ""),
    }


def _time(time: Mapping[str, str]) -> str:
    return time.get("dateTime", time.get("date", ""))
