"""What a provider does beside its wire: it opens it when asked, keeps its rate, and asks again."""

import sys
from datetime import timedelta

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_fake import FLAVORS, answered, llm_fake

from nexo_poller.clock import SystemClock
from nexo_poller.config.model import ApiFlavor, ProviderSettings, RetrySettings
from nexo_poller.config.provider_fault import provider_fault
from nexo_poller.errors import ConfigError, PermanentError
from nexo_poller.llm.provider import SdkProvider, pauses
from nexo_poller.llm.refusals import Busy
from nexo_poller.poller import LlmInvokeRequest

ASK = LlmInvokeRequest(messages=[{"role": "user", "content": "Well?"}], model="small")
AT_ONCE = RetrySettings(max_attempts=3, initial_backoff=timedelta())
BUSY = answered(503, {"error": {"message": "overloaded"}})


@pytest.mark.parametrize("flavor", FLAVORS)
async def test_a_busy_provider_is_asked_again(flavor: ApiFlavor) -> None:
    async with llm_fake() as fake:
        provider = SdkProvider(fake.settings(flavor, retry=AT_ONCE), SystemClock())
        fake.next_answers = [BUSY, answered(429, Retry_After="0"), "At last."]
        assert (await provider.invoke(ASK)).content == "At last."
        await provider.aclose()
    assert len(fake.asked) == 3


@pytest.mark.parametrize("flavor", FLAVORS)
async def test_it_is_not_asked_more_often_than_the_settings_say_whatever_the_sdk_would(flavor: ApiFlavor) -> None:
    async with llm_fake() as fake:
        provider = SdkProvider(fake.settings(flavor, retry=AT_ONCE), SystemClock())
        fake.next_answers = [BUSY] * 9
        with pytest.raises(Busy):
            await provider.invoke(ASK)
        await provider.aclose()
    assert len(fake.asked) == 3


@pytest.mark.parametrize("status", [400, 401])
async def test_what_another_request_would_not_change_is_not_asked_again(status: int) -> None:
    async with llm_fake() as fake:
        provider = SdkProvider(fake.settings("openai_compat", retry=AT_ONCE), SystemClock())
        fake.next_answers = [answered(status)] * 9
        with pytest.raises(Exception, match=f"answered {status}"):
            await provider.invoke(ASK)
        await provider.aclose()
    assert len(fake.asked) == 1


async def test_a_long_wait_is_left_to_the_job() -> None:
    async with llm_fake() as fake:
        provider = SdkProvider(fake.settings("openai_compat", retry=AT_ONCE), SystemClock())
        fake.next_answers = [answered(429, Retry_After="61")]
        with pytest.raises(Busy) as raised:
            await provider.invoke(ASK)
        await provider.aclose()
    assert raised.value.retry_after == timedelta(seconds=61)
    assert len(fake.asked) == 1


async def test_a_short_wait_that_the_server_asks_for_is_kept(mock_clock: trio.testing.MockClock) -> None:
    async with llm_fake() as fake, trio.open_nursery() as nursery:
        provider = SdkProvider(fake.settings("openai_compat", retry=AT_ONCE), SystemClock())
        fake.next_answers = [answered(429, Retry_After="60")]
        nursery.start_soon(provider.invoke, ASK)
        await until_asked(fake.asked, 1)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(59)
        await trio.testing.wait_all_tasks_blocked()
        assert len(fake.asked) == 1
        mock_clock.jump(1)
        await until_asked(fake.asked, 2)
    await provider.aclose()


async def test_every_attempt_of_every_job_waits_for_its_turn(mock_clock: trio.testing.MockClock) -> None:
    async with llm_fake() as fake, trio.open_nursery() as nursery:
        provider = SdkProvider(fake.settings("openai_compat", requests_per_second=2.0, retry=AT_ONCE), SystemClock())
        fake.next_answers = [BUSY]
        for _ in range(2):
            nursery.start_soon(provider.invoke, ASK)
        for asked in (1, 2, 3):
            await until_asked(fake.asked, asked)
            await trio.testing.wait_all_tasks_blocked()
            assert len(fake.asked) == asked
            mock_clock.jump(0.5)
    await provider.aclose()


async def until_asked(asked: list[dict[str, object]], times: int) -> None:
    """Return when that many requests have come; virtual time stands still meanwhile."""
    while len(asked) < times:
        await trio.lowlevel.checkpoint()


async def test_the_first_requests_open_one_wire_together() -> None:
    async with llm_fake() as fake:
        provider = SdkProvider(fake.settings("openai_compat"), SystemClock())
        wires = []

        async def open_wire() -> None:
            wires.append(await provider._opened())

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(open_wire)
        await provider.aclose()
    assert len(wires) == 5
    assert len(set(map(id, wires))) == 1


async def test_a_request_needs_a_model() -> None:
    async with llm_fake() as fake:
        with pytest.raises(PermanentError, match="the request to provider 'fake' names no model"):
            await SdkProvider(fake.settings("openai_compat"), SystemClock()).invoke(LlmInvokeRequest(messages=[]))


@pytest.mark.parametrize(("flavor", "sdk"), [("openai_compat", "openai"), ("anthropic_messages", "anthropic")])
async def test_without_the_extra_it_says_what_to_install(
    flavor: ApiFlavor, sdk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, sdk, None)
    async with llm_fake() as fake:
        with pytest.raises(ConfigError) as raised:
            await SdkProvider(fake.settings(flavor), SystemClock()).invoke(ASK)
    assert str(raised.value) == (
        f"the provider 'fake' is asked through the package {sdk}, which is not installed "
        '(pip install "nexo-poller[llm]")'
    )


async def test_a_key_is_not_sent_to_the_maker_of_the_sdk_for_want_of_an_address() -> None:
    lost = ProviderSettings(name="deepseek", api_key="sk-canary")
    with pytest.raises(ConfigError) as raised:
        await SdkProvider(lost, SystemClock()).invoke(ASK)
    assert str(raised.value) == (
        "the provider 'deepseek' has no base_url, so that its key would be sent to openai (add its base_url, be it openai's)"
    )


@pytest.mark.parametrize(("flavor", "name"), [("openai_compat", "openai-work"), ("anthropic_messages", "anthropic")])
def test_the_makers_of_the_sdks_need_no_address(flavor: ApiFlavor, name: str) -> None:
    assert provider_fault(ProviderSettings(name=name, api_flavor=flavor)) is None


@settings(deadline=None)
@given(
    attempts=st.integers(1, 30), first=st.integers(0, 10**6), longest=st.integers(0, 10**6), factor=st.floats(1, 1e300)
)
def test_pauses_grow_up_to_the_longest(attempts: int, first: int, longest: int, factor: float) -> None:
    retry = RetrySettings(
        max_attempts=attempts,
        initial_backoff=timedelta(milliseconds=first),
        max_backoff=timedelta(milliseconds=longest),
        multiplier=factor,
    )
    waits = list(pauses(retry))
    assert len(waits) == attempts - 1
    assert waits == sorted(waits)
    assert all(wait <= retry.max_backoff for wait in waits)


def test_pauses_double_by_default() -> None:
    assert [pause.total_seconds() for pause in pauses(RetrySettings(max_attempts=9))] == [1, 2, 4, 8, 16, 32, 60, 60]
