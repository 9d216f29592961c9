"""One tick of a test's job, from its config to what it would send, without a store."""

from datetime import timedelta
from typing import Any, Final

import trio

from nexo_poller.config.model import Settings
from nexo_poller.errors import PermanentError
from nexo_poller.masking import Mask
from nexo_poller.poller import PollContext, TickAck
from nexo_poller.runner.outgoing import Sender
from nexo_poller.runner.tick import Ended, run_tick
from nexo_poller.testing.host import RecordingHost
from nexo_poller.testing.job import INTERVAL, Job
from nexo_poller.testing.result import TickResult

SETTINGS: Final = Settings()


async def tick(job: Job, cursor: bytes | None) -> TickResult:
    """Tick `job` once on `cursor`, as its runner would between claim and commit."""
    spec, around = job.spec, job.surroundings
    host = RecordingHost.of(spec, around.credentials, around.llm)
    async with job.poller.lifespan(around.clock), job.poller.place():
        at, began = around.clock.now(), trio.current_time()
        context: PollContext[Any] = PollContext(
            job_id=spec.id,
            agent_id=spec.agent,
            kind=spec.kind,
            config=job.typed,
            cursor=cursor,
            now=at,
            interval_hint=INTERVAL,
            host=host,
            is_dry_run=job.is_dry_run,
            open_http=lambda: job.http,
        )
        ended = await run_tick(job.poller, context, SETTINGS.tick_timeout)
        duration = timedelta(seconds=trio.current_time() - began)
    if isinstance(ended, TickAck):
        ended = _sendable(ended, job, host)
    return TickResult(
        kind=spec.kind,
        at=at,
        duration=duration,
        cursor=cursor,
        ack=ended if isinstance(ended, TickAck) else None,
        error=None if isinstance(ended, TickAck) else ended,
        published=tuple(host.published) if isinstance(ended, TickAck) else (),
        logs=tuple(host.logs),
        metrics=host.metrics,
    )


def _sendable(ack: TickAck, job: Job, host: RecordingHost) -> Ended:
    """`ack`, or why its messages cannot be sent."""
    now = job.surroundings.clock.now()
    sender = Sender(job=job.spec, agents=None, store_id="", fence=1, now=now, mask=Mask(()))
    try:
        sender.everything(ack.deliver, host.published, SETTINGS.max_pending_per_job)
    except PermanentError as error:
        return error
    return ack
