"""Who is asked."""

from collections.abc import Mapping

import pytest
import trio
from attrs import define, evolve, field
from http_server import Request, Response
from llm_fake import llm_fake, said
from parrot import Parrot

from nexo_poller.clock import SystemClock
from nexo_poller.errors import PermanentError
from nexo_poller.llm.providers import open_providers
from nexo_poller.poller import LlmInvokeRequest

ASK = LlmInvokeRequest(messages=[{"role": "user", "content": "Well?"}], model="small")


@define
class Bill:
    """What was counted."""

    rows: list[tuple[str, str, Mapping[str, int]]] = field(factory=list)

    def __call__(self, provider: str, model: str, usage: Mapping[str, int]) -> None:
        self.rows.append((provider, model, usage))


async def test_a_request_goes_to_the_provider_of_its_name_and_is_counted_there() -> None:
    bill = Bill()
    async with llm_fake() as fake:
        settings = {"cloud": fake.settings("openai_compat", name="cloud")}
        async with open_providers(settings, {"parrot": Parrot()}, SystemClock(), bill) as providers:
            assert (await providers.invoke(evolve(ASK, provider="cloud"))).content == "Hello."
            assert (await providers.invoke(evolve(ASK, provider="parrot", model=None))).content == "Well?"
    assert bill.rows == [
        ("cloud", "small", {"input_tokens": 7, "output_tokens": 3}),
        ("parrot", "grey", {"input_tokens": 2, "seed_tokens": 1}),
    ]


async def test_an_embedders_provider_goes_before_one_of_the_same_name() -> None:
    async with llm_fake() as fake:
        settings, parrot = {"fake": fake.settings("openai_compat")}, Parrot()
        async with open_providers(settings, {"fake": parrot}, SystemClock(), Bill()) as providers:
            await providers.invoke(evolve(ASK, provider="fake"))
    assert (len(parrot.heard), fake.asked) == (1, [])


async def test_a_request_that_names_none_goes_to_the_only_one() -> None:
    async with open_providers({}, {"parrot": Parrot()}, SystemClock(), Bill()) as providers:
        assert (await providers.invoke(ASK)).model_id == "grey"


async def test_a_provider_that_there_is_not_is_a_permanent_error_that_tells_which_there_are() -> None:
    async with open_providers({}, {"parrot": Parrot(), "owl": Parrot()}, SystemClock(), Bill()) as providers:
        with pytest.raises(PermanentError, match=r"there is no provider 'crow' \(there are owl, parrot; add it under"):
            await providers.invoke(evolve(ASK, provider="crow"))
        with pytest.raises(PermanentError, match=r"names no provider of language models \(there are owl, parrot"):
            await providers.invoke(ASK)
    async with open_providers({}, {}, SystemClock(), Bill()) as providers:
        with pytest.raises(PermanentError, match=r"names no provider of language models \(there are none"):
            await providers.invoke(ASK)


async def test_after_an_exchange_of_settings_the_new_ones_are_asked_and_equal_ones_keep_their_wire() -> None:
    async with llm_fake() as old, llm_fake() as new:
        kept = old.settings("openai_compat", name="kept")
        settings = {"kept": kept, "moved": old.settings("openai_compat", name="moved")}
        async with open_providers(settings, {}, SystemClock(), Bill()) as providers:
            for name in settings:
                await providers.invoke(evolve(ASK, provider=name))
            wire = providers._opened[kept]._wire
            providers.settings = {"kept": evolve(kept), "moved": new.settings("openai_compat", name="moved")}
            for name in settings:
                await providers.invoke(evolve(ASK, provider=name))
            assert providers._opened[kept]._wire is wire
    assert (len(old.asked), len(new.asked)) == (3, 1)


async def test_leaving_closes_every_wire() -> None:
    async with llm_fake() as fake:
        settings = {flavor: fake.settings(flavor) for flavor in ("openai_compat", "anthropic_messages")}
        async with open_providers(settings, {}, SystemClock(), Bill()) as providers:
            for name in settings:
                await providers.invoke(evolve(ASK, provider=name))
            wires = [opened._wire for opened in providers._opened.values()]
    assert [wire._client.is_closed() for wire in wires] == [True, True]  # type: ignore[union-attr]  # both were opened


async def test_a_replaced_provider_is_closed_when_its_answers_have_come() -> None:
    asked, replaced = trio.Event(), trio.Event()

    async def late(_: Request) -> Response:
        asked.set()
        await replaced.wait()
        return said("openai_compat", "Late.")

    async with llm_fake() as fake:
        fake.next_answers = [late]
        old = fake.settings("openai_compat", api_key="sk-old")
        new = evolve(old, api_key="sk-new")
        async with open_providers({"fake": old}, {}, SystemClock(), Bill()) as providers:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(providers.invoke, ASK)
                await asked.wait()
                providers.settings = {"fake": new}
                await providers.invoke(ASK)
                assert [*providers._opened] == [old, new], "somebody waits for it"
                wire = providers._opened[old]._wire
                replaced.set()
            await providers.invoke(ASK)
            assert [*providers._opened] == [new]
            assert wire._client.is_closed()  # type: ignore[union-attr]  # it was opened
