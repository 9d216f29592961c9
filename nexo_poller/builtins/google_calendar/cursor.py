"""Up to where a calendar was told. Pure."""

import json
from typing import Final

from attrs import frozen

from nexo_poller.builtins.cursor import CursorUnreadable

KIND: Final = "google_calendar"
VERSION: Final = 1


@frozen(kw_only=True)
class CalendarCursor:
    """Up to where the calendar behind `address` was told.

    That is all before `sync_token`, and, of what has changed since, the pages before `page_token`.
    """

    address: str
    sync_token: str
    page_token: str | None = None

    def to_bytes(self) -> bytes:
        """Compact JSON, marked with the kind and a version."""
        saved = {
            "kind": KIND,
            "v": VERSION,
            "address": self.address,
            "sync_token": self.sync_token,
            "page_token": self.page_token,
        }
        return json.dumps(saved, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, cursor: bytes) -> "CalendarCursor":
        """The reverse of `to_bytes`; raises `CursorUnreadable` for anything else."""
        try:
            saved = json.loads(cursor)
            if (saved["kind"], saved["v"]) != (KIND, VERSION):
                raise CursorUnreadable(KIND, cursor)
            page_token = saved["page_token"]
            return cls(
                address=str(saved["address"]),
                sync_token=str(saved["sync_token"]),
                page_token=None if page_token is None else str(page_token),
            )
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise CursorUnreadable(KIND, cursor) from error
