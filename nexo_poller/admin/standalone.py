"""The admin app on a server of its own."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from quart import Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from nexo_poller.admin.access import Rules, rules_for
from nexo_poller.admin.blueprint import add_view, admin_blueprint
from nexo_poller.admin.endpoint import nothing_here
from nexo_poller.admin.failures import failure
from nexo_poller.admin.incoming import MAX_BODY_BYTES
from nexo_poller.admin.listening import address_of, listening
from nexo_poller.admin.outgoing import careful, failure_response
from nexo_poller.admin.server import serve_app
from nexo_poller.config.model import AdminSettings
from nexo_poller.runner.runner import PollerRunner

log = logging.getLogger(__name__)


@asynccontextmanager
async def admin_server(runner: PollerRunner, settings: AdminSettings) -> AsyncIterator[list[str]]:
    """The admin app, answering during the block; gives the addresses at which it does, and logs them.

    The runner may start and stop meanwhile: while it does not serve, requests that need it get 503. Raises
    `AdminRefused`, with what to do, if the server cannot listen there, or must not without a token.
    """
    app = admin_app(runner, rules_for(settings))
    async with listening(settings.bind) as listeners, trio.open_nursery() as nursery:
        await nursery.start(serve_app, app, listeners)
        addresses = [*map(address_of, listeners)]
        log.info("the admin server listens on %s", ", ".join(addresses))
        yield addresses
        nursery.cancel_scope.cancel()


def admin_app(runner: PollerRunner, rules: Rules) -> QuartTrio:
    """An app that is nothing but the admin app; whatever it is asked for, it looks first at who asks."""
    app = QuartTrio("nexo_poller.admin", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    blueprint = admin_blueprint(runner, rules=rules)
    add_view(blueprint, "/<path:anything>", "nothing", nothing_here)
    app.register_blueprint(blueprint)

    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> Response:
        return await careful(failure_response(failure(error)))

    return app
