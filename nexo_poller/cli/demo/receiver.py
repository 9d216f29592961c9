"""The demo's receiver: takes deliveries in, and remembers every one."""

from typing import Any, Final

import trio
from attrs import Factory, define

from nexo_poller.cli.demo.ledger import Arrival

NAMELESS: Final = "(no text)"


@define(eq=False)
class Receiver:
    """All that arrived, in order, redeliveries included."""

    arrivals: list[Arrival] = Factory(list)
    _known: set[str] = Factory(set)
    _waiting: trio.Event = Factory(trio.Event)

    def take(self, event: dict[str, Any]) -> tuple[Arrival, bool]:
        """Take an event in; with whether its id was known already."""
        arrival = Arrival(event_id=str(event["id"]), item=str(event["payload"].get("text", NAMELESS)))
        is_known = arrival.event_id in self._known
        self._known.add(arrival.event_id)
        self.arrivals.append(arrival)
        self._waiting.set()
        self._waiting = trio.Event()
        return arrival, is_known

    async def next_arrival(self) -> None:
        """Return when something has arrived after this call."""
        await self._waiting.wait()

    def has(self, items: set[str]) -> bool:
        """Whether each of these items arrived at least once."""
        return items <= {arrival.item for arrival in self.arrivals}
