"""The wire of OAuth 2.0, by Authlib: its client speaks through one of ours.

Authlib's client is an `httpx2.AsyncClient`, and this library's guarded ones are httpx's: between them stands a transport
that hands requests on. Redirects are not followed, since these requests carry secrets.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import httpx2
from attrs import define, field, frozen
from authlib.integrations.httpx_client import AsyncOAuth2Client

from nexo_poller.errors import TransientError
from nexo_poller.google.answers import GoogleAnswer
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.google.token import Answer
from nexo_poller.http.errors import tick_errors

OK: Final = 200


@frozen(kw_only=True)
class OAuthClient:
    """The operator's OAuth client. `fingerprint` stands for the account in messages, `mask` hides what they must not show."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    endpoints: GoogleEndpoints
    http: httpx.AsyncClient = field(repr=False)
    now: Callable[[], datetime]
    fingerprint: str
    mask: Callable[[str], str]

    def consent_url(
        self, *, scopes: Iterable[str], state: str, verifier: str, redirect_uri: str, login_hint: str | None = None
    ) -> str:
        """Where the account's owner is asked; the browser comes back to `redirect_uri`, with `state` and a code."""
        url, _ = self._authlib().create_authorization_url(
            self.endpoints.auth_url,
            scope=" ".join(sorted(scopes)),
            state=state,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
            access_type="offline",
            prompt="consent",
            login_hint=login_hint,
        )
        return str(url)

    async def refreshed(self, refresh_token: str) -> Answer:
        """A new access token.

        Raises `GoogleRefused` (`invalid_grant`: the login is void), or `TransientError`.
        """
        async with self._authlib() as client:
            return self._answer(await client.refresh_token(self.endpoints.token_url, refresh_token=refresh_token))

    async def redeemed(self, code: str, *, verifier: str, redirect_uri: str) -> Answer:
        """The tokens for the `code` that a login brought; `verifier` is PKCE's. Raises as `refreshed` does."""
        async with self._authlib() as client:
            answer = await client.fetch_token(
                self.endpoints.token_url,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=redirect_uri,
            )
            return self._answer(answer)

    def _authlib(self) -> Any:
        return AsyncOAuth2Client(
            client_id=self.client_id,
            client_secret=self.client_secret,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - a method's name
            code_challenge_method="S256",
            transport=_Ours(self),
            trust_env=False,
        )

    def _answer(self, told: Mapping[str, Any]) -> Answer:
        lifetime = told.get("expires_in")
        return Answer(
            access_token=told["access_token"],
            expires_at=self.now() + timedelta(seconds=int(lifetime)) if lifetime is not None else None,
            refresh_token=told.get("refresh_token") or "",
            scope=told.get("scope") or "",
        )


@define(eq=False)
class _Ours(httpx2.AsyncBaseTransport):
    """Sends Authlib's requests with our client, and lets only tokens through: all else is raised here."""

    _client: OAuthClient

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, read to its end."""
        http, content = self._client.http, await request.aread()
        ours = http.build_request(
            request.method, str(request.url), headers=request.headers.multi_items(), content=content
        )
        with tick_errors():
            answer = await http.send(ours, follow_redirects=False)
        document = GoogleAnswer(
            status=answer.status_code,
            headers=answer.headers,
            body=answer.content,
            host=answer.url.host,
            fingerprint=self._client.fingerprint,
        ).document(self._client.now(), self._client.mask)
        if not _is_token(document):
            raise TransientError(
                f"Google account {self._client.fingerprint}: {answer.url.host} answered without an access token"
            )
        return httpx2.Response(OK, json=dict(document), request=request)


def _is_token(document: Mapping[str, Any]) -> bool:
    lifetime, others = document.get("expires_in", 0), (document.get("refresh_token", ""), document.get("scope", ""))
    return (
        isinstance(document.get("access_token"), str)
        and isinstance(lifetime, int)
        and 0 <= lifetime < 10**9
        and all(isinstance(other, str) for other in others)
    )
