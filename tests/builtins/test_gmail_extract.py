import pytest
import trio

from nexo_poller.builtins.gmail.extract import ExtractTooSlow, extracted, pattern_problems
from nexo_poller.builtins.gmail.mail import Mail

ENDLESS = "^(?:a|aa)+$(x)"


def mail(text: str, snippet: str = "") -> Mail:
    return Mail(id="1", subject="", sender="", address="", date="", snippet=snippet, text=text)


async def test_the_first_group_of_the_first_match_is_taken_without_the_space_around_it() -> None:
    patterns = {"name": r"Name:(.+)", "phone": r"Tel:\s*(\d+)-(\d+)"}
    found = await extracted(mail("Name:  Leo \nName: Bo\nTel: 12-34"), patterns)
    assert found == {"name": "Leo", "phone": "12"}


async def test_the_snippet_is_looked_at_where_the_text_has_no_match() -> None:
    assert await extracted(mail("no", "Name: Leo"), {"name": r"Name: (\w+)"}) == {"name": "Leo"}
    assert await extracted(mail("Name: Bo", "Name: Leo"), {"name": r"Name: (\w+)"}) == {"name": "Bo"}
    assert await extracted(mail("Name: ", "Name: Leo"), {"name": r"Name: (\w*)"}) == {"name": "Leo"}


async def test_what_does_not_match_lacks() -> None:
    assert await extracted(mail("x"), {"name": "(y)", "other": "x(z)?"}) == {}


async def test_a_pattern_that_would_never_end_is_stopped_and_holds_nobody_up() -> None:
    turns = list[int]()

    async def neighbour() -> None:
        while True:
            turns.append(1)
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(neighbour)
        with pytest.raises(ExtractTooSlow, match="make them simpler"):
            await extracted(mail("a" * 80), {"x": ENDLESS})
        nursery.cancel_scope.cancel()
    assert len(turns) > 10


def test_patterns_that_are_wrong_are_told_each_in_its_place() -> None:
    problems = list(pattern_problems({"ok": "(x)", "open": "(", "groupless": "x", "huge": "(x){99999999999}"}))
    assert [problem.key for problem in problems] == [("extract", "open"), ("extract", "groupless"), ("extract", "huge")]
    assert "missing )" in problems[0].what
