"""Which jobs a page of the list shows: search, filters, order, and a page of so many."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Self

from attrs import frozen

from nexo_poller.breaker import Breaker
from nexo_poller.runner.condition import Condition, condition
from nexo_poller.runner.views import JobView

JOBS_A_PAGE: Final = 50
LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
NEVER: Final = datetime.max.replace(tzinfo=UTC)
WORST_FIRST: Final = {which: rank for rank, which in enumerate(Condition)}


class Order(StrEnum):
    """What comes first: trouble, the first by its id, the next to run, or the last that ran."""

    TROUBLE = "trouble"
    ID = "id"
    NEXT = "next"
    LAST = "last"

    @property
    def words(self) -> str:
        """The same for a caption."""
        return {
            Order.TROUBLE: "trouble first",
            Order.ID: "by id",
            Order.NEXT: "next to run first",
            Order.LAST: "last to have run first",
        }[self]


@frozen(kw_only=True)
class Query:
    """What is asked for. Empty fields ask for nothing; `page` counts from 1."""

    words: str = ""
    kind: str = ""
    agent: str = ""
    state: Condition | None = None
    order: Order = Order.TROUBLE
    page: int = 1

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, str]) -> Self:
        """The query of an address; what makes no sense there asks for nothing."""
        state, order, page = (arguments.get(name, "") for name in ("state", "order", "page"))
        return cls(
            words=arguments.get("q", "").strip(),
            kind=arguments.get("kind", ""),
            agent=arguments.get("agent", ""),
            state=Condition(state) if state in [*Condition] else None,
            order=Order(order) if order in [*Order] else Order.TROUBLE,
            page=int(page) if page.isascii() and page.isdigit() and len(page) < len("1000000") else 1,
        )

    def arguments(self) -> dict[str, str]:
        """What `from_arguments` makes this query of; defaults are left out."""
        order = "" if self.order is Order.TROUBLE else self.order
        page = "" if self.page == 1 else str(self.page)
        given = {
            "q": self.words, "kind": self.kind, "agent": self.agent, "state": self.state, "order": order, "page": page
        }  # fmt: skip
        return {name: str(value) for name, value in given.items() if value}


@frozen(kw_only=True)
class Listing:
    """A page of jobs.

    `found` of `total` jobs fit the query, on `pages` pages of which this is the `page`-th. `counts` says how many would
    be found in each state, `kinds` and `agents` are all there are, sorted.
    """

    jobs: Sequence[JobView]
    total: int
    found: int
    page: int
    pages: int
    counts: Mapping[Condition, int]
    kinds: Sequence[str]
    agents: Sequence[str]


def listing(jobs: Sequence[JobView], query: Query) -> Listing:
    """The page of `jobs` that `query` asks for; the last one, if it asks for a later one."""
    fitting = [(condition(job), job) for job in jobs if _fits(job, query)]
    found = [job for state, job in fitting if query.state in (None, state)]
    pages = max(1, -(-len(found) // JOBS_A_PAGE))
    page = min(max(1, query.page), pages)
    return Listing(
        jobs=_ordered(found, query.order)[(page - 1) * JOBS_A_PAGE : page * JOBS_A_PAGE],
        total=len(jobs),
        found=len(found),
        page=page,
        pages=pages,
        counts=Counter(state for state, _ in fitting),
        kinds=sorted({job.kind for job in jobs if job.kind}),
        agents=sorted({job.agent for job in jobs if job.agent}),
    )


def _fits(job: JobView, query: Query) -> bool:
    if (query.kind and job.kind != query.kind) or (query.agent and job.agent != query.agent):
        return False
    if not query.words:
        return True
    text = " ".join(filter(None, (job.id, job.kind, job.agent, job.last_error, job.pause_reason))).casefold()
    return all(word in text for word in query.words.casefold().split())


def _ordered(jobs: Sequence[JobView], order: Order) -> Sequence[JobView]:
    match order:
        case Order.TROUBLE:
            return sorted(jobs, key=lambda job: (WORST_FIRST[condition(job)], job.breaker is Breaker.CLOSED))
        case Order.ID:
            return sorted(jobs, key=lambda job: job.id)
        case Order.NEXT:
            return sorted(jobs, key=lambda job: job.next_run_at if job.next_run_at and not job.paused else NEVER)
        case Order.LAST:
            return sorted(jobs, key=lambda job: job.last_run_at or LONG_AGO, reverse=True)
