"""A poller whose process is killed at every point between claim and relay, and what must hold then.

For every point that an undisturbed life passes, a new life is begun and killed there with SIGKILL. The file that it leaves
must agree with itself: its cursor is the one that so many ticks leave, and the messages of these ticks, no others, have
arrived or wait in its outbox. Then a life on that file goes on to the end, after which the same messages must have
arrived as without the kill. What the poller sees is the same in all lives: the job's config, the moment, the servers'
answers; so what differs between them it must have kept elsewhere than in its cursor.
"""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

import trio
import trio.testing
from attrs import frozen

from nexo_poller.config.job_config import structure_config
from nexo_poller.poller import Poller, checked_poller
from nexo_poller.testing.doomed import JOB
from nexo_poller.testing.evidence import Evidence, look_at
from nexo_poller.testing.far_http import Said, World
from nexo_poller.testing.lives import LifeFailed, Lives, lives_of
from nexo_poller.testing.routes import Routes
from nexo_poller.testing.transplant import packed
from nexo_poller.testing.traps import POINTS

MOST_PASSES: Final = 2  # of one point: the tenth message of a tick is no other than the second
MOST_SHOWN: Final = 10
MOST_PROBLEMS: Final = 3
AGENT: Final = "ana"


@frozen
class Undisturbed:
    """A life without a kill: `cursors` and `texts` after none, one, two … ticks, and how often each point was passed."""

    cursors: Sequence[bytes | None]
    texts: Sequence[Counter[str]]
    passed: Mapping[str, int]

    @classmethod
    def told(cls, done: Mapping[str, Any], cursor: bytes | None) -> Self:
        """What a whole life, begun with `cursor`, said of itself."""
        cursors, texts = [cursor], [Counter[str]()]
        for commit in done["commits"]:
            cursors.append(commit["cursor"] and b64decode(commit["cursor"]))
            texts.append(texts[-1] + Counter(commit["texts"]))
        return cls(cursors, texts, done["passed"])

    def ends(self) -> Iterator[tuple[str, int]]:
        """Every point at which to die, and how often to pass it before."""
        for point in POINTS:
            for passes in range(min(self.passed.get(point, 0), MOST_PASSES)):
                yield point, passes


async def assert_crash_safe(  # noqa: PLR0913 - each with its default
    poller: Poller[Any],
    *,
    config: Mapping[str, Any],
    http: Routes | None = None,
    credentials: Mapping[str, Mapping[str, Any]] | None = None,
    cursor: bytes | None = None,
    agent: str = AGENT,
    ticks: int = 2,
) -> None:
    """Fail unless `poller` loses nothing and repeats nothing, wherever its process is killed.

    Each life is a real process with a real SQLite file, on which the poller ticks `ticks` times, from `cursor` on. Its
    requests, for whatever host, are answered by `http`, in the test's own process; they must be answered alike every
    time. `credentials` has an account by channel. The class of `poller` must be importable: at the top of a module, which
    the test's own may be.

    Raises `AssertionError` with what was lost or repeated, and where the process was killed, for three points at most; `Immovable` if no
    other process can be given the poller; `ConfigError` for a wrong `config`; `RuntimeError` in virtual time, which
    processes do not live in.
    """
    __tracebackhide__ = True
    if isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock):
        raise RuntimeError(  # noqa: TRY004 - the clock is no argument
            "assert_crash_safe runs real processes, which virtual time does not wait for: call it from a test without "
            "poller_harness and autojump_clock, and give it its own `http=Routes()`"
        )
    structure_config(config, checked_poller(poller))
    told: dict[str, Any] = {
        "poller": packed(poller),
        "config": config,
        "agent": agent,
        "ticks": ticks,
        "credentials": credentials or {},
        "cursor": cursor and b64encode(cursor).decode(),
    }
    routes = http or Routes()
    with TemporaryDirectory(prefix="nexo-") as name:  # not pytest's, too long for the name of a socket
        folder = Path(name)
        told["socket"] = str(folder / "world")
        async with lives_of(told, folder) as lives, _world(routes, folder / "world") as world:
            problems = await _problems(lives, world, folder, cursor)
    routes.check()
    if problems:
        raise AssertionError(f"{type(poller).__name__} is not crash-safe.\n" + "\n".join(problems))


@asynccontextmanager
async def _world(routes: Routes, socket: Path) -> AsyncIterator[World]:
    world = World(routes)
    with trio.socket.socket(trio.socket.AF_UNIX) as listening:
        await listening.bind(str(socket))
        listening.listen()
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, world.meet, [trio.SocketListener(listening)])
            yield world
            nursery.cancel_scope.cancel()


async def _problems(lives: Lives, world: World, folder: Path, cursor: bytes | None) -> list[str]:
    """What was found wrong; what is raised here would reach the test in a nursery's exception group."""
    try:
        return await _found(lives, world, folder, cursor)
    except LifeFailed as error:
        return [str(error)]


async def _found(lives: Lives, world: World, folder: Path, cursor: bytes | None) -> list[str]:
    """What was found wrong, a paragraph each; of the kills at one point, the first that shows it, and of the points, three."""
    first = Undisturbed.told(await lives.whole(folder / "first.db"), cursor)
    second = Undisturbed.told(await lives.whole(folder / "second.db"), cursor)
    if (first.cursors, first.texts) != (second.cursors, second.texts):
        return [_unrepeatable(first, second)]
    problems: dict[str, str] = {}
    for point, passes in first.ends():
        world.arrived.clear()
        db = folder / f"{point}-{passes}.db"
        await lives.cut_short(db, point, passes)
        found = [*_disagreements(look_at(db, JOB), world.arrived, first)]
        await lives.whole(db)
        found += _differences(first.texts[-1], _texts(world.arrived))
        if found:
            problems.setdefault(point, f"Killed when {POINTS[point]} ({point}):\n" + "\n".join(found))
        if len(problems) == MOST_PROBLEMS:
            break
    return [*problems.values()]


def _disagreements(evidence: Evidence, arrived: Sequence[Said], expected: Undisturbed) -> Iterator[str]:
    """Where the file of a killed process contradicts itself, or what has arrived."""
    if evidence.integrity != "ok":
        yield f"  the file is damaged: {evidence.integrity}"
    if evidence.cursor != expected.cursors[evidence.ticks]:
        yield f"  after {evidence.ticks} ticks the cursor is {evidence.cursor!r}, not {expected.cursors[evidence.ticks]!r}"
    yield from _differences(expected.texts[evidence.ticks], _texts([*arrived, *evidence.messages]))


def _texts(messages: Iterable[Said]) -> Counter[str]:
    """What was said, a redelivery, which has the same id, once."""
    return Counter({message.id: message.text for message in messages}.values())


def _differences(expected: Counter[str], found: Counter[str]) -> Iterator[str]:
    for what, texts in (("lost", expected - found), ("made again, with a new id", found - expected)):
        for text in [*texts.elements()][:MOST_SHOWN]:
            yield f"  {what}: {text}"


def _unrepeatable(first: Undisturbed, second: Undisturbed) -> str:
    differences = [*_differences(first.texts[-1], second.texts[-1])] or [
        f"  the cursors were {first.cursors!r}, and then {second.cursors!r}"
    ]
    what = (
        "Nobody was killed, and a second life, on a new file, differed from the first. Either the servers answered "
        "otherwise, or the poller keeps something elsewhere than in its cursor, such as a file, where no commit protects "
        "it (or chance decides what it sends):"
    )
    return "\n".join([what, *differences])
