"""One account, as its files tell of it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
from attrs import field, frozen

from nexo_poller.clock import Clock
from nexo_poller.errors import PermanentError, TransientError
from nexo_poller.google.answers import login_again
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.google.files import off_the_loop
from nexo_poller.google.token import Token, TokenUnreadable
from nexo_poller.masking import fingerprint

if TYPE_CHECKING:  # Authlib is imported when a token is to be had
    from nexo_poller.google.oauth import OAuthClient

KEYS: Final = ("account_id", "client_id_path", "client_secret_path", "token_path")
NOT_FOR_US: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


@frozen(kw_only=True)
class AccountFiles:
    """An account's files, as `host.credentials_get("google")` names them.

    What is read raises `PermanentError` if the file is missing or useless, with what to do, and `TransientError` if the
    disk would not have it. Neither tells a path: it may have the account's name in it (O2).
    """

    account_id: str = field(repr=False)
    client_id_path: Path = field(repr=False, converter=Path)
    client_secret_path: Path = field(repr=False, converter=Path)
    token_path: Path = field(repr=False, converter=Path)

    @classmethod
    def of(cls, credentials: Mapping[str, Any]) -> "AccountFiles":
        """Raises `PermanentError` if one is not named."""
        if missing := [key for key in KEYS if not credentials.get(key)]:
            raise PermanentError(f"the credentials for channel 'google' have no {', '.join(missing)}")
        return cls(**{key: credentials[key] for key in KEYS})

    @property
    def fingerprint(self) -> str:
        """What messages call the account."""
        return fingerprint(self.account_id)

    async def token(self, clock: Clock) -> Token:
        """What the token file says."""
        remedy = login_again(self.fingerprint)
        text = await self._text("token_path", self.token_path, remedy, clock)
        try:
            return Token.from_text(text)
        except TokenUnreadable as error:
            raise PermanentError(self._useless("token_path", f"is of no use: {error}", remedy)) from None

    async def oauth_client(
        self, *, endpoints: GoogleEndpoints, http: httpx.AsyncClient, clock: Clock, mask: Callable[[str], str]
    ) -> "OAuthClient":
        """The operator's OAuth client."""
        try:
            from nexo_poller.google.oauth import OAuthClient
        except ImportError:
            raise PermanentError("Google accounts need Authlib: pip install 'nexo-poller[google]'") from None
        console = "put there what the Google Cloud console shows of your OAuth client"
        return OAuthClient(
            client_id=await self._text("client_id_path", self.client_id_path, console, clock),
            client_secret=await self._text("client_secret_path", self.client_secret_path, console, clock),
            endpoints=endpoints,
            http=http,
            now=clock.now,
            fingerprint=self.fingerprint,
            mask=mask,
        )

    async def _text(self, key: str, path: Path, remedy: str, clock: Clock) -> str:
        try:
            # -sig: some editors put a byte order mark before what was pasted
            text = (await off_the_loop(clock, path.read_text, "utf-8-sig")).strip()
        except NOT_FOR_US as error:
            raise PermanentError(self._useless(key, f"cannot be read: {error.strerror}", remedy)) from None
        except OSError as error:
            raise TransientError(self._useless(key, f"cannot be read: {error.strerror}", remedy)) from None
        except UnicodeDecodeError:
            raise PermanentError(self._useless(key, "cannot be read: it is not UTF-8", remedy)) from None
        if not text:
            raise PermanentError(self._useless(key, "is empty", remedy))
        return text

    def _useless(self, key: str, why: str, remedy: str) -> str:
        return f"Google account {self.fingerprint}: the file under {key} {why}; {remedy}, then resume the job"
