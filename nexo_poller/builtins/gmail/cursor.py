"""What a gmail job remembers between ticks. Pure."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from attrs import Factory, evolve, frozen

from nexo_poller.builtins.cursor import CursorUnreadable
from nexo_poller.seen import Seen, digest

KIND: Final = "gmail"
VERSION: Final = 1
MOST_REMEMBERED: Final = 5_000
MOST_TO_MARK: Final = 5_000  # beyond them, the oldest stay unread
MOST_ATTEMPTS: Final = 3


@frozen(kw_only=True)
class GmailCursor:
    """`seen` are the mails that were dealt with, in order of arrival.

    `to_mark` are those whose messages are committed and which are still to be marked as read. `failures` counts how
    often a mail could not be dealt with.
    """

    seen: Seen = Factory(Seen)
    to_mark: tuple[str, ...] = ()
    failures: Mapping[str, int] = Factory(dict)

    def new(self, listed: Sequence[str]) -> list[str]:
        """Those of the listed mails that were not dealt with."""
        known = frozenset(self.seen.digests)
        return [mail_id for mail_id in listed if digest(mail_id) not in known]

    def dealt_with(self, done: Collection[str], listed: Sequence[str]) -> "GmailCursor":
        """With these mails among the seen ones. `listed`, oldest first, are all that match: none of them is forgotten."""
        present = {digest(mail_id): None for mail_id in listed}
        known = frozenset(self.seen.digests) | frozenset(map(digest, done))
        here = [key for key in present if key in known]
        gone = [key for key in self.seen.digests if key not in present]
        room = max(0, MOST_REMEMBERED - len(here))
        here_still = set(listed).difference(done)
        failures = {mail_id: count for mail_id, count in self.failures.items() if mail_id in here_still}
        return evolve(self, seen=Seen((*gone[max(0, len(gone) - room) :], *here)), failures=failures)

    def failed(self, mail_id: str) -> "GmailCursor":
        """One more time."""
        return evolve(self, failures={**self.failures, mail_id: self.failures.get(mail_id, 0) + 1})

    def is_given_up(self, mail_id: str) -> bool:
        """Whether the mail has failed too often."""
        return self.failures.get(mail_id, 0) >= MOST_ATTEMPTS

    def to_bytes(self) -> bytes:
        """Compact JSON, marked with the kind and a version."""
        saved = {
            "kind": KIND,
            "v": VERSION,
            "seen": self.seen.to_text(),
            "to_mark": self.to_mark[-MOST_TO_MARK:],
            "failures": dict(self.failures),
        }
        return json.dumps(saved, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, cursor: bytes) -> "GmailCursor":
        """The reverse of `to_bytes`; raises `CursorUnreadable` for anything else."""
        try:
            saved = json.loads(cursor)
            if (saved["kind"], saved["v"]) != (KIND, VERSION):
                raise CursorUnreadable(KIND, cursor)
            return cls(
                seen=Seen.from_text(saved["seen"]),
                to_mark=tuple(map(str, saved["to_mark"])),
                failures={str(mail_id): int(count) for mail_id, count in saved["failures"].items()},
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise CursorUnreadable(KIND, cursor) from error
