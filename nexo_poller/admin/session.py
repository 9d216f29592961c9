"""The page's way to show the token: it gets a cookie for it."""

from quart import Response, request

from nexo_poller.admin.access import SESSION_LASTS, is_token, new_session
from nexo_poller.admin.failures import Failure
from nexo_poller.admin.outgoing import json_response
from nexo_poller.admin.route import Call
from nexo_poller.clock import SystemClock

PATH = "/admin/session"


async def open_session(call: Call) -> Response:
    """A cookie for the token, which no script can read and no other site makes a browser send."""
    response = json_response({"ok": True})
    if call.rules.token is None:
        return response
    if not is_token(call.body["token"], call.rules.token):
        raise Failure(401, "this is not the token")
    response.set_cookie(
        call.rules.session_cookie,
        new_session(call.rules.token, SystemClock().now()),
        max_age=SESSION_LASTS,
        path=request.path.removesuffix(PATH) + "/",
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )
    return response
