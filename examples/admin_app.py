"""A web app of one's own whose jobs are seen and steered below /ops. There are two ways; ./config has the jobs.

python admin_app.py mount 127.0.0.1:8000       the app runs the runner
python admin_app.py blueprint 127.0.0.1:8000   the program runs both
"""

import sys
from signal import SIGINT, SIGTERM

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from my_poller import VersionPoller
from quart_trio import QuartTrio

from nexo_poller import Event, PollerRunner, PrometheusMetrics
from nexo_poller.admin import admin_blueprint, mount

BELOW = "/ops"
news: list[str] = []
app = QuartTrio(__name__)


@app.get("/news")
async def all_news() -> list[str]:
    return news


async def take(event: Event) -> None:
    news.append(event.payload["text"])


def runner() -> PollerRunner:
    jobs = PollerRunner.from_config("./config", metrics=PrometheusMetrics()).register(VersionPoller())
    jobs.subscribe("plugin.outbound.>", take)
    return jobs


async def told_to_end() -> None:
    with trio.open_signal_receiver(SIGINT, SIGTERM) as signals:
        await anext(signals)


async def with_mount(server: Config) -> None:
    """The runner starts before the app's first answer, and ends with the app."""
    mount(app, runner(), BELOW)
    await serve(app, server, shutdown_trigger=told_to_end)


async def with_blueprint(server: Config) -> None:
    """The runner is yours to start and to end; while it does not serve, what needs it answers 503."""
    jobs = runner()
    app.register_blueprint(admin_blueprint(jobs, BELOW))
    async with trio.open_nursery() as nursery:
        await nursery.start(jobs.serve)
        await serve(app, server, shutdown_trigger=told_to_end)
        await jobs.shutdown()


if __name__ == "__main__":
    way, address = sys.argv[1:]
    trio.run({"mount": with_mount, "blueprint": with_blueprint}[way], Config.from_mapping(bind=address))
