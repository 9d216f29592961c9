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
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from attrs import define, field, frozen

from nexo_poller.clock import Clock
from nexo_poller.errors import PermanentError, TickError, TransientError
from nexo_poller.google.answers import LOGIN_AGAIN, GoogleRefused
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.google.files import locked, off_the_loop, replace_private
from nexo_poller.google.token import Token, TokenUnreadable
from nexo_poller.google.uninterrupted import finished
from nexo_poller.masking import Mask, fingerprint

GRACE: Final = 5.0  # seconds by which a renewal may hold up a cancellation, as long as a commit may
MOST_SECRETS: Final = 16  # those of the present and of some refreshes ago, which a late answer may still echo

log = logging.getLogger("nexo_poller.google")


@frozen(kw_only=True)
class AccountFiles:
    """An account's files, as `host.credentials_get("google")` names them."""

    account_id: str = field(repr=False)
    client_id: Path = field(repr=False)
    client_secret: Path = field(repr=False)
    token: Path = field(repr=False)

    @classmethod
    def of(cls, credentials: Mapping[str, Any]) -> "AccountFiles":
        """Raises `PermanentError` if one is not named."""
        keys = ("account_id", "client_id_path", "client_secret_path", "token_path")
        if missing := [key for key in keys if not credentials.get(key)]:
            raise PermanentError(f"the credentials for channel 'google' have no {', '.join(missing)}")
        account_id, *paths = (credentials[key] for key in keys)
        client_id, client_secret, token = map(Path, paths)
        return cls(account_id=str(account_id), client_id=client_id, client_secret=client_secret, token=token)

    @property
    def label(self) -> str:
        """What messages call the account: its id is not for them (O2)."""
        return f"Google account {fingerprint(self.account_id)}"


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
        async with locked(self.files.token, self.clock):
            found = await self._read_token()
            if self._good(found, refused):
                return found
            client_id = await self._read(self.files.client_id, "client_id_path", "write the OAuth client's id there")
            client_secret = await self._read(
                self.files.client_secret, "client_secret_path", "write the OAuth client's secret there"
            )
            self._remember(client_id, client_secret)
            from nexo_poller.google.oauth import OAuthClient

            client = OAuthClient(
                client_id=client_id,
                client_secret=client_secret,
                endpoints=self._endpoints,
                http=http,
                now=self.clock.now,
                account=self.files.label,
                mask=self.mask,
            )
            token = found.renewed(await client.refreshed(found.refresh_token))
            self._remember(token.access_token, token.refresh_token)
            await self._save(token)
            return token

    async def _read_token(self) -> Token:
        """The newest token there is: the file's, or the one that could not be written to it."""
        text = await self._read(self.files.token, "token_path", LOGIN_AGAIN)
        try:
            found = Token.from_text(text)
        except TokenUnreadable as error:
            raise PermanentError(
                f"{self.files.label}: the file under token_path is of no use: {error}; {LOGIN_AGAIN}, then resume the job"
            ) from None
        if found == self._on_disk and self._unsaved:
            return self._unsaved
        self._on_disk, self._unsaved = found, None
        self._remember(found.access_token, found.refresh_token)
        return found

    async def _save(self, token: Token) -> None:
        try:
            await off_the_loop(self.clock, replace_private, self.files.token, token.to_text())
        except OSError as error:
            self._unsaved = token
            log.warning(
                "%s: its renewed token could not be written under token_path (%s): it is kept in memory only; let this "
                "process write the file and its folder",
                self.files.label,
                error.strerror,
            )
        else:
            self._on_disk, self._unsaved = token, None

    async def _read(self, path: Path, key: str, remedy: str) -> str:
        try:
            text = (await off_the_loop(self.clock, path.read_text, "utf-8")).strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
            raise PermanentError(self._unreadable(key, str(error.strerror), remedy)) from None
        except OSError as error:
            raise TransientError(f"{self.files.label}: the file under {key} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise PermanentError(self._unreadable(key, "it is not UTF-8", remedy)) from None
        if not text:
            raise PermanentError(self._unreadable(key, "it is empty", remedy))
        return text

    def _unreadable(self, key: str, why: str, remedy: str) -> str:
        return f"{self.files.label}: the file under {key} cannot be read: {why}; {remedy}, then resume the job"

    def _remember(self, *secrets: str) -> None:
        self._secrets.extend(secret for secret in secrets if secret not in self._secrets)


def _again(failure: TickError) -> TickError:
    """The same failure, for another task to raise."""
    match failure:
        case TransientError():
            return TransientError(str(failure), failure.retry_after)
        case GoogleRefused():
            return GoogleRefused(str(failure), status=failure.status, reason=failure.reason)
        case _:
            return type(failure)(str(failure))
