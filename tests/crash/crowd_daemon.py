"""One of several daemons on one database, with many jobs that count."""

from datetime import timedelta
from pathlib import Path

from attrs import frozen
from serving import arguments, serve

from nexo_poller import (
    Config,
    Every,
    JobSpec,
    OutboundDelivery,
    PollContext,
    Poller,
    PollerRunner,
    Settings,
    TickAck,
)
from nexo_poller.store.rows import to_ms


@frozen
class NoConfig:
    pass


class CountingPoller(Poller[NoConfig]):
    """Sends the number of its tick, which is its cursor, and the tick's moment in milliseconds."""

    kind = "counting"
    config_type = NoConfig

    async def tick(self, ctx: PollContext[NoConfig]) -> TickAck:
        n = int(ctx.cursor or b"0") + 1
        text = f"{ctx.job_id} {n} {to_ms(ctx.now)}"
        deliver = [OutboundDelivery(channel="telegram", recipient="42", payload=text)]
        return TickAck(next_cursor=str(n).encode(), deliver=deliver)


def main() -> None:
    told = arguments()
    every = Every(timedelta(seconds=1), jitter=timedelta())
    config = Config(
        settings=Settings(state_db=Path(told["db"]), history_per_job=1_000_000),
        jobs=tuple(JobSpec(id=name, kind="counting", agent="ana", schedule=every) for name in told["jobs"]),
        channels={"*": told["inbox"]},
    )
    serve(PollerRunner(config).register(CountingPoller()))


if __name__ == "__main__":
    main()
