"""What a status means for a tick."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from nexo_poller.errors import PermanentError, TransientError
from nexo_poller.http.answers import raise_for_answer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ASKING = httpx.Headers({"Retry-After": "Sun, 01 Mar 2026 12:02:00 GMT"})


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_fine(status: int) -> None:
    raise_for_answer(status, {}, NOW, host="example.org")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_is_permanent_and_points_at_the_credentials(status: int) -> None:
    with pytest.raises(PermanentError, match=rf"^example\.org answered {status} .*credentials"):
        raise_for_answer(status, ASKING, NOW, host="example.org")


@pytest.mark.parametrize("status", [400, 402, 404, 405, 410, 418, 451, 499])
def test_any_other_4xx_is_permanent(status: int) -> None:
    with pytest.raises(PermanentError, match=f"answered {status}.*URL"):
        raise_for_answer(status, ASKING, NOW, host="example.org")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_trouble_that_may_pass_is_transient_and_keeps_the_wait_asked_for(status: int) -> None:
    with pytest.raises(TransientError, match=f"answered {status}") as caught:
        raise_for_answer(status, ASKING, NOW, host="example.org")
    assert caught.value.retry_after == timedelta(minutes=2)
    with pytest.raises(TransientError) as caught:
        raise_for_answer(status, {}, NOW, host="example.org")
    assert caught.value.retry_after is None


@pytest.mark.parametrize("status", [300, 301, 304, 307])
def test_a_redirect_that_leads_nowhere_is_transient(status: int) -> None:
    with pytest.raises(TransientError, match="leads nowhere"):
        raise_for_answer(status, {}, NOW, host="example.org")
