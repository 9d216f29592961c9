"""Both wires, through the real SDKs, over real HTTP."""

import gzip
import traceback
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
import trio
from http_server import Request, Response, http_server
from llm_fake import FLAVORS, HELLO, LlmFake, answered, llm_fake, said, tool_call

from nexo_poller.clock import SystemClock
from nexo_poller.config.model import ApiFlavor
from nexo_poller.errors import PermanentError, TransientError
from nexo_poller.llm.openai_wire import limit_name
from nexo_poller.llm.provider import SdkProvider
from nexo_poller.llm.refusals import Busy
from nexo_poller.poller import LlmInvokeRequest
from nexo_poller.testing import VirtualClock

KEY: Final = "sk-canary/7Q+fx90"
PROMPT: Final = {"role": "user", "content": "Good morning?"}
ASK: Final = LlmInvokeRequest(messages=[PROMPT], model="small")

pytestmark = pytest.mark.parametrize("flavor", FLAVORS)


@asynccontextmanager
async def asking(fake: LlmFake, flavor: ApiFlavor, **changes: Any) -> AsyncIterator[SdkProvider]:
    """A provider that asks `fake`, for the block."""
    provider = SdkProvider(fake.settings(flavor, **changes), SystemClock())
    try:
        yield provider
    finally:
        await provider.aclose()


async def refusal(flavor: ApiFlavor, answer: Any, **changes: Any) -> PermanentError | TransientError:
    """What an answer comes out as."""
    async with llm_fake() as fake, asking(fake, flavor, **changes) as provider:
        fake.next_answers = [answer]
        with pytest.raises((PermanentError, TransientError)) as raised:
            await provider.invoke(ASK)
    error = raised.value
    assert isinstance(error, PermanentError | TransientError)
    assert "provider 'fake' at 127.0.0.1:" in str(error)
    return error


async def test_an_answer_tells_the_text_the_model_and_its_cost(flavor: ApiFlavor) -> None:
    async with llm_fake() as fake, asking(fake, flavor) as provider:
        fake.next_answers = [said(flavor, "Bom dia. ☕", model="small-2026-03-01")]
        answer = await provider.invoke(ASK)
    assert answer.content == "Bom dia. ☕"
    assert answer.model_id == "small-2026-03-01"
    assert answer.usage == {"input_tokens": 7, "output_tokens": 3}


async def test_the_whole_request_arrives_as_the_wire_has_it(flavor: ApiFlavor) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Wie heißt „rain“ auf 日本語?"},
        {"role": "assistant", "content": "雨"},
        {"role": "user", "content": "Again \U0001f327"},
    ]
    request = LlmInvokeRequest(messages=messages, model="small", max_tokens=99, temperature=0.0)
    async with llm_fake() as fake, asking(fake, flavor, api_key=KEY) as provider:
        await provider.invoke(request)
    if flavor == "openai_compat":
        assert fake.asked == [{"model": "small", "max_tokens": 99, "temperature": 0.0, "messages": messages}]
    else:
        assert fake.asked == [{"model": "small", "max_tokens": 99, "system": "Be brief.", "messages": messages[1:]}]
    assert fake.keys == [f"Bearer {KEY}"]


async def test_what_a_request_leaves_open_is_not_sent(flavor: ApiFlavor) -> None:
    async with llm_fake() as fake, asking(fake, flavor) as provider:
        await provider.invoke(ASK)
    needed = {"max_tokens": 4096} if flavor == "anthropic_messages" else {}
    assert fake.asked == [{"model": "small", "messages": [PROMPT], **needed}]


async def test_a_provider_without_a_key_is_not_sent_the_one_of_the_environment(
    flavor: ApiFlavor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, KEY)
    async with llm_fake() as fake, asking(fake, flavor) as provider:  # as ollama on localhost
        assert (await provider.invoke(ASK)).content == HELLO
    assert fake.keys == ["Bearer none"]
    assert KEY not in repr(fake.server.requests)


async def test_a_model_that_calls_a_tool_is_a_permanent_error(flavor: ApiFlavor) -> None:
    error = await refusal(flavor, tool_call(flavor))
    assert isinstance(error, PermanentError)
    assert "the model 'small' answered with a call of a tool" in str(error)


