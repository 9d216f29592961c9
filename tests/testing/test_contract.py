"""`assert_poller_contract`: each wrong poller is told what is wrong with it, and where; the right ones pass."""

import re
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import right_pollers as right
import wrong_pollers as wrong
from command import ROOT
from google_fake import google_fake
from right_pollers import CONFIG, URL, Orders

from nexo_poller import Poller
from nexo_poller.builtins.gmail.poller import GmailPoller
from nexo_poller.builtins.google_calendar.poller import CalendarPoller
from nexo_poller.builtins.rss import RssPoller
from nexo_poller.builtins.webhook_poll import WebhookPoller
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.testing import Harness, HttpServer, answer, assert_poller_contract, etagged

DELIVER = CONFIG["deliver"]


async def verdict(poller: Poller[Any], harness: Harness, **more: Any) -> str:
    """What is said of a poller that is wrong."""
    harness.http[URL] = answer(json=[1, 2, 3])
    harness.http["https://gateway.example/send"] = answer()
    with pytest.raises(AssertionError) as caught:
        await assert_poller_contract(poller, **{"good": CONFIG, "harness": harness, **more})
    return str(caught.value)


def orders(harness: Harness) -> Callable[[int], None]:
    """News: a hundred new orders at every tick."""

    def news(n: int) -> None:
        harness.http[URL] = answer(json=[*range(n * 100)])

    return news


