"""Problems on their way to the reader: moved under the key they belong to, given their place, put in order."""

from collections.abc import Callable, Iterable

from attrs import evolve

from nexo_poller.errors import Problem
from nexo_poller.masking import Mask

Key = tuple[str | int, ...]
Where = Callable[[Key], str]


class KeyItself(str):
    """The last step of a key path that means the mapping's key, not the value under it."""

    __slots__ = ()


def nowhere(key: Key) -> str:  # noqa: ARG001 - a `Where`
    """The place of everything in a configuration that comes from no file."""
    return ""


def rebased(problems: Iterable[Problem], under: Key) -> list[Problem]:
    """The problems of a part, as problems of the whole that has this part at the key `under`."""
    return [evolve(problem, key=(*under, *problem.key)) for problem in problems]


def merged(earlier: Iterable[Problem], later: Iterable[Problem]) -> list[Problem]:
    """Both, but nothing later about a key that was found faulty before: it would be the same mistake told twice."""
    found = list(earlier)
    faulty = {problem.key for problem in found}
    return [*found, *(problem for problem in later if problem.key not in faulty)]


def placed(problems: Iterable[Problem], where: Where, mask: Mask, job: str | None = None) -> tuple[Problem, ...]:
    """The problems with `where` and `job` filled in, and nothing secret in them."""
    return tuple(
        evolve(
            problem,
            where=problem.where or where(problem.key),
            job=job,
            what=mask(problem.what),
            remedy=mask(problem.remedy),
        )
        for problem in problems
    )


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems file by file, and in the order of each; those without a place come first."""
    return tuple(sorted(problems, key=_position))


def _position(problem: Problem) -> tuple[str, tuple[int, ...]]:
    file, *line_and_column = problem.where.rsplit(":", 2)
    return file, tuple(map(int, line_and_column))