async def test_an_answer_without_text_is_an_empty_one(flavor: ApiFlavor) -> None:
    async with llm_fake() as fake, asking(fake, flavor) as provider:
        fake.next_answers = [said(flavor, None), said(flavor, "")]
        assert [(await provider.invoke(ASK)).content for _ in range(2)] == ["", ""]


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, "check its api_key"),
        (403, {"type": "error", "error": {"type": "permission_error", "message": "not you"}}, "check its api_key"),
        (404, {"error": {"message": 'model "small" not found, try pulling it first'}}, "check the job's model"),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: small"}}, "check the job's model"),
        (404, [{"error": {"code": 404, "message": "models/small is not found"}}], "check the job's model"),
        (400, {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}}, "check the job's model"),
        (400, {"error": {"message": "x is not a valid model ID", "code": 400}}, "check the job's model"),
        (400, {"error": {"message": "too long", "code": "context_length_exceeded"}}, "shorten the prompt"),
        (400, {"error": {"message": "This model's maximum context length is 4096 tokens"}}, "shorten the prompt"),
        (400, {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}, "shorten the prompt"),
        (400, {"error": {"message": "input length and `max_tokens` exceed context limit: 9 + 1 > 8"}}, "shorten"),
        (400, [{"error": {"message": "The input token count (9) exceeds the maximum number of tokens"}}], "shorten"),
        (413, {"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}, "shorten"),
        (413, "<html>too large</html>", "shorten the prompt"),
    ],
)  # fmt: skip
async def test_what_no_retry_can_mend_is_permanent(flavor: ApiFlavor, status: int, body: Any, remedy: str) -> None:
    error = await refusal(flavor, answered(status, body))
    assert isinstance(error, PermanentError)
    assert f"answered {status}" in str(error)
    assert remedy in str(error)
    assert "then resume the job" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "is_busy"),
    [
        (408, "", True),
        (429, {"error": {"message": "Rate limit reached: context length of 9 tokens per minute"}}, True),
        (500, {"error": {"message": "the model was not found in time"}}, True),
        (503, "<html>", True),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, True),
        (400, {"error": {"message": "Invalid value: 'bard'. Supported values are: 'system'"}}, False),
        (402, {"error": {"message": "Insufficient Balance"}}, False),
        (422, {"detail": {"message": "temperature is out of range"}}, False),
    ],
)
async def test_everything_else_is_transient(flavor: ApiFlavor, status: int, body: Any, is_busy: bool) -> None:
    error = await refusal(flavor, answered(status, body))
    assert isinstance(error, TransientError)
    assert isinstance(error, Busy) is is_busy
    assert f"answered {status}" in str(error)


async def test_a_wait_that_the_server_asks_for_is_told(flavor: ApiFlavor) -> None:
    for status in (429, 503, 400):
        error = await refusal(flavor, answered(status, {"error": {"message": "later"}}, Retry_After="77"))
        assert isinstance(error, TransientError)
        assert error.retry_after == timedelta(seconds=77)


@pytest.mark.parametrize(
    "answer",
    [
        answered(200, "<html>Welcome to the Wi-Fi of our hotel</html>"),
        answered(200, {"choices": []}),
        answered(200, {"model": "small", "choices": [{"message": {"content": None, "refusal": 5}}]}),
        answered(200, {"choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail"}}),
        answered(200, {"error": {"code": 502, "message": "upstream is away"}}),
        answered(200, []),
        Response(headers={"Content-Type": "application/json"}, body=b"{"),
        Response(headers={"Content-Type": "application/json"}, body=b""),
    ],
)
async def test_what_is_no_answer_of_a_model_is_transient(flavor: ApiFlavor, answer: Response) -> None:
    error = await refusal(flavor, answer)
    assert isinstance(error, TransientError)
    assert "sent no answer of a model" in str(error)
    words = {b"hotel": "Wi-Fi", b"login": "1004: login fail", b"upstream": "502: upstream is away"}
    assert isinstance(answer.body, bytes)
    assert all(said in str(error) for sent, said in words.items() if sent in answer.body)


