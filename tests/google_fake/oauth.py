"""Google's OAuth 2.0 for installed apps: https://developers.google.com/identity/protocols/oauth2/native-app"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final
from urllib.parse import urlencode

from attrs import Factory, define, field, frozen

from google_fake.faults import OAuthRefusal

LIFETIME: Final = timedelta(seconds=3599)
PARAMETERS: Final = {
    "authorization_code": {"client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri"},
    "refresh_token": {"client_id", "client_secret", "grant_type", "refresh_token"},
}
OF_CONSENT: Final = {
    *("client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method"),
    *("access_type", "prompt", "login_hint", "include_granted_scopes"),
}


@frozen(kw_only=True)
class Grant:
    """What a user has allowed: an access or a refresh token leads to it."""

    email: str
    scopes: frozenset[str]
    expires_at: datetime | None = None


@frozen(kw_only=True)
class Code:
    """What the browser brings back, to be redeemed once."""

    grant: Grant
    redirect_uri: str
    challenge: str


@define(eq=False, kw_only=True)
class OAuth:
    """The two endpoints and all tokens.

    With `rotates`, a refresh gives a new refresh token and the old one is revoked. `consent` is what the user does with
    the page: an error such as `access_denied`, or "" to allow it; `consents_to` limits the scopes to these; `tampered`
    replaces parameters of the redirect, to play an attacker. `issued` are all tokens and codes that there ever were.
    """

    now: Callable[[], datetime]
    client_id: str
    client_secret: str
    rotates: bool = False
    consent: str = ""
    consents_to: frozenset[str] | None = None
    user: str = ""
    tampered: Mapping[str, str] = Factory(dict)
    lifetime: timedelta = LIFETIME
    refresh_tokens: dict[str, Grant] = Factory(dict)
    access_tokens: dict[str, Grant] = Factory(dict)
    codes: dict[str, Code] = Factory(dict)
    issued: list[str] = Factory(list)
    _numbers: Iterator[int] = field(factory=lambda: count(1))

    def granted(self, email: str, scopes: frozenset[str]) -> str:
        """A new refresh token."""
        token = f"1//refresh-{next(self._numbers):04}-of-{_digest(email)}"
        self.issued.append(token)
        self.refresh_tokens[token] = Grant(email=email, scopes=scopes)
        return token

    def access(self, grant: Grant) -> str:
        """A new access token, which lives for `lifetime`."""
        token = f"ya29.access-{next(self._numbers):04}-of-{_digest(grant.email)}"
        expires_at = self.now() + self.lifetime
        self.issued.append(token)
        self.access_tokens[token] = Grant(email=grant.email, scopes=grant.scopes, expires_at=expires_at)
        return token

    def grant_of(self, access_token: str) -> Grant | None:
        """What a live access token allows."""
        grant = self.access_tokens.get(access_token)
        return grant if grant and grant.expires_at and grant.expires_at > self.now() else None

    def revoke(self, email: str) -> None:
        """The user takes the app's rights away: all tokens are void."""
        for tokens in (self.refresh_tokens, self.access_tokens):
            for token in [token for token, grant in tokens.items() if grant.email == email]:
                del tokens[token]

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The token endpoint."""
        kind = form.get("grant_type", "")
        if kind not in PARAMETERS:
            raise OAuthRefusal(error="unsupported_grant_type", description=f"Invalid grant_type: {kind}")
        if wrong := {*form} ^ PARAMETERS[kind]:
            raise OAuthRefusal(error="invalid_request", description=f"Missing or unknown: {', '.join(sorted(wrong))}")
        if form["client_id"] != self.client_id:
            raise OAuthRefusal(status=401, error="invalid_client", description="The OAuth client was not found.")
        if form["client_secret"] != self.client_secret:
            raise OAuthRefusal(status=401, error="invalid_client", description="Unauthorized")
        return self._redeemed(form) if kind == "authorization_code" else self._refreshed(form["refresh_token"])

    def consented(self, query: Mapping[str, str]) -> str:
        """The page at which the user consents, who does so at once: the address that the browser is led to."""
        assert {*query} <= OF_CONSENT, f"the page does not know {sorted({*query} - OF_CONSENT)}"
        assert query["response_type"] == "code"
        assert query["client_id"] == self.client_id
        assert query["code_challenge_method"] == "S256"
        assert re.fullmatch(r"http://(127\.0\.0\.1|\[::1\]):\d+/?\w*", query["redirect_uri"])
        back = {"state": query["state"], **self._verdict(query), **self.tampered}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def _verdict(self, query: Mapping[str, str]) -> dict[str, str]:
        if self.consent:
            return {"error": self.consent}
        asked = frozenset(query["scope"].split())
        scopes = asked if self.consents_to is None else asked & self.consents_to
        code = f"4/code-{next(self._numbers):04}"
        self.issued.append(code)
        self.codes[code] = Code(
            grant=Grant(email=self.user, scopes=scopes),
            redirect_uri=query["redirect_uri"],
            challenge=query["code_challenge"],
        )
        return {"code": code, "scope": " ".join(sorted(scopes))}

    def _redeemed(self, form: Mapping[str, str]) -> dict[str, Any]:
        code = self.codes.pop(form["code"], None)
        if code is None:
            raise OAuthRefusal(error="invalid_grant", description="Malformed auth code.")
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            raise OAuthRefusal(error="invalid_grant", description="Invalid code verifier.")
        if form["redirect_uri"] != code.redirect_uri:
            raise OAuthRefusal(error="redirect_uri_mismatch", description="Bad Request")
        answer = self._answer(code.grant)
        return {**answer, "refresh_token": self.granted(code.grant.email, code.grant.scopes)}

    def _refreshed(self, refresh_token: str) -> dict[str, Any]:
        grant = self.refresh_tokens.get(refresh_token)
        if grant is None:
            raise OAuthRefusal(error="invalid_grant", description="Token has been expired or revoked.")
        if not self.rotates:
            return self._answer(grant)
        del self.refresh_tokens[refresh_token]
        return {**self._answer(grant), "refresh_token": self.granted(grant.email, grant.scopes)}

    def _answer(self, grant: Grant) -> dict[str, Any]:
        return {
            "access_token": self.access(grant),
            "expires_in": int(self.lifetime.total_seconds()),
            "scope": " ".join(sorted(grant.scopes)),
            "token_type": "Bearer",
        }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
