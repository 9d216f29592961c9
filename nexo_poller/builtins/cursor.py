"""The cursor of the kinds that watch a list: what was seen, what waits, what makes the next request conditional. Pure."""

import json
from collections.abc import Mapping
from hashlib import blake2b

from attrs import Factory, frozen

from nexo_poller.errors import ConfigError
from nexo_poller.seen import Seen

VERSION = 1
LONGEST_CONDITION = 1000
MOST_WAITING = 500  # messages of at most 4,096 characters; beyond them, new items wait where they are listed


class CursorUnreadable(ConfigError):
    """The cursor is not one of this kind and version. Treating it as none would send everything again."""

    def __init__(self, kind: str, cursor: bytes) -> None:
        super().__init__(
            f"the cursor ({len(cursor):,} bytes, beginning {cursor[:40]!r}) is none that this version of kind "
            f"'{kind}' can read (reset the job: it then begins as on its first tick)"
        )


@frozen(kw_only=True)
class Cursor:
    """`waiting` are messages for the next ticks, oldest first: their items may be gone from the list by then.

    `conditions` are request headers by which the server may answer 304; they belong to the URL behind `address`.
    """

    seen: Seen = Factory(Seen)
    waiting: tuple[str, ...] = ()
    conditions: Mapping[str, str] = Factory(dict)
    address: str = ""

    def to_bytes(self, kind: str) -> bytes:
        """Compact JSON, marked with the kind and a version."""
        saved = {
            "kind": kind,
            "v": VERSION,
            "seen": self.seen.to_text(),
            "waiting": self.waiting,
            "conditions": dict(self.conditions),
            "address": self.address,
        }
        return json.dumps(saved, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, kind: str, cursor: bytes) -> "Cursor":
        """The reverse of `to_bytes`; raises `CursorUnreadable` for anything else."""
        try:
            saved = json.loads(cursor)
            if (saved["kind"], saved["v"]) != (kind, VERSION):
                raise CursorUnreadable(kind, cursor)
            conditions = {str(name): str(value) for name, value in saved["conditions"].items()}
            return cls(
                seen=Seen.from_text(saved["seen"]),
                waiting=tuple(map(str, saved["waiting"])),
                conditions=conditions,
                address=saved["address"],
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise CursorUnreadable(kind, cursor) from error

    @property
    def room(self) -> int:
        """How many more messages may wait."""
        return max(MOST_WAITING - len(self.waiting), 0)

    def conditions_for(self, url: str) -> Mapping[str, str]:
        """The conditions, if they came from `url`: those of another place would be answered for another document."""
        return self.conditions if self.address == address_of(url) else {}


def address_of(url: str) -> str:
    """A digest of `url`, which may carry a secret and so stays out of the cursor."""
    return blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def conditions_from(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The request headers that give an answer's ETag and Last-Modified back. `headers` finds names in any case."""
    answers = {"If-None-Match": headers.get("ETag", ""), "If-Modified-Since": headers.get("Last-Modified", "")}
    # what is not ASCII could not be sent, and every later tick would fail with it
    return {name: text for name, text in answers.items() if text.isascii() and 0 < len(text) <= LONGEST_CONDITION}
