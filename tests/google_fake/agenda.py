"""Calendar v3 of one account: https://developers.google.com/workspace/calendar/api/guides/sync"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from attrs import Factory, define

from google_fake.faults import Refusal

MOST_RESULTS: Final = 2500
NOT_WITH_A_SYNC_TOKEN: Final = (
    *("iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty"),
    *("timeMin", "timeMax", "updatedMin"),
)
OF_ONE_REQUEST: Final = ("pageToken", "syncToken")  # "all other query parameters should be the same"
STEPS: Final = {"DAILY": timedelta(days=1), "WEEKLY": timedelta(days=7)}
Query = Mapping[str, Sequence[str]]


@define(eq=False)
class Agenda:
    """The events of one calendar. `page_size` keeps pages shorter than asked for, as Google may."""

    email: str
    now: Callable[[], datetime]
    page_size: int = MOST_RESULTS
    events: dict[str, dict[str, Any]] = Factory(dict)
    _changed: dict[str, int] = Factory(dict)  # at which of all changes an event changed last
    _log: list[str] = Factory(list)
    _oldest_valid: int = 0

    def put(self, event_id: str, *, start: datetime | date, length: timedelta | None = None, **fields: Any) -> None:
        """Add or change an event: timed if `start` is a datetime, all-day if it is a date; `fields` as the API has them.

        `recurrence` may be one rule `RRULE:FREQ=DAILY|WEEKLY;COUNT=n`.
        """
        self._store(
            event_id,
            {
                "kind": "calendar#event",
                "id": event_id,
                "status": "confirmed",
                "htmlLink": f"https://www.google.com/calendar/event?eid={event_id}",
                "iCalUID": f"{event_id}@google.com",
                "eventType": "default",
                "creator": {"email": self.email, "self": True},
                "organizer": {"email": self.email, "self": True},
                "start": _moment(start),
                "end": _moment(start + (length or (timedelta(hours=1) if _is_timed(start) else timedelta(days=1)))),
                **fields,
            },
        )

    def cancel(self, event_id: str) -> None:
        """Delete an event: the API goes on to list it as cancelled, with little more than its id."""
        self._store(event_id, {"kind": "calendar#event", "id": event_id, "status": "cancelled"})

    def cancel_instance(self, event_id: str, start: datetime) -> None:
        """Delete one instance of a recurring event."""
        instance = f"{event_id}_{_stamp(_moment(start))}"
        gone = {"recurringEventId": event_id, "originalStartTime": _moment(start)}
        self._store(instance, {"kind": "calendar#event", "id": instance, "status": "cancelled", **gone})
        self._changed[event_id] = self._changed[instance]

    def expire_sync_tokens(self) -> None:
        """Every sync token given out so far is answered with 410."""
        self._oldest_valid = len(self._log) + 1
        self._log.append("expired")

    def list_events(self, query: Query) -> dict[str, Any]:
        """events.list."""
        one = {name: values[0] for name, values in query.items()}
        since, upto, position = self._place(one)
        found = [event for event in self._events(one) if since < self._seq(event) <= upto]
        if since == 0 and one.get("showDeleted") != "true":
            found = [event for event in found if event["status"] != "cancelled" or "recurringEventId" in event]
        if since == 0 and one.get("singleEvents") == "true" and one.get("showDeleted") != "true":
            found = [event for event in found if event["status"] != "cancelled"]
        size = min(int(one.get("maxResults", "250")), MOST_RESULTS, self.page_size)
        is_last = position + size >= len(found)
        further = (
            {"nextSyncToken": f"sync/{upto}/{_parameters(one)}"}
            if is_last
            else {"nextPageToken": f"page/{since}/{upto}/{position + size}/{_parameters(one)}"}
        )
        return {
            "kind": "calendar#events",
            "etag": f'"{upto}"',
            "summary": self.email,
            "updated": self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "timeZone": "UTC",
            "accessRole": "owner",
            "defaultReminders": [],
            **further,
            "items": found[position : position + size],
        }

    def _place(self, one: Mapping[str, str]) -> tuple[int, int, int]:
        """After which change the listing begins, with which it ends, and how much of it the client has seen."""
        since, upto, position = 0, len(self._log), 0
        if token := one.get("syncToken"):
            forbidden = [name for name in NOT_WITH_A_SYNC_TOKEN if name in one]
            if forbidden or one.get("showDeleted") == "false":
                raise _bad(f"Sync token cannot be used with {', '.join(forbidden) or 'showDeleted=false'}.")
            found = re.fullmatch(r"sync/(\d+)/(.*)", token)
            if not found or int(found[1]) < self._oldest_valid:
                raise Refusal(
                    status=410,
                    reason="fullSyncRequired",
                    message="Sync token is no longer valid, a full sync is required.",
                )
            if found[2] != _parameters(one):
                raise _bad("The parameters are not those of the initial synchronization.")
            since = int(found[1])
        if token := one.get("pageToken"):
            page = re.fullmatch(r"page/(\d+)/(\d+)/(\d+)/(.*)", token)
            if not page or page[4] != _parameters(one) or int(page[1]) != since:
                raise _bad("Invalid page token value.")
            since, upto, position = int(page[1]), int(page[2]), int(page[3])
        return since, upto, position

    def _events(self, one: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        for event in [*self.events.values()]:
            if one.get("singleEvents") == "true" and "recurrence" in event:
                yield from (instance for instance in _instances(event) if instance["id"] not in self.events)
            elif _in_time(event, one):
                yield event

    def _seq(self, event: Mapping[str, Any]) -> int:
        return self._changed.get(event["id"]) or self._changed[event["recurringEventId"]]

    def _store(self, event_id: str, event: dict[str, Any]) -> None:
        self._log.append(event_id)
        self._changed[event_id] = len(self._log)
        stamp = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        times = {} if event["status"] == "cancelled" else {"created": stamp, "updated": stamp}
        self.events.pop(event_id, None)
        self.events[event_id] = {**event, "etag": f'"{len(self._log)}"', **times}


def _instances(event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    rule = re.fullmatch(r"RRULE:FREQ=(DAILY|WEEKLY);COUNT=(\d+)", event["recurrence"][0])
    assert rule, f"the fake does not play {event['recurrence']}"
    for n in range(int(rule[2])):
        start, end = (_moved(event[side], n * STEPS[rule[1]]) for side in ("start", "end"))
        yield {
            **{name: value for name, value in event.items() if name != "recurrence"},
            "id": f"{event['id']}_{_stamp(start)}",
            "recurringEventId": event["id"],
            "originalStartTime": start,
            "start": start,
            "end": end,
        }


def _in_time(event: Mapping[str, Any], one: Mapping[str, str]) -> bool:
    bounds = {name: datetime.fromisoformat(one[name]) for name in ("timeMin", "timeMax") if name in one}
    if not bounds or "start" not in event:
        return True
    assert "recurrence" not in event, "the fake does not play timeMin and timeMax with recurring events"
    start, end = _at(event["start"]), _at(event["end"])
    return end > bounds.get("timeMin", start - timedelta(1)) and start < bounds.get("timeMax", end + timedelta(1))


def _is_timed(start: datetime | date) -> bool:
    return isinstance(start, datetime)


def _moment(start: datetime | date) -> dict[str, str]:
    if isinstance(start, datetime):
        return {"dateTime": start.astimezone(UTC).isoformat().replace("+00:00", "Z"), "timeZone": "UTC"}
    return {"date": start.isoformat()}


def _at(moment: Mapping[str, str]) -> datetime:
    if "date" in moment:
        return datetime.fromisoformat(moment["date"]).replace(tzinfo=UTC)
    return datetime.fromisoformat(moment["dateTime"])


def _moved(moment: Mapping[str, str], by: timedelta) -> dict[str, str]:
    return _moment((_at(moment) + by).date() if "date" in moment else _at(moment) + by)


def _stamp(moment: Mapping[str, str]) -> str:
    return f"{_at(moment):%Y%m%d}" if "date" in moment else f"{_at(moment):%Y%m%dT%H%M%SZ}"


def _parameters(one: Mapping[str, str]) -> str:
    return json.dumps({name: value for name, value in sorted(one.items()) if name not in OF_ONE_REQUEST})


def _bad(message: str) -> Refusal:
    return Refusal(status=400, reason="invalid", message=message)
