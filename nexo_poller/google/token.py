"""A token file's contents, in the formats that are about. Pure.

- Google's `authorized_user`, as google-auth writes it: `token`, `refresh_token`, `expiry` (ISO 8601, UTC), `scopes`.
- Plain OAuth: `access_token`, `refresh_token`, `expires_at` (seconds since the epoch), `scope`. This is what a login writes.
- As google-auth-library for Node writes it: the same with `expiry_date`, in milliseconds.

A renewed token keeps its file's format, and every key that is not of its business.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import field, frozen

LEEWAY: Final = timedelta(seconds=60)  # a token that dies on its way to Google is of no use


class TokenUnreadable(ValueError):
    """The text is no token file; the message says why, without a word of it."""


@frozen(kw_only=True)
class Answer:
    """What the token endpoint gives. `refresh_token` "" means that the old one goes on; `scope` "" likewise."""

    access_token: str = field(repr=False)
    expires_at: datetime | None
    refresh_token: str = field(default="", repr=False)
    scope: str = ""


@frozen
class Token:
    """What a token file says."""

    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> "Token":
        """Raises `TokenUnreadable` if there is nothing to get an access token with."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise TokenUnreadable("it is not JSON") from None
        if not isinstance(document, dict):
            raise TokenUnreadable("it is no JSON object")
        token = cls(document)
        if not token.refresh_token:
            raise TokenUnreadable("it has no refresh_token")
        return token

    @classmethod
    def issued(cls, answer: Answer) -> "Token":
        """The token of a first login."""
        return cls({"token_type": "Bearer"}).renewed(answer)

    @property
    def access_token(self) -> str:
        """The access token; "" if there is none, or none that can stand in a header (RFC 6749, A.12)."""
        token = _text(self.document.get("access_token") or self.document.get("token"))
        return token if token.isascii() and token.isprintable() else ""

    @property
    def refresh_token(self) -> str:
        """The refresh token; "" if there is none."""
        return _text(self.document.get("refresh_token"))

    @property
    def expires_at(self) -> datetime | None:
        """When the access token ends (aware, UTC); None if the file does not say, or not so that it can be read."""
        document = self.document
        if "expiry" in document:
            return _iso(document["expiry"])
        if "expiry_date" in document:
            return _epoch(document["expiry_date"], 1000)
        return _epoch(document.get("expires_at"), 1)

    def is_good(self, now: datetime) -> bool:
        """Whether the access token can be used for a minute yet, as far as the file knows."""
        return bool(self.access_token) and (self.expires_at is None or self.expires_at > now + LEEWAY)

    def renewed(self, answer: Answer) -> "Token":
        """The token with what the endpoint gave."""
        document = {**self.document}
        document["token" if self._is_googles else "access_token"] = answer.access_token
        if answer.refresh_token:
            document["refresh_token"] = answer.refresh_token
        if answer.scope:
            name = next((name for name in ("scopes", "scope") if name in document), "scope")
            document[name] = answer.scope.split() if isinstance(document.get(name), list) else answer.scope
        for name in ("expiry", "expiry_date", "expires_at", "expires_in"):
            document.pop(name, None)
        if answer.expires_at is not None:
            document |= self._expiry(answer.expires_at)
        return Token(document)

    def to_text(self) -> str:
        """The file's new contents."""
        return json.dumps(self.document, indent=2) + "\n"

    @property
    def _is_googles(self) -> bool:
        return "access_token" not in self.document and not {"token", "type", "token_uri"}.isdisjoint(self.document)

    def _expiry(self, moment: datetime) -> dict[str, Any]:
        if self._is_googles or "expiry" in self.document:
            # google-auth reads neither an offset nor "+00:00"
            return {"expiry": moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"}
        if "expiry_date" in self.document:
            return {"expiry_date": int(moment.timestamp() * 1000)}
        return {"expires_at": int(moment.timestamp())}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _iso(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _epoch(value: object, per_second: int) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    try:
        return datetime.fromtimestamp(value / per_second, UTC)
    except (OverflowError, ValueError, OSError):
        return None
