from views import job

from nexo_poller.errors import Problem
from nexo_poller.runner.condition import Condition, condition


def test_a_job_without_errors_is_running() -> None:
    assert condition(job()) is Condition.RUNNING


def test_one_error_is_failing() -> None:
    assert condition(job(consecutive_errors=1)) is Condition.FAILING


def test_a_job_without_success_for_too_long_is_failing_though_nothing_fails() -> None:
    assert condition(job(stale=True)) is Condition.FAILING


def test_a_pause_hides_errors() -> None:
    assert condition(job(paused=True, pause_reason="ana: moving", consecutive_errors=3)) is Condition.PAUSED


def test_a_job_whose_one_date_is_over_has_fired() -> None:
    assert condition(job(paused=True, pause_reason="fired")) is Condition.FIRED


def test_a_job_with_problems_is_rejected() -> None:
    assert condition(job(problems=(Problem(what="minute 61"),))) is Condition.REJECTED
