"""The admin app as a Quart blueprint: the table of routes behind its guard. It runs nothing."""

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from quart import Blueprint, Response, request
from quart.blueprints import BlueprintSetupState

from nexo_poller.admin.access import Rules
from nexo_poller.admin.endpoint import Endpoint, nothing_here
from nexo_poller.admin.guard import Guard
from nexo_poller.admin.limits import Limits
from nexo_poller.admin.outgoing import careful
from nexo_poller.admin.route import Route
from nexo_poller.admin.table import ROUTES
from nexo_poller.clock import SystemClock
from nexo_poller.runner.runner import PollerRunner

NAME: Final = "nexo_poller_admin"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
THIS_MACHINE: Final = Rules()

View = Callable[..., Awaitable[Response]]


def admin_blueprint(runner: PollerRunner, url_prefix: str = "", *, rules: Rules = THIS_MACHINE) -> Blueprint:
    """The admin app for a `QuartTrio` of your own, below `url_prefix`. It runs nothing: you await `runner.serve`.

    It answers callers on this machine, wherever your server listens: without a token, connections from elsewhere get 403.
    With `Rules(hosts=frozenset({"ops.example"}), token=…)` it answers those who show the token, by that name too. A proxy
    on this machine makes all its callers local ones, and so asks for a token. Its paths are `/admin/…`, `/metrics`, `/healthz`, `/readyz`, `/openapi.json` and, for
    people, `/`. Limits on connections, and deadlines for slow readers, are those of the server that serves your app.
    """
    blueprint = Blueprint(NAME, __name__, url_prefix=url_prefix or None)
    guard, limits = Guard(rules, SystemClock().now), Limits()
    endpoints: dict[str | None, Endpoint] = {}
    for path, routes in _by_path(ROUTES).items():
        endpoint = Endpoint(runner=runner, rules=rules, limits=limits, routes=routes)
        name = _name(path)
        endpoints[f"{NAME}.{name}"] = endpoint
        add_view(blueprint, _rule(path), name, endpoint.answer)
    ours = "/" if url_prefix.strip("/") else "/admin/"  # what is beside it at the root may be of others
    add_view(blueprint, f"{ours}<path:anything>", "nothing", nothing_here)

    @blueprint.before_request
    async def refuse() -> Response | None:
        endpoint = endpoints.get(request.endpoint)
        return guard.refuse(is_public=endpoint is not None and endpoint.is_public)

    blueprint.after_request(careful)
    return blueprint


def add_view(blueprint: Blueprint, rule: str, name: str, view: View) -> None:
    """Let `view` answer every method of a path, whatever it is called, so that none of them gets around the guard."""
    blueprint.add_url_rule(rule, name, view, methods=METHODS, provide_automatic_options=False)

    @blueprint.record
    def take_every_method(state: BlueprintSetupState) -> None:
        for added in state.app.url_map.iter_rules(f"{state.name_prefix}.{state.name}.{name}".lstrip(".")):
            added.methods = _EveryMethod(METHODS)


class _EveryMethod(set[str]):
    """Shown as the usual ones, for `quart routes` lists them; what is none of them is in it, too."""

    def __contains__(self, method: object) -> bool:
        return True


def _by_path(routes: Iterable[Route]) -> Mapping[str, Mapping[str, Route]]:
    by_path: defaultdict[str, dict[str, Route]] = defaultdict(dict)
    for route in routes:
        by_path[route.path][route.method] = route
    return by_path


def _name(path: str) -> str:
    """What Quart calls it: letters, digits and _; the path `/` is called `page`."""
    return re.sub(r"\W+", "_", path).strip("_") or "page"


def _rule(path: str) -> str:
    """The path as Quart has it: `<id>` for `{id}`."""
    return path.replace("{", "<").replace("}", ">")
