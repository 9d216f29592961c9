"""The admin app in an app of yours, which then runs the runner too."""

from datetime import timedelta
from typing import Final

from quart_trio import QuartTrio

from nexo_poller.admin.access import Rules
from nexo_poller.admin.blueprint import THIS_MACHINE, admin_blueprint
from nexo_poller.runner.runner import GRACE, PollerRunner

SHARE_OF_PATIENCE: Final = 0.8  # the app cancels everything when its patience ends; what is left is for leases


def mount(app: QuartTrio, runner: PollerRunner, url_prefix: str = "", *, rules: Rules = THIS_MACHINE) -> None:
    """Put the admin app into `app` (see `admin_blueprint`), and let the runner serve as long as the app does.

    The runner starts before the app answers its first request; an error of its start keeps the app from starting. When
    the app shuts down, the runner has most of the app's `BACKGROUND_TASK_SHUTDOWN_TIMEOUT` for ticks and deliveries
    under way, 10 s at most. An error that ends the runner ends the app's lifespan.
    """
    app.register_blueprint(admin_blueprint(runner, url_prefix, rules=rules))

    @app.before_serving
    async def start() -> None:
        await app.nursery.start(runner.serve)

    @app.after_serving
    async def stop() -> None:
        patience = timedelta(seconds=app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] or 0)
        await runner.shutdown(min(GRACE, patience * SHARE_OF_PATIENCE))
