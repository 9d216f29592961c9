"""What Google's answers mean for a tick. Pure, but for the masking of what they may echo.

Reasons: https://developers.google.com/workspace/gmail/api/guides/handle-errors,
https://developers.google.com/workspace/calendar/api/guides/errors; of the token endpoint: RFC 6749, 5.2.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from nexo_poller.errors import PermanentError, TransientError
from nexo_poller.http.answers import MAY_PASS
from nexo_poller.http.retry_after import retry_after

LONGEST_WORDS: Final = 300
BUSY: Final = frozenset({429, 503})
BUSY_REASONS: Final = frozenset(
    {
        *("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded", "RATE_LIMIT_EXCEEDED"),
        *("RESOURCE_EXHAUSTED", "temporarily_unavailable", "rate_limit_exceeded", "slow_down"),
    }
)
MAY_PASS_REASONS: Final = BUSY_REASONS | {"backendError", "server_error", "internal_failure"}
MORE_SCOPES: Final = "add the scope to `scopes` of the account, {login}, allow everything that is asked"
CLIENT_FILES: Final = "check the files under client_id_path and client_secret_path"
API_IS_OFF: Final = "enable this API in the Google Cloud project of the client"
REMEDIES: Final[Mapping[str, str]] = {
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": MORE_SCOPES,
    "insufficientPermissions": MORE_SCOPES,
    "SERVICE_DISABLED": API_IS_OFF,
    "accessNotConfigured": API_IS_OFF,
    "invalid_grant": "the login has expired or was revoked: {login}",
    "invalid_client": CLIENT_FILES,
    "unauthorized_client": CLIENT_FILES,
    "deleted_client": "the OAuth client is gone: make a new one in the Google Cloud console",
    "invalid_scope": "check `scopes` of the account",
}


def login_again(fingerprint: str) -> str:
    """What to do about a token that is of no use any more."""
    return f"run `nexo-poller google login {fingerprint}`"


class GoogleRefused(PermanentError):
    """Google has refused a request for good. `status` is HTTP's, `reason` Google's word for it, "" if it gave none.

    Those who know better than to pause the job catch it: a 404 of one message, a 410 of a sync token.
    """

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class GoogleBusy(TransientError):
    """Google wants fewer requests, or none for now, whatever they ask for: 429, 503, a rate limit."""


@frozen(kw_only=True)
class GoogleAnswer:
    """An answer, and for messages about it: who answered, and for which account (by its fingerprint)."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    host: str
    fingerprint: str

    def document(self, now: datetime, mask: Callable[[str], str]) -> Mapping[str, Any]:
        """The JSON object of a success; `{}` if it has no body.

        Of anything that the server wrote, only what `mask` makes of it gets into a message: servers echo tokens.

        Raises:
            GoogleRefused: it will be refused again; the message says what to do.
            GoogleBusy: a `TransientError`: so may any other request be answered now.
            TransientError: it may pass, after the delay that the server names (compared with `now`).
        """
        document = self._object()
        if self.status in (200, 204) and document is not None:
            return document
        reasons = [reason for reason in _reasons(document or {}) if reason.isprintable()]
        words = mask(": ".join(filter(None, [reasons[0] if reasons else "", _words(document or {})])))[:LONGEST_WORDS]
        what = f"Google account {self.fingerprint}: {self.host} answered {self.status}{f' ({words})' if words else ''}"
        if self.status in BUSY or BUSY_REASONS.intersection(reasons):
            raise GoogleBusy(what, retry_after(self.headers, now))
        if self.status // 100 in (2, 3) or not 400 <= self.status < 500:  # noqa: PLR2004 - HTTP's classes
            raise TransientError(what, retry_after(self.headers, now))
        if self.status in MAY_PASS or MAY_PASS_REASONS.intersection(reasons):
            raise TransientError(what, retry_after(self.headers, now))
        remedy = next((REMEDIES[reason] for reason in reasons if reason in REMEDIES), self._remedy())
        remedy = remedy.format(login=login_again(self.fingerprint))
        raise GoogleRefused(
            f"{what}; {remedy}, then resume the job", status=self.status, reason=mask(reasons[0]) if reasons else ""
        )

    def _object(self) -> Mapping[str, Any] | None:
        try:
            document = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def _remedy(self) -> str:
        match self.status:
            case 401:
                return "{login}"
            case 403:
                return "check what the account may do there, and the client's project in the Google Cloud console"
            case _:
                return "check the job's config"


def _reasons(document: Mapping[str, Any]) -> Iterator[str]:
    """Google's words for what is wrong, the most telling first: `error` of OAuth, or those of google.rpc.Status."""
    error = document.get("error")
    if isinstance(error, str):
        yield error
    if not isinstance(error, dict):
        return
    for key in ("details", "errors"):
        listed = error.get(key)
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, dict) and isinstance(item.get("reason"), str):
                yield item["reason"]
    if isinstance(error.get("status"), str):
        yield error["status"]


def _words(document: Mapping[str, Any]) -> str:
    error = document.get("error")
    said = error.get("message") if isinstance(error, dict) else document.get("error_description")
    return said if isinstance(said, str) else ""
