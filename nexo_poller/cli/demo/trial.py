"""The trial: a source that grows, a receiver, and an ordinary daemon between them that is killed again and again.

Nothing in here helps the daemon or knows its database. The source says what there was to deliver, the receiver what
came; the daemon gets its SIGKILL from within the very request that it waits for.
"""

import json
import random
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Final, Protocol

import trio
from attrs import Factory, define, field

from nexo_poller.cli.demo import web
from nexo_poller.cli.demo.daemon import Daemon, DaemonDied
from nexo_poller.cli.demo.ledger import Arrival, accounts
from nexo_poller.cli.demo.receiver import Receiver
from nexo_poller.cli.demo.source import Source
from nexo_poller.cli.demo.summary import MIN_KILLS, Summary
from nexo_poller.cli.demo.trap import Moment, Trap

CALM_SECS: Final = 0.8  # of ordinary work between the first delivery of a life and the next trap
LONGEST_FETCHED_SECS: Final = 0.2
EXTRA_SECS: Final = 3.0  # to reach the second kill on a slow machine
DRAIN_SECS: Final = 6.0
QUIET_SECS: Final = 2.0  # two more ticks of each job, in which a repetition would show

CONFIG: Final = """\
# Written by `nexo-poller demo`.
pollers:
  state_db: {folder}/data/poller.db
  default_jitter_ms: 0
  jobs:
    - id: news
      kind: rss
      agent: ana
      schedule: {{every_secs: 1}}
      config:
        feed_url: {url}/feed
        message_template: "{{title}}"
        deliver: {{channel: inbox, to: ana}}
        first_tick: all
        max_per_tick: 50
        allow_private_networks: true
    - id: orders
      kind: webhook_poll
      agent: ana
      schedule: {{every_secs: 1}}
      config:
        url: {url}/orders
        items_path: orders
        message_template: "{{id}}"
        deliver: {{channel: inbox, to: ana}}
        first_tick: all
        max_per_tick: 50
        allow_private_networks: true
agents:
  - id: ana
    credentials: {{inbox: ana_inbox}}
channels:
  inbox.ana_inbox: {url}/inbox
"""


class Audience(Protocol):
    """Whoever watches the trial."""

    def started(self) -> None:
        """The daemon was started."""

    def arrived(self, arrival: Arrival) -> None:
        """An event came for the first time."""

    def came_again(self, arrival: Arrival) -> None:
        """An event came whose id the receiver knew already."""

    def killed(self, moment: Moment) -> None:
        """The daemon was killed."""

    def draining(self) -> None:
        """The source has stopped growing."""


@define(eq=False, kw_only=True)
class Trial:
    """One trial of one daemon."""

    daemon: Daemon
    audience: Audience
    nursery: trio.Nursery
    ends_at: float
    source: Source = Factory(Source)
    receiver: Receiver = Factory(Receiver)
    kills: int = 0
    _trap: Trap = field(init=False)

    @_trap.default
    def _deadly(self) -> Trap:
        return Trap(self.daemon.kill)

    async def answer(self, request: web.Request) -> web.Answer | None:
        """What the source and the receiver answer; None while the daemon dies of its question."""
        match request.path:
            case "/feed":
                return self._fetched(self.source.feed)
            case "/orders":
                return self._fetched(self.source.api)
            case "/inbox":
                return self._delivered(request.body)
            case _:
                return web.Answer(status=404)

    def _fetched(self, document: Callable[[], web.Answer]) -> web.Answer | None:
        if self._trap.reached(Moment.FETCHING):
            return None
        self.nursery.start_soon(self._fetched_a_moment_ago)
        return document()

    async def _fetched_a_moment_ago(self) -> None:
        await trio.sleep(random.uniform(0, LONGEST_FETCHED_SECS))  # noqa: S311 - where in the tick to strike
        self._trap.reached(Moment.FETCHED)

    def _delivered(self, body: bytes) -> web.Answer | None:
        if self._trap.reached(Moment.POST_UNREAD):
            return None
        arrival, is_known = self.receiver.take(json.loads(body))
        (self.audience.came_again if is_known else self.audience.arrived)(arrival)
        if self._trap.reached(Moment.POST_UNANSWERED):
            return None
        return web.Answer()

    async def torment(self) -> None:
        """Let the daemon work and kill it, in turns, until the time is over; leaves it running."""
        await self._start()
        for moment in cycle(Moment):
            ends_at = self.ends_at if self.kills >= MIN_KILLS else self.ends_at + EXTRA_SECS
            with trio.move_on_at(ends_at) as limit:
                await self.receiver.next_arrival()
                await trio.sleep(CALM_SECS)
                await self._trap.catch(moment)
            if limit.cancelled_caught:
                return
            await self.daemon.gone()
            self.kills += 1
            self.audience.killed(moment)
            await self._start()

    async def drain(self) -> None:
        """Wait for what is missing, not for ever, and then for what should not come."""
        self.audience.draining()
        published = {item for items in self.source.published.values() for item in items}
        with trio.move_on_after(DRAIN_SECS):
            while not self.receiver.has(published):
                await self.receiver.next_arrival()
        await trio.sleep(QUIET_SECS)

    async def _start(self) -> None:
        await self.nursery.start(self.daemon.live)
        self.audience.started()


async def hold_trial(folder: Path, command: Sequence[str], seconds: float, audience: Audience) -> Summary:
    """Try the daemon that `command` starts (`--config` and the folder are appended) for `seconds` and a quiet end."""
    began = trio.current_time()
    daemon = Daemon(command=[*command, "--config", str(folder)], log=folder / "daemon.log")
    trial: Trial | None = None
    trouble: str | None = None
    try:
        async with trio.open_nursery() as nursery:
            trial = Trial(daemon=daemon, audience=audience, nursery=nursery, ends_at=began + seconds)
            url = await nursery.start(web.serve, trial.answer)
            folder.joinpath("pollers.yaml").write_text(CONFIG.format(folder=folder, url=url))
            async with trio.open_nursery() as growing:
                growing.start_soon(trial.source.grow)
                await trial.torment()
                growing.cancel_scope.cancel()
            await trial.drain()
            await daemon.stop()
            nursery.cancel_scope.cancel()
    except* DaemonDied as group:
        trouble = str(group.exceptions[0])
    assert trial is not None  # noqa: S101 - it is the first thing in the nursery
    return Summary(
        jobs=accounts(trial.source.published, trial.receiver.arrivals),
        kills=trial.kills,
        ticks=trial.source.asked,
        takeovers=daemon.takeovers(),
        seconds=trio.current_time() - began,
        trouble=trouble,
    )
