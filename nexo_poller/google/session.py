"""The token of one account: read when it is needed, refreshed once for all who wait, written for other processes.

Theory of operation. Whoever needs an access token takes the one at hand while it is good. When it is not, the first to
come renews it and the others wait for the outcome, be it a token or a failure. Renewing happens under a lock that other
processes see, and begins with reading the file: another process may have been faster. Only then is the refresh token
spent, and what Google gives is on disk before the lock is given up. So of all processes one refreshes, and where
refresh tokens rotate, nobody spends one that is void already. A cancellation does not break a renewal off half-way: an
answer that nobody reads may be the only copy of the new refresh token. A token that could not be saved stays in memory,
and is used for as long as nobody else has written the file.
"""

import logging
from collections import deque
from functools import partial
from typing import Final

import httpx
import trio
from attrs import define, field

from nexo_poller.clock import Clock
from nexo_poller.errors import TickError, TransientError
from nexo_poller.google.account import AccountFiles
from nexo_poller.google.answers import GoogleRefused
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.google.files import locked, off_the_loop, replace_private
from nexo_poller.google.token import Token
from nexo_poller.google.uninterrupted import finished
from nexo_poller.masking import Mask

GRACE: Final = 5.0  # seconds by which a renewal may hold up a cancellation, as long as a commit may
MOST_SECRETS: Final = 16  # those of the present and of some refreshes ago, which a late answer may still echo

log = logging.getLogger("nexo_poller.google")


@define(eq=False, kw_only=True)
class AccountSession:
    """Gives access tokens of one account to all tasks of one trio run."""

    files: AccountFiles
    _endpoints: GoogleEndpoints
    clock: Clock
    _token: Token | None = field(default=None, repr=False)
    _on_disk: Token | None = field(default=None, repr=False)
    _unsaved: Token | None = field(default=None, repr=False)
    _renewals: int = 0
    _failure: TickError | None = field(default=None, repr=False)
    _lock: trio.Lock = field(factory=trio.Lock)
    _secrets: deque[str] = field(factory=lambda: deque(maxlen=MOST_SECRETS), repr=False)

    async def access_token(self, http: httpx.AsyncClient, *, refused: str = "") -> str:
        """An access token that is good for a minute, and is not the one that Google has `refused`.

        Raises:
            PermanentError: a file is missing or useless, or Google has revoked the login; says what to do.
            TransientError: the token endpoint is out of order or out of reach.
        """
        if token := self._good(self._token, refused):
            return token
        seen = self._renewals
        async with self._lock:
            if token := self._good(self._token, refused):
                return token
            if self._failure and self._renewals != seen:  # it failed while this task waited for it
                raise _again(self._failure)
            self._failure = None
            try:
                renewed = self._token = await finished(partial(self._renewed, http, refused), grace=GRACE)
            except TickError as error:
                self._failure = error
                raise
            finally:
                self._renewals += 1
            return renewed.access_token

    def forget(self) -> None:
        """Read the file again before the next request: the operator may have logged in anew."""
        self._token = None

    def mask(self, text: str) -> str:
        """`text` without the account's id, tokens and secrets."""
        return Mask([*self._secrets, self.files.account_id])(text)

    def _good(self, token: Token | None, refused: str) -> str:
        """The access token if it can be used, or ""."""
        is_good = token and token.is_good(self.clock.now()) and token.access_token != refused
        return token.access_token if token and is_good else ""

    async def _renewed(self, http: httpx.AsyncClient, refused: str) -> Token:
        async with locked(self.files.token_path, self.clock):
            found = await self._newest()
            if self._good(found, refused):
                return found
            client = await self.files.oauth_client(
                endpoints=self._endpoints, http=http, clock=self.clock, mask=self.mask
            )
            self._remember(client.client_id, client.client_secret)
            token = found.renewed(await client.refreshed(found.refresh_token))
            self._remember(token.access_token, token.refresh_token)
            await self._save(token)
            return token

    async def _newest(self) -> Token:
        """The file's token, or the one that could not be written to it."""
        found = await self.files.token(self.clock)
        if found == self._on_disk and self._unsaved:
            return self._unsaved
        self._on_disk, self._unsaved = found, None
        self._remember(found.access_token, found.refresh_token)
        return found

    async def _save(self, token: Token) -> None:
        try:
            await off_the_loop(self.clock, replace_private, self.files.token_path, token.to_text())
        except OSError as error:
            self._unsaved = token
            log.warning(
                "Google account %s: its renewed token could not be written under token_path (%s): it is kept in memory only; let this "
                "process write the file and its folder",
                self.files.fingerprint,
                error.strerror,
            )
        else:
            self._on_disk, self._unsaved = token, None

    def _remember(self, *secrets: str) -> None:
        self._secrets.extend(secret for secret in secrets if secret not in self._secrets)


def _again(failure: TickError) -> TickError:
    """The same failure, for another task to raise."""
    match failure:
        case TransientError():
            return type(failure)(str(failure), failure.retry_after)
        case GoogleRefused():
            return GoogleRefused(str(failure), status=failure.status, reason=failure.reason)
        case _:
            return type(failure)(str(failure))
