"""`assert_crash_safe`, on pollers that are safe and on pollers that are not."""

from right_pollers import CONFIG, Orders

from nexo_poller.testing import Routes, answer
from nexo_poller.testing.crash import assert_crash_safe


async def test_a_poller_that_keeps_everything_in_its_cursor_is_safe() -> None:
    routes = Routes()
    routes["/orders"] = answer(json=[1, 2, 3])
    await assert_crash_safe(Orders(), config=CONFIG, http=routes)
