"""A path of the admin app: from a request to its route's handler, and back to an answer."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import define
from quart import Response, request

from nexo_poller.admin.access import Rules
from nexo_poller.admin.failures import Failure, failure
from nexo_poller.admin.incoming import body_object, query_values
from nexo_poller.admin.limits import Limits
from nexo_poller.admin.outgoing import failure_response, json_response
from nexo_poller.admin.route import Call, Route
from nexo_poller.runner.runner import PollerRunner

FAILED: Final = 400


@define(eq=False, kw_only=True)
class Endpoint:
    """All methods of one path. `routes` has them by their names."""

    runner: PollerRunner
    rules: Rules
    limits: Limits
    routes: Mapping[str, Route]

    @property
    def is_public(self) -> bool:
        """Whether the request that is being answered needs no token here."""
        route = self.routes.get(request.method)
        return route is not None and route.is_public

    async def answer(self, **path: str) -> Response:
        """The answer to the request that is being answered; nothing that goes wrong is raised."""
        try:
            return await self._answer(self._route(), path)
        except Exception as error:  # noqa: BLE001 - the one place where errors become answers
            return failure_response(failure(error))

    def _route(self) -> Route:
        method = "GET" if request.method == "HEAD" else request.method
        if method not in self.routes:
            allowed = ", ".join(self.routes)
            raise Failure(405, f"{request.path} takes {allowed}, and not {method}", headers={"Allow": allowed})
        return self.routes[method]

    async def _answer(self, route: Route, path: Mapping[str, str]) -> Response:
        call = Call(
            runner=self.runner,
            rules=self.rules,
            limits=self.limits,
            path=path,
            query=query_values(route.query, request.args),
            body=await body_object(route.body, request),
        )
        async with self.limits.place(route.cost):
            if route.needs_runner and not self.runner.is_serving:
                raise Failure(503, "the runner does not serve: it is starting, stopping, or was never started")
            said = await route.handler(call)
        return said if isinstance(said, Response) else json_response(said, _status(said))


async def nothing_here(**_: str) -> Response:
    """The answer where there is nothing."""
    return failure_response(Failure(404, f"there is nothing at {request.path}"))


def _status(said: Any) -> int:
    """That of a report: a run that failed was a request that failed."""
    return FAILED if isinstance(said, Mapping) and said.get("ok") is False else 200
