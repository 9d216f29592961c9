import pytest

from nexo_poller.breaker import Breaker, breaker


@pytest.mark.parametrize(
    ("errors", "due", "state"),
    [
        (0, True, Breaker.CLOSED),
        (4, False, Breaker.CLOSED),
        (4, True, Breaker.CLOSED),
        (5, False, Breaker.OPEN),
        (5, True, Breaker.HALF_OPEN),
        (6, False, Breaker.OPEN),
    ],
)
def test_the_breaker_is_open_from_the_threshold_on_and_half_open_when_due(
    errors: int, state: Breaker, *, due: bool
) -> None:
    assert breaker(errors, threshold=5, due=due) is state


def test_its_numbers_are_those_of_the_metric() -> None:
    assert [Breaker.CLOSED, Breaker.HALF_OPEN, Breaker.OPEN] == [0, 1, 2]
