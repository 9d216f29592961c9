"""The fake provider of other tests, held against the types of the SDKs."""

from contextlib import suppress
from typing import Any

import httpx
import pytest
from llm_fake import FLAVORS, PATHS, llm_fake, said
from pydantic import ValidationError

from nexo_poller.config.model import ApiFlavor

PROMPT = {"role": "user", "content": "Good morning?"}
ASKED = {"model": "small", "max_tokens": 9, "messages": [PROMPT]}

pytestmark = pytest.mark.parametrize("flavor", FLAVORS)


async def ask(flavor: ApiFlavor, body: dict[str, Any]) -> None:
    async with llm_fake() as fake, httpx.AsyncClient(trust_env=False) as client:
        with suppress(httpx.TransportError):
            await client.post(fake.server.url(PATHS[flavor]), json=body)


async def test_what_both_wires_know_is_taken(flavor: ApiFlavor) -> None:
    await ask(flavor, ASKED)


async def test_a_parameter_that_the_wire_does_not_know_fails_the_test_that_sent_it(flavor: ApiFlavor) -> None:
    unknown = pytest.RaisesExc(AssertionError, match="does not know")
    with pytest.RaisesGroup(unknown, allow_unwrapped=True, flatten_subgroups=True):
        await ask(flavor, {**ASKED, "warmth": 1})


async def test_a_value_that_the_wire_does_not_allow_fails_the_test_that_sent_it(flavor: ApiFlavor) -> None:
    with pytest.RaisesGroup(ValidationError, allow_unwrapped=True, flatten_subgroups=True):
        await ask(flavor, {**ASKED, "max_tokens": "many"})


def test_an_answer_that_the_wire_does_not_allow_is_not_made(flavor: ApiFlavor) -> None:
    with pytest.raises(ValidationError):
        said(flavor, "Hello.", usage="much")
