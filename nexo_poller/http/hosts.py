"""Manners towards hosts: a few requests at once to each, and none while it asked to be left alone (R6).

A host is what stands in the URL between `//` and the path: the same name on another port is another host, the same
name over http and https, on their usual ports, is one.

Neither table grows without end. A host's places exist only while somebody holds one or waits for one (a weak
dictionary). Holds that are over are dropped when the next one is made, and their number is limited.
"""

from collections.abc import MutableMapping
from datetime import timedelta
from weakref import WeakValueDictionary

import trio
from attrs import Factory, define, frozen

from nexo_poller.errors import HostHeld

REQUESTS_AT_ONCE = 4
LONGEST_HOLD = timedelta(hours=1)  # R6
MOST_HOLDS = 10_000


@define(eq=False)
class Place:
    """The right to one request. Give it back when the answer has been read or given up; twice does no harm."""

    _places: trio.Semaphore | None

    def give_back(self) -> None:
        """Let the next request to this host begin."""
        if self._places:
            self._places.release()
            self._places = None


@frozen(kw_only=True)
class Hold:
    """`asked_of` was told to stay away until `until` (trio's clock); everybody else stays away with it."""

    until: float
    asked_of: object


@define(eq=False)
class Hosts:
    """All hosts that one runner's jobs talk to."""

    _places: MutableMapping[str, trio.Semaphore] = Factory(WeakValueDictionary)
    _holds: dict[str, Hold] = Factory(dict)

    async def enter(self, host: str, asker: object) -> Place:
        """Wait for one of the places at `host`; they go to whoever came first.

        Raises:
            HostHeld: the host asked somebody other than `asker` to stay away, before or during the wait.
        """
        self._raise_if_held(host, asker)
        places = self._places.setdefault(host, trio.Semaphore(REQUESTS_AT_ONCE))
        await places.acquire()
        place = Place(places)
        try:
            self._raise_if_held(host, asker)
        except HostHeld:
            place.give_back()
            raise
        return place

    def hold(self, host: str, wait: timedelta, *, asked_of: object) -> None:
        """Keep everybody but `asked_of` away from `host` for `wait`, one hour at most."""
        now = trio.current_time()
        self._holds = {host: hold for host, hold in self._holds.items() if hold.until > now}
        if len(self._holds) < MOST_HOLDS:
            until = now + min(wait, LONGEST_HOLD).total_seconds()
            self._holds[host] = Hold(until=until, asked_of=asked_of)

    def _raise_if_held(self, host: str, asker: object) -> None:
        hold = self._holds.get(host)
        if hold and hold.asked_of is not asker and hold.until > (now := trio.current_time()):
            raise HostHeld(host, timedelta(seconds=hold.until - now))
