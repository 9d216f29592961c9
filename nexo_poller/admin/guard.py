"""The door: every request is judged here before anything is done for it."""

from collections.abc import Callable
from datetime import datetime

from attrs import evolve, frozen
from quart import Response, request

from nexo_poller.admin.access import Refusal, Request, Rules, refusal
from nexo_poller.admin.failures import Failure
from nexo_poller.admin.outgoing import failure_response

UNAUTHORIZED = 401


@frozen
class Guard:
    """Judges the request that is being answered. `is_public`: what it asks for needs no token."""

    rules: Rules
    now: Callable[[], datetime]

    def knows_caller(self) -> bool:
        """Whether whoever calls has shown the token, where one is asked for."""
        return self._refusal(is_public=False) is None

    def refuse(self, *, is_public: bool) -> Response | None:
        """The answer to a request that is not let in; None for one that is."""
        refused = self._refusal(is_public=is_public)
        if refused is None:
            return None
        headers = {"WWW-Authenticate": "Bearer"} if refused.status == UNAUTHORIZED else {}
        return failure_response(Failure(refused.status, refused.error, headers=headers))

    def _refusal(self, *, is_public: bool) -> Refusal | None:
        return refusal(evolve(incoming(self.rules), is_public=is_public), self.rules, self.now())


def incoming(rules: Rules) -> Request:
    """What the request that is being answered says of itself, to a server with these rules."""
    headers, client = request.headers, request.scope.get("client")
    return Request(
        method=request.method,
        host=headers.get("Host"),
        client=client[0] if client else None,
        has_body=headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers,
        content_type=headers.get("Content-Type"),
        origin=headers.get("Origin"),
        fetch_site=headers.get("Sec-Fetch-Site"),
        authorization=headers.get("Authorization"),
        session=request.cookies.get(rules.session_cookie),
    )
