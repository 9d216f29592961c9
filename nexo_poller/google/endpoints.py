"""Where Google is."""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

OTHER_GOOGLE: Final = "NEXO_POLLER_GOOGLE_URL"


@frozen(kw_only=True)
class GoogleEndpoints:
    """The addresses of Google's OAuth endpoints and APIs, the latter to be followed by `/users/me/...` and its like."""

    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    gmail_url: str = "https://gmail.googleapis.com/gmail/v1"
    calendar_url: str = "https://www.googleapis.com/calendar/v3"

    @classmethod
    def at(cls, origin: str) -> "GoogleEndpoints":
        """All of them at one server, such as a fake for tests: `origin` is `http://127.0.0.1:8080`."""
        return cls(
            token_url=f"{origin}/token",
            auth_url=f"{origin}/o/oauth2/v2/auth",
            gmail_url=f"{origin}/gmail/v1",
            calendar_url=f"{origin}/calendar/v3",
        )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "GoogleEndpoints":
        """Google's own, or those at the origin that `NEXO_POLLER_GOOGLE_URL` names."""
        origin = environment.get(OTHER_GOOGLE, "").rstrip("/")
        return cls.at(origin) if origin else cls()
