"""Requests to Google's APIs in an account's name."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
from attrs import field, frozen

from nexo_poller.google.answers import GoogleAnswer, GoogleRefused
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.google.session import AccountSession
from nexo_poller.http.errors import tick_errors

UNAUTHORISED: Final = 401
TOKEN_REFUSED: Final = (401, 403)
Params = Mapping[str, str | int | bool | Sequence[str]]


@frozen(kw_only=True)
class GoogleClient:
    """Calls Google's APIs. URLs are those of `endpoints` and what follows them: `f"{endpoints.gmail_url}/users/me/labels"`.

    Both methods raise:

    - `GoogleRefused`, a `PermanentError` that says what the operator should do, and whose `status` and `reason` tell a
      404 or a 410 from the rest: 4xx, 403 for a missing scope, 401 after a refresh, a revoked login;
    - `TransientError`, with the server's delay if it names one: 5xx, network, no JSON; `GoogleBusy`, which is one, for 429,
      503 and 403 for a rate limit;
    - `HostHeld`: the host asked another job to stay away.
    """

    endpoints: GoogleEndpoints
    _session: AccountSession
    _http: httpx.AsyncClient = field(repr=False)

    async def get_json(self, url: str, params: Params | None = None) -> Mapping[str, Any]:
        """What a GET of `url` answers. Several values of a parameter are sent as several parameters."""
        return await self._called(self._http.build_request("GET", url, params=params))

    async def post_json(self, url: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a POST of `body` as JSON answers; `{}` if that is nothing."""
        return await self._called(self._http.build_request("POST", url, json=body))

    async def _called(self, request: httpx.Request) -> Mapping[str, Any]:
        token = await self._session.access_token(self._http)
        answer = await self._sent(request, token)
        if answer.status == UNAUTHORISED:
            answer = await self._sent(request, await self._session.access_token(self._http, refused=token))
        try:
            return answer.document(self._session.clock.now(), self._session.mask)
        except GoogleRefused as error:
            if error.status in TOKEN_REFUSED:
                self._session.forget()
            raise

    async def _sent(self, request: httpx.Request, token: str) -> GoogleAnswer:
        request.headers["Authorization"] = f"Bearer {token}"
        with tick_errors():
            # followed, a redirect would take the question, and on the same host the token, to where Google sends nobody
            response = await self._http.send(request, follow_redirects=False)
        return GoogleAnswer(
            status=response.status_code,
            headers=response.headers,
            body=response.content,
            host=response.url.host,
            fingerprint=self._session.files.fingerprint,
        )
