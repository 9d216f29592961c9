"""A daemon and its file: read again at a SIGHUP and, with `serve --watch`, whenever the content has changed.

Theory of operation. The watch looks at what is in the file, again and again, and never at its dates: an editor may rename
another file over it, a mounted ConfigMap turns a symlink, and for a moment there may be no file or half of one. Content
counts once it has stayed the same for `SETTLED`. Each content is dealt with once: applied, refused with everything that
is wrong, or left to an explicit reload because it would remove jobs. Content that runs already, since somebody else has
asked for a reload meanwhile, and content that a SIGHUP has read need nothing more.

Content that cannot be applied just now, since a job is in a commit or a run by hand that does not end, is tried again.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import trio
from attrs import define, field

from nexo_poller.errors import ConfigError, JobRefused, StoreError
from nexo_poller.runner.runner import PollerRunner

SETTLED: Final = 2.0  # seconds
LOOK: Final = 0.5
PAUSE: Final = 10.0
MOST_NAMED: Final = 10

log = logging.getLogger(__name__)


@define(eq=False)
class Reloading:
    """Reloads of `runner`; `look` tells the fingerprint of what its source would read now."""

    runner: PollerRunner
    look: Callable[[], Awaitable[str]]
    _dealt_with: str | None = field(default=None, init=False)
    _put_off: str | None = field(default=None, init=False)

    async def reload(self) -> None:
        """Read the file again and go by it; what is wrong with it is logged, and nothing has changed."""
        self._dealt_with = await self.look()
        try:
            await self.runner.reload(await self.runner.reread())
        except ConfigError as error:
            _tell(map(str, error.problems))
        except (JobRefused, StoreError, RuntimeError) as error:  # the last: it does not run yet, or no more
            _tell([str(error)])

    async def watch(self) -> None:
        """Go by the file whenever its content has changed and settled; for ever, and only while the runner serves."""
        content, since = await self.look(), trio.current_time()
        while True:
            await trio.sleep(LOOK)
            before, content = content, await self.look()
            if content != before:
                since = trio.current_time()
            elif content != self._dealt_with and trio.current_time() - since >= SETTLED:
                await self._deal_with(content)

    async def _deal_with(self, content: str) -> None:
        try:
            obstacles = [] if self._is_running(content) else await self._go_by(content)
        except (JobRefused, StoreError, RuntimeError) as error:
            if content != self._put_off:
                log.warning("not reloaded yet: %s; trying again", error)
            self._put_off = content
            await trio.sleep(PAUSE)
            return
        if await self.look() == content:  # otherwise something else was read, which has not settled yet
            _tell(obstacles)
            self._dealt_with = content

    def _is_running(self, content: str) -> bool:
        return self.runner.config is not None and self.runner.config.fingerprint == content

    async def _go_by(self, content: str) -> Sequence[str]:
        """Reload, or return what is in the way."""
        try:
            config = await self.runner.reread()
            removed = self.runner.diff(config).remove
            if removed:
                return [_would_remove(removed)]
            if config.fingerprint == content:
                await self.runner.reload(config)
        except ConfigError as error:
            return [*map(str, error.problems)]
        return []


def _tell(obstacles: Iterable[str]) -> None:
    for obstacle in obstacles:
        log.error("not reloaded: %s", obstacle)


def _would_remove(job_ids: Sequence[str]) -> str:
    named = ", ".join(f"'{job_id}'" for job_id in job_ids[:MOST_NAMED])
    more = f" and {len(job_ids) - MOST_NAMED} more" if len(job_ids) > MOST_NAMED else ""
    return f"the file has no more {named}{more}; if these jobs are to go, run `nexo-poller reload`"
