"""From whatever came out of a tick to what becomes of the job."""

from collections.abc import Iterator
from datetime import timedelta

from nexo_poller.errors import HostHeld, PermanentError, TransientError

LONGEST_ERROR = 1_000  # characters of an error that are kept, once it is masked


def classify(error: BaseException) -> TransientError | PermanentError | HostHeld:
    """The worst leaf decides: permanent, then transient (any other exception is that), then a held host.

    The longest `retry_after` among transient leaves wins.
    """
    found = list(leaves(error))
    permanent = [leaf for leaf in found if isinstance(leaf, PermanentError)]
    if permanent:
        return permanent[0]
    held = [leaf for leaf in found if isinstance(leaf, HostHeld)]
    if len(held) == len(found):
        return max(held, key=lambda leaf: leaf.wait)
    transient = [_transient(leaf) for leaf in found if not isinstance(leaf, HostHeld)]
    return max(transient, key=lambda leaf: leaf.retry_after or timedelta())


def describe(error: BaseException) -> str:
    """The error's own words, as UTF-8 can hold them; its type where it has none."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - an error that cannot even be told
        words = ""
    return (words or type(error).__name__).encode(errors="replace").decode()


def _transient(error: BaseException) -> TransientError:
    if isinstance(error, TransientError):
        return error
    name, words = type(error).__name__, describe(error)
    transient = TransientError(name if words == name else f"{name}: {words}")
    transient.__cause__ = error
    return transient


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors inside a group, at any depth; an error that is no group is its own only leaf."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error
