"""What has been seen of a source, and what of a new document is to be sent. Pure.

A source lists its items again and again; what is new in it are the items whose identity is not in the ring. What is
chosen enters the ring, to be sent now or put by for the next ticks, since it may have left the document by then. What
nobody has room for is not chosen and is still new at the next tick. The first tick has nothing to compare with, and says
itself what of the past counts as seen.
"""

from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Generic, Literal, TypeVar

from attrs import frozen

T = TypeVar("T")
FirstTick = Literal["latest", "all", "none"]

DIGEST_BYTES = 8  # by chance, one new item in 10**14 is taken for one of 100,000 that were seen
SMALLEST_RING = 1000


def digest(identity: str) -> bytes:
    """The 8 bytes by which an identity is remembered."""
    # JSON can bring halves of surrogate pairs, which UTF-8 proper cannot encode
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


@frozen
class Seen:
    """The digests of what was sent or counts as sent, the longest gone first."""

    digests: tuple[bytes, ...] = ()

    def to_text(self) -> str:
        """All digests as one string of base64."""
        return b64encode(b"".join(self.digests)).decode()

    @classmethod
    def from_text(cls, text: str) -> "Seen":
        """The reverse of `to_text`; raises `ValueError` for what never came from there."""
        joined = b64decode(text, validate=True)
        if len(joined) % DIGEST_BYTES:
            raise ValueError(f"{len(joined)} bytes are no whole number of digests")
        return cls(tuple(joined[at : at + DIGEST_BYTES] for at in range(0, len(joined), DIGEST_BYTES)))


@frozen(kw_only=True)
class Choice(Generic[T]):
    """`chosen` is to be sent, in this order; `seen` is the ring with it; `left` new items stay where they are."""

    chosen: tuple[T, ...]
    seen: Seen
    left: int


def choose(
    items: Iterable[tuple[str, T]], seen: Seen | None, *, first_tick: FirstTick, max_per_tick: int, room: int
) -> Choice[T]:
    """What is new in a document's `items`, pairs of identity and item, oldest first: `max_per_tick` and `room` more.

    `seen` None means that this is the first tick, and `first_tick` decides: `all` of the items are new; or only the
    `latest`, the last `max_per_tick`; or `none`. Of items with one identity the first counts. `max_per_tick` >= 1.
    """
    if max_per_tick < 1:
        raise ValueError(f"max_per_tick is {max_per_tick}, so nothing could ever be sent")
    present: dict[bytes, T] = {}
    for identity, item in items:
        present.setdefault(digest(identity), item)
    known = frozenset(seen.digests) if seen else frozenset()
    new = [key for key in present if key not in known]
    if seen is None and first_tick != "all":
        chosen = new[-max_per_tick:] if first_tick == "latest" else []
        done = known.union(new)
    else:
        chosen = new[: max_per_tick + room]
        done = known.union(chosen)
    return Choice(
        chosen=tuple(present[key] for key in chosen),
        seen=_ring(seen or Seen(), present, done),
        left=sum(key not in done for key in new),
    )


def _ring(before: Seen, present: Collection[bytes], done: Collection[bytes]) -> Seen:
    """What is in the document stays whatever its number; what has left it stays while there is room.

    The room grows with the document, so that a source whose pages take turns does not begin anew with each.
    """
    listed = [key for key in present if key in done]
    gone = [key for key in before.digests if key not in present]
    room = max(SMALLEST_RING, 2 * len(present)) - len(listed)
    return Seen((*gone[max(0, len(gone) - room) :], *listed))
