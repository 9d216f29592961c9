"""How Google says no, and when it shall.

Shapes: https://developers.google.com/workspace/gmail/api/guides/handle-errors,
https://developers.google.com/workspace/calendar/api/guides/errors, RFC 6749, 5.2
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from attrs import define, field, frozen
from http_server import Response

STATUS_NAMES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    410: "GONE",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@frozen(kw_only=True)
class Refusal(Exception):
    """An answer that is no success. `details` are those of google.rpc.Status."""

    status: int
    reason: str
    message: str
    headers: Mapping[str, str] = field(factory=dict)
    details: tuple[Mapping[str, Any], ...] = ()

    def response(self, echo: str = "") -> Response:
        """As the APIs answer it; `echo` is told at the end of the message."""
        message = f"{self.message}{echo}"
        error = {
            "code": self.status,
            "message": message,
            "errors": [{"message": message, "domain": "global", "reason": self.reason}],
            "status": STATUS_NAMES.get(self.status, "UNKNOWN"),
            **({"details": list(self.details)} if self.details else {}),
        }
        return json_response({"error": error}, status=self.status, headers=self.headers)


@frozen(kw_only=True)
class OAuthRefusal(Exception):
    """What the token endpoint answers instead of a token."""

    status: int = 400
    error: str
    description: str

    def response(self, echo: str = "") -> Response:
        """As the token endpoint answers it; `echo` is told at the end of the description."""
        told = {"error": self.error, "error_description": f"{self.description}{echo}"}
        return json_response(told, status=self.status)


@define(kw_only=True, eq=False)
class Fault:
    """The next `times` requests of `method` (an id such as `gmail.users.messages.get`, or `token`) go wrong.

    Only those with `target` in their path and query. `reason` is Google's: `rateLimitExceeded`, `backendError`, ...; of
    the token endpoint it is OAuth's. `body` is sent in the place of Google's JSON. A `Location` tells what is echoed, too.
    """

    method: str
    status: int
    reason: str = "backendError"
    times: int = 1
    target: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes | None = None
    message: str = "As the test wants it."

    def response(self, echo: str) -> Response:
        """What is sent."""
        headers = dict(self.headers)
        if echo and "Location" in headers:
            headers["Location"] += f"?{urlencode({'echo': echo}, safe='/')}"
        if self.body is not None:
            return Response(status=self.status, headers=headers, body=self.body + echo.encode())
        if self.method == "token":
            refusal = OAuthRefusal(status=self.status, error=self.reason, description=self.message)
            answer = refusal.response(echo)
            return Response(status=self.status, headers={**answer.headers, **headers}, body=answer.body)
        planned = Refusal(status=self.status, reason=self.reason, message=self.message, headers=headers)
        return planned.response(echo)


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as Google sends JSON."""
    sent = {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}
    return Response(status=status, headers=sent, body=json.dumps(body).encode())