async def test_a_key_that_the_server_echoes_is_in_no_error(flavor: ApiFlavor) -> None:
    def echo(request: Request, status: int) -> Response:
        key = request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
        body = {"error": {"message": f"{key} is wrong", "code": key}}
        return answered(status, body, Location=f"/{key}", Retry_After=key, X_Request_Id=key)

    for status in (401, 302, 400, 429, 500, 200):
        error = await refusal(flavor, partial(echo, status=status), api_key=KEY)
        assert "***" in str(error)
        assert KEY not in "".join(traceback.format_exception(error))


async def test_a_redirect_does_not_take_the_key_elsewhere(flavor: ApiFlavor) -> None:
    async with http_server() as elsewhere:
        error = await refusal(flavor, answered(307, Location=elsewhere.url("/v1/messages")), api_key=KEY)
    assert isinstance(error, TransientError)
    assert "answered 307" in str(error)
    assert elsewhere.requests == []


async def test_a_provider_that_cannot_be_reached_is_busy(flavor: ApiFlavor) -> None:
    async with llm_fake() as fake:
        gone = fake.settings(flavor)
    with pytest.raises(Busy, match=r"provider 'fake' at 127\.0\.0\.1:\d+ cannot be reached: \w+Error: "):
        await SdkProvider(gone, SystemClock()).invoke(ASK)


async def test_a_provider_that_does_not_answer_is_given_up(
    flavor: ApiFlavor, mock_clock: trio.testing.MockClock
) -> None:
    async def wait(_: Request) -> Response | None:
        await trio.testing.wait_all_tasks_blocked()  # the client waits for the answer
        mock_clock.jump(241)
        await trio.sleep_forever()
        raise AssertionError

    error = await refusal(flavor, wait)
    assert isinstance(error, TransientError)
    assert not isinstance(error, Busy)
    assert "did not answer in time" in str(error)


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_without_end_is_not_taken_in(flavor: ApiFlavor, packed: bool) -> None:
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16) if packed else None
        for _ in range(1_000):
            piece = bytes(2**20)
            read += 1
            yield packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH) if packer else piece

    headers = {"Content-Type": "application/json", **({"Content-Encoding": "gzip"} if packed else {})}
    error = await refusal(flavor, lambda _: Response(headers=headers, body=pieces()))
    assert isinstance(error, TransientError)
    assert not isinstance(error, Busy)
    assert str(error).endswith("sent what cannot be read: the body is longer than 10,485,760 bytes")
    assert packed or read < 100


@pytest.mark.parametrize("encoding", ["br", "gzip"])
async def test_an_answer_that_is_not_packed_as_agreed_is_transient(flavor: ApiFlavor, encoding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    error = await refusal(flavor, Response(headers=headers, body=b"not packed at all"))
    assert isinstance(error, TransientError)
    assert "sent what cannot be read: the body is" in str(error)


async def test_a_packed_answer_is_unpacked(flavor: ApiFlavor) -> None:
    async with llm_fake() as fake, asking(fake, flavor) as provider:
        answer = said(flavor, "Ça va ?")
        assert isinstance(answer.body, bytes)
        fake.next_answers = [
            Response(headers={**answer.headers, "Content-Encoding": "gzip"}, body=gzip.compress(answer.body))
        ]
        assert (await provider.invoke(ASK)).content == "Ça va ?"


async def test_a_date_to_wait_for_is_compared_with_the_runners_clock(flavor: ApiFlavor) -> None:
    clock = VirtualClock()
    date = (clock.now() + timedelta(hours=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    async with llm_fake() as fake:
        fake.next_answers = [answered(429, Retry_After=date)]
        provider = SdkProvider(fake.settings(flavor), clock)
        with pytest.raises(Busy) as raised:
            await provider.invoke(ASK)
        await provider.aclose()
    assert raised.value.retry_after is not None
    assert timedelta(hours=2) - timedelta(minutes=1) < raised.value.retry_after <= timedelta(hours=2)


async def test_only_openai_itself_gets_the_new_name_of_the_limit(flavor: ApiFlavor) -> None:
    names = {
        host: limit_name(host) for host in ("api.openai.com", "eu.api.openai.com", "api.deepseek.com", "localhost")
    }
    assert names == {
        "api.openai.com": "max_completion_tokens",
        "eu.api.openai.com": "max_completion_tokens",
        "api.deepseek.com": "max_tokens",
        "localhost": "max_tokens",
    }
