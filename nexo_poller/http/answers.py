"""What an answer's status means for a tick. Pure."""

from collections.abc import Mapping
from datetime import datetime
from http.client import responses

from nexo_poller.errors import PermanentError, TransientError
from nexo_poller.http.retry_after import retry_after

UNAUTHORISED = frozenset({401, 403})
MAY_PASS = frozenset({408, 425, 429})  # the only 4xx that say nothing against the request itself


def raise_for_answer(status: int, headers: Mapping[str, str], now: datetime, *, host: str) -> None:
    """Return if `status` is 2xx.

    `headers` finds names in any case; `now` (aware) is what a date in Retry-After is compared with; `host` is for the
    message. A 304 is no success here: who asks conditionally looks for it first.

    Raises:
        TransientError: 408, 425, 429, 5xx, with the wait of a Retry-After; or a redirect that could not be followed.
        PermanentError: any other 4xx; the message says what to look at.
    """
    answer = f"{host} answered {status} {responses.get(status, '')}".rstrip()
    match status // 100:
        case 2:
            return
        case 3:
            raise TransientError(f"{answer}, which leads nowhere")
        case 4 if status in UNAUTHORISED:
            raise PermanentError(f"{answer} (check the job's credentials)")
        case 4 if status not in MAY_PASS:
            raise PermanentError(f"{answer} (check the job's URL and request)")
        case _:
            raise TransientError(answer, retry_after(headers, now))
