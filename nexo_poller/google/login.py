"""A login, as Google wants it of installed apps: a browser, a redirect to loopback, PKCE, state.

Source: https://developers.google.com/identity/protocols/oauth2/native-app, RFC 8252, RFC 7636
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from secrets import token_urlsafe
from typing import Final

import httpx
import trio

from nexo_poller.clock import Clock
from nexo_poller.config.model import GoogleAccount
from nexo_poller.errors import NexoPollerError, PermanentError
from nexo_poller.google.account import AccountFiles
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.google.files import locked, off_the_loop, replace_private
from nexo_poller.google.loopback import Redirect, loopback
from nexo_poller.google.token import Answer, Token
from nexo_poller.google.uninterrupted import finished
from nexo_poller.masking import Mask

LONGEST_WAIT: Final = 600.0  # seconds that a person has to allow it
GRACE: Final = 5.0
PREFIX: Final = "https://www.googleapis.com/auth/"
ALIASES: Final = {"email": f"{PREFIX}userinfo.email", "profile": f"{PREFIX}userinfo.profile"}
LOGGED_IN: Final = "Logged in. You can close this window."
NOT_LOGGED_IN: Final = "Not logged in: the terminal tells why."


def full_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Scopes as Google names them: `gmail.modify` is short for `https://www.googleapis.com/auth/gmail.modify`."""
    return frozenset(
        ALIASES.get(scope) or (scope if "://" in scope or scope == "openid" else f"{PREFIX}{scope}") for scope in scopes
    )


async def login(
    account: GoogleAccount,
    *,
    endpoints: GoogleEndpoints,
    http: httpx.AsyncClient,
    clock: Clock,
    ask: Callable[[str], Awaitable[None]],
) -> None:
    """Write a new token for the account, once its owner has allowed it in a browser.

    `ask` gets the address that the browser has to be sent to, and may return before it is. The token file is replaced
    whole, with mode 0600, and only by a token that allows everything that `scopes` of the account lists.

    Raises `PermanentError` or `TransientError`, which say what to do; the old token stays.
    """
    if not account.scopes:
        raise PermanentError("the account lists no scopes (add `scopes: [gmail.modify]`, or what its jobs need)")
    state, verifier = token_urlsafe(32), token_urlsafe(64)
    files = AccountFiles(
        account_id=account.id,
        client_id_path=account.client_id_path,
        client_secret_path=account.client_secret_path,
        token_path=account.token_path,
    )
    secrets = [account.id, verifier, state]

    def mask(text: str) -> str:
        return Mask(secrets)(text)

    client = await files.oauth_client(endpoints=endpoints, http=http, clock=clock, mask=mask)
    secrets += [client.client_id, client.client_secret]
    async with loopback(state) as server:
        scopes = full_scopes(account.scopes)
        hint = account.id if "@" in account.id else None
        await ask(
            client.consent_url(scopes=scopes, state=state, verifier=verifier, redirect_uri=server.uri, login_hint=hint)
        )
        with trio.move_on_after(LONGEST_WAIT) as waiting:
            redirect = await server.redirect()
        if waiting.cancelled_caught:
            raise PermanentError(f"nobody has allowed it within {LONGEST_WAIT / 60:.0f} minutes; try again")
        try:
            code = _code(redirect)
            secrets.append(code)
            answer = await client.redeemed(code, verifier=verifier, redirect_uri=server.uri)
            _check(answer, scopes)
            await finished(partial(_save, files, answer, clock), grace=GRACE)
        except NexoPollerError:
            await redirect.tell(NOT_LOGGED_IN)
            raise
        await redirect.tell(LOGGED_IN)


def _code(redirect: Redirect) -> str:
    if error := redirect.parameters.get("error"):
        word = error if error.isidentifier() else "an error"
        raise PermanentError(f"Google says {word}: it was not allowed; try again, and allow what is asked")
    if not redirect.parameters.get("code"):
        raise PermanentError("Google has sent the browser back without a code; try again")
    return redirect.parameters["code"]


def _check(answer: Answer, scopes: frozenset[str]) -> None:
    if not answer.refresh_token:
        raise PermanentError(
            "Google gave no refresh token; remove the app at https://myaccount.google.com/permissions and try again"
        )
    if missing := sorted(scopes - full_scopes(answer.scope.split())):
        raise PermanentError(
            f"not everything was allowed: {', '.join(missing)} is missing; try again, and tick all boxes"
        )


async def _save(files: AccountFiles, answer: Answer, clock: Clock) -> None:
    path = files.token_path
    try:
        await off_the_loop(clock, partial(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True))
        async with locked(path, clock):
            await off_the_loop(clock, replace_private, path, Token.issued(answer).to_text())
    except OSError as error:
        raise PermanentError(
            f"the token cannot be written to '{path}': {error.strerror}; let this user write the file and its folder"
        ) from None