@pytest.mark.parametrize(
    ("poller", "what"),
    [
        (
            wrong.SwallowsCancelled(),
            "It swallows trio.Cancelled: cancelled at step 0 of 2, its tick returned a TickAck.",
        ),
        (
            wrong.GoesOnWhenCancelled(),
            "It swallows trio.Cancelled: cancelled at step 0 of 2, its tick went on 100 times.",
        ),
        (
            wrong.CannotBeCancelled(),
            "It cannot be cancelled: at step 0 of 2 it waits behind a shield, for ever.",
        ),
        (
            wrong.TidiesUpForAMinute(),
            "It cannot be cancelled: at step 0 of 3 it waits behind a shield, for 1 min 00 s.",
        ),
        (wrong.TriesForEver(), "Its tick does not end in 2,000 steps."),
        (wrong.BurnsTheProcessor(), "It blocks the loop: over a second of CPU time between two checkpoints."),
        (wrong.Sleeps(), "It blocks the loop: time.sleep in tick (wrong_pollers.py:"),
        (wrong.SleepsOnNoNews(), "It blocks the loop: time.sleep in tick (wrong_pollers.py:"),
        (wrong.RunsPrograms(), "It blocks the loop: subprocess.Popen('true') in run (wrong_pollers.py:"),
        (wrong.StartsAThread(), "It starts a thread of its own in tick (wrong_pollers.py:"),
        (wrong.KeepsThreads(), "It starts a thread of its own in tick (wrong_pollers.py:"),
        (wrong.LeavesATask(), "It leaves the task trio.sleep_forever running"),
        (wrong.SendsItself(), "It sends POST https://gateway.example/send itself, in a dry run, too."),
        (wrong.PingsOnNoNews(), "It sends POST https://gateway.example/send itself, in a dry run, too."),
        (wrong.HasItsOwnClient(), "It asks with an HTTP client of its own in listed (wrong_pollers.py:"),
        (wrong.AskedByPost(), "It sends POST https://shop.example/orders itself"),
        (wrong.RemembersOnSelf(), "It keeps state on self between ticks (self.seen is {1, 2, 3}), or elsewhere"),
        (
            wrong.CannotReadItsCursor(),
            "Its cursor does not round-trip: given its own b'{1, 2, 3}', it fails with JSONDecodeE",
        ),
        (
            wrong.ForgetsItsCursor(),
            "Its cursor does not round-trip: given its own b'1.5', it sends the same 3 messages once",
        ),
        (
            wrong.ForgetsItsCursorLater(),
            "Its cursor does not round-trip: given its own b'{}', it sends the same 3 messages once more",
        ),
        (
            wrong.PublishesAgain(),
            "Its cursor does not round-trip: given its own b'new', it sends the same 3 messages once more",
        ),
        (
            wrong.CannotCheckItsCursor(),
            "Its cursor does not round-trip: validate_cursor fails with its own b'3': TypeError: 'int' object",
        ),
        (wrong.SendsTheTimeOfDay(), "It keeps state on self between ticks, or elsewhere than in its cursor"),
        (
            wrong.HasABug(),
            "Its tick fails with the good config: KeyError: 'ack' (in tick, wrong_pollers.py:",
        ),
        (wrong.ForcesItsConfig(), f"It changes ctx.config, from {{'url': '{URL}'}} to {{'url': 'https://elsewhere."),
        (
            wrong.GivesUpOnSilence(),
            "It answers a server that says nothing with a PermanentError, 'no answer', which pauses the job",
        ),
        (wrong.GivesUpOn503(), "It answers a 503 with a PermanentError, 'the shop answered 503', which pauses the job"),
        (
            wrong.TakesTroubleForNews(),
            "It takes a 503 for news: its cursor goes from b'3' to b'0', and it sends what it does not send without",
        ),
        (wrong.TakesAnything(), "It ignores an unknown config key ('no_such_key')"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Poller) else "",
)
async def test_a_wrong_poller_is_told_what_is_wrong(poller: Poller[Any], what: str, poller_harness: Harness) -> None:
    said = await verdict(poller, poller_harness)
    assert said.startswith(f"{type(poller).__name__} breaks the contract of pollers:\n  - {what}")
    assert said.count("\n  - ") == 1


async def test_a_changed_config_is_shown_before_and_after(poller_harness: Harness) -> None:
    said = await verdict(wrong.ChangesItsConfig(), poller_harness, good={"urls": [URL], "deliver": DELIVER})
    assert f"It changes ctx.config, from {{'urls': ['{URL}']}} to {{'urls': []}}" in said


async def test_a_cursor_that_grows_with_all_that_was_ever_seen_is_unbounded(poller_harness: Harness) -> None:
    said = await verdict(
        wrong.RemembersEverything(), poller_harness, news=orders(poller_harness), most_cursor_bytes=4096
    )
    assert re.search(r"Its cursor is unbounded: after \d+ ticks with news it has 4,\d+ bytes, and still grows\.", said)


async def test_a_template_that_reaches_into_objects_is_shown(poller_harness: Harness) -> None:
    good = {"template": "{version} is out", "deliver": DELIVER}
    said = await verdict(wrong.FormatsTemplates(), poller_harness, good=good)
    assert "Its 'template' is not safe: with '{version.__class__} is out' it sends \"<class 'str'> is out\"." in said


async def test_a_bad_config_that_is_taken_and_a_good_one_that_is_refused_are_shown(poller_harness: Harness) -> None:
    assert "It takes the bad config {'url'" in await verdict(
        Orders(), poller_harness, bad=[{**CONFIG, "url": "no URL"}]
    )
    assert "It refuses the good config: unknown key 'ulr'" in await verdict(
        Orders(), poller_harness, good={**CONFIG, "ulr": ""}
    )


async def test_everything_that_is_wrong_is_said_at_once(poller_harness: Harness) -> None:
    said = await verdict(wrong.SendsItself(), poller_harness, bad=[CONFIG])
    assert said.count("\n  - ") == 2


async def test_a_right_poller_passes_and_leaves_no_trace_in_the_journal(poller_harness: Harness) -> None:
    poller_harness.http[URL] = answer(json=[1, 2, 3])
    await assert_poller_contract(
        Orders(), good=CONFIG, bad=[{}, {**CONFIG, "url": 1}], harness=poller_harness, news=orders(poller_harness)
    )
    assert poller_harness.journal == []


@pytest.mark.parametrize(
    "poller",
    [
        right.Monitor(),
        right.TellsOfTheThirdFailure(),
        right.TakesTurns(),
        right.Reminds(),
        right.Reports(),
        right.Summarises(),
    ],
    ids=lambda poller: type(poller).__name__,
)
async def test_a_cursor_that_moves_without_harm_is_right(poller: Poller[Any], poller_harness: Harness) -> None:
    poller_harness.http[URL] = etagged(answer(json=[1, 2, 3]))
    poller_harness.http["/other"] = answer(json=[2, 3, 4])
    poller_harness.llm.reply("three orders")
    await assert_poller_contract(poller, good=CONFIG, harness=poller_harness)


async def test_a_template_may_be_an_address_where_nobody_else_answers(poller_harness: Harness) -> None:
    poller_harness.http[URL] = answer(json=[1, 2, 3])
    good = {**CONFIG, "url": "https://shop.example/{what}"}
    await assert_poller_contract(right.FillsInItsUrl(), good=good, harness=poller_harness)


async def test_an_address_that_only_answers_may_be_asked_by_post(poller_harness: Harness) -> None:
    poller_harness.http[URL] = answer(json=[1, 2, 3])
    await assert_poller_contract(wrong.AskedByPost(), good=CONFIG, harness=poller_harness, queries=[URL])


def feed(entries: int) -> str:
    items = "".join(f"<item><guid>{n}</guid><title>{n}</title></item>" for n in range(entries, 0, -1))
    return f'<rss version="2.0"><channel><title>News</title>{items}</channel></rss>'


async def test_the_kind_rss_passes(poller_harness: Harness) -> None:
    poller_harness.http["/feed"] = etagged(answer(text=feed(8), headers={"Content-Type": "application/rss+xml"}))
    good = {"feed_url": "https://blog.example/feed", "deliver": DELIVER, "first_tick": "all"}
    await assert_poller_contract(
        RssPoller(), good=good, bad=[{**good, "feed_url": "blog"}, {**good, "max_per_tick": 0}], harness=poller_harness
    )


async def test_the_kind_webhook_poll_passes(poller_harness: Harness) -> None:
    def news(n: int) -> None:
        poller_harness.http["/orders"] = answer(json=[{"id": f"{n}-{m}"} for m in range(500)])

    news(0)
    good = {"url": URL, "message_template": "order {id}", "deliver": DELIVER, "first_tick": "all", "max_per_tick": 500}
    await assert_poller_contract(
        WebhookPoller(), good=good, bad=[{**good, "url": "orders"}], harness=poller_harness, news=news
    )


@pytest.mark.parametrize(
    ("kind", "more"), [(CalendarPoller, {}), (GmailPoller, {"query": "is:unread", "message_template": "{subject}"})]
)
async def test_the_kinds_of_google_pass_over_real_sockets(
    kind: Callable[[GoogleAccounts], Poller[Any]],
    more: dict[str, Any],
    poller_harness: Harness,
    poller_http_server: HttpServer,
    tmp_path: Path,
) -> None:
    async with google_fake() as google:
        ana = google.account("ana@example.com")
        ana.mailbox.receive(b"From: bob@example.com\r\nSubject: Hello\r\n\r\nHello Ana.")
        poller_harness.credentials["google"] = google.credentials(ana, tmp_path)
        await assert_poller_contract(
            kind(GoogleAccounts(google.endpoints)), good={"deliver": DELIVER, **more}, harness=poller_harness
        )


async def test_the_poller_of_the_examples_passes(poller_harness: Harness) -> None:
    spec = spec_from_file_location("my_poller", ROOT / "examples" / "my_poller.py")
    assert spec is not None
    assert spec.loader is not None
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    poller_harness.http["/version"] = answer(json={"version": "1.0"})
    good = {"url": "https://example.org/version", "deliver": DELIVER}
    await assert_poller_contract(example.VersionPoller(), good=good, bad=[{}], harness=poller_harness)
    assert "my_poller" not in sys.modules
