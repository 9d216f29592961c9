"""The verdict: what the source had published against what the receiver got. Nothing else is asked, least the database."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from attrs import frozen


@frozen(kw_only=True)
class Arrival:
    """One POST that the receiver took in: the event's id, and the item that its text names."""

    event_id: str
    item: str


@frozen(kw_only=True)
class Account:
    """What became of one job's items.

    `delivered` counts items, not POSTs. `lost` never came; `repeated` came again as another event; `redelivered` came
    again under an id known already, so a receiver can tell. `disordered` came before one that was published earlier.
    """

    published: int
    delivered: int
    lost: int
    repeated: int
    redelivered: int
    disordered: int

    @property
    def is_clean(self) -> bool:
        """Whether there were items, and every one arrived once and in its turn."""
        return self.delivered > 0 and self.lost == self.repeated == self.disordered == 0


def accounts(published: Mapping[str, Sequence[str]], arrivals: Sequence[Arrival]) -> dict[str, Account]:
    """The account of each job, from its items in the order of publication and all arrivals in theirs."""
    return {job: _account(items, arrivals) for job, items in published.items()}


def _account(items: Sequence[str], arrivals: Sequence[Arrival]) -> Account:
    place = {item: index for index, item in enumerate(items)}
    ours = [arrival for arrival in arrivals if arrival.item in place]
    events: dict[str, str] = {}  # a receiver that drops known ids keeps the first content of each
    for arrival in ours:
        events.setdefault(arrival.event_id, arrival.item)
    first_arrivals = list(dict.fromkeys(events.values()))
    return Account(
        published=len(items),
        delivered=len(first_arrivals),
        lost=len(items) - len(first_arrivals),
        repeated=len(events) - len(first_arrivals),
        redelivered=len(ours) - len(events),
        disordered=sum(place[later] < place[earlier] for earlier, later in pairwise(first_arrivals)),
    )
