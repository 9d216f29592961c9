"""How the daemon is: for whoever restarts it, sends it work, or draws its curves."""

from functools import partial
from typing import Any

import trio
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from quart import Response

from nexo_poller.admin.failures import Failure
from nexo_poller.admin.outgoing import bytes_response
from nexo_poller.admin.route import Call
from nexo_poller.runner.prometheus import PrometheusMetrics


async def alive(_: Call) -> dict[str, Any]:
    """The process answers."""
    return {"ok": True}


async def ready(_: Call) -> dict[str, Any]:
    """The runner serves: while it does not, this is not reached."""
    return {"ok": True}


async def metrics(call: Call) -> Response:
    """What Prometheus reads, rendered in a thread: with ten thousand jobs it takes a while."""
    counted = call.runner.metrics
    if not isinstance(counted, PrometheusMetrics):
        raise Failure(404, "this runner counts nothing for Prometheus (give it metrics=PrometheusMetrics())")
    render = partial(trio.to_thread.run_sync, generate_latest, counted.registry)
    text = await call.limits.metrics.get(render)
    return bytes_response(text, CONTENT_TYPE_LATEST)
