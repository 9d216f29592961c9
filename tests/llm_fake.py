"""A provider of language models on loopback that speaks both wires, for the real SDKs to talk to.

    async with llm_fake() as fake:
        fake.next_answers = [answered(429, {"error": {"message": "slow down"}}), None]
        ... ask {"base_url": fake.base_url("openai_compat")} ...
    assert fake.asked[0]["model"] == "small"

Answers are made of the SDKs' own types, and requests checked by them, so that the fake cannot drift into our own idea of
the wires. It says "Hello." unless told otherwise: `None` is that answer, a text another one.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import anthropic.types
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from attrs import Factory, define
from http_server import Handler, Request, Response, Server, http_server
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import BaseModel, TypeAdapter

from nexo_poller.config.model import ApiFlavor, ProviderSettings, RetrySettings

HELLO: Final = "Hello."
FLAVORS: Final[tuple[ApiFlavor, ...]] = ("openai_compat", "anthropic_messages")
PATHS: Final[Mapping[ApiFlavor, str]] = {
    "openai_compat": "/v1/chat/completions",
    "anthropic_messages": "/v1/messages",
}
PARAMETERS: Final[Mapping[ApiFlavor, Any]] = {
    "openai_compat": CompletionCreateParamsNonStreaming,
    "anthropic_messages": MessageCreateParamsNonStreaming,
}
ONCE: Final = RetrySettings(max_attempts=1)


@define(eq=False)
class LlmFake:
    """`next_answers` are given in turn, then greetings; `asked` are the requests' bodies, `keys` what they brought along."""

    server: Server
    next_answers: list[Handler | Response | str | None] = Factory(list)
    asked: list[dict[str, Any]] = Factory(list)
    keys: list[str] = Factory(list)

    def base_url(self, flavor: ApiFlavor) -> str:
        return self.server.url(PATHS[flavor].removesuffix("/chat/completions").removesuffix("/v1/messages"))

    def settings(self, flavor: ApiFlavor, **changes: Any) -> ProviderSettings:
        """Settings of a provider called `fake`, which asks once and does not wait for its turn."""
        fields: Mapping[str, Any] = {
            "name": "fake",
            "base_url": self.base_url(flavor),
            "api_flavor": flavor,
            "requests_per_second": 1e6,
            "retry": ONCE,
            **changes,
        }
        return ProviderSettings(**fields)

    def answer(self, flavor: ApiFlavor, request: Request) -> Any:
        body = json.loads(request.body)
        assert body.keys() <= PARAMETERS[flavor].__annotations__.keys(), "parameters that the wire does not know"
        TypeAdapter(PARAMETERS[flavor]).validate_python(body)
        self.asked.append(body)
        self.keys.append(request.headers.get("authorization", "") + request.headers.get("x-api-key", ""))
        match self.next_answers.pop(0) if self.next_answers else None:
            case Response() as response:
                return response
            case str() | None as text:
                return said(flavor, HELLO if text is None else text, model=body["model"])
            case handler:
                return handler(request)


def said(flavor: ApiFlavor, text: str | None, **changes: Any) -> Response:
    """An answer of the model, as its wire has it; seven tokens in, three out."""
    openai_answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_772_366_400,
        "model": "small",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {"role": "assistant", "content": text, "refusal": None},
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
    anthropic_answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "small",
        "content": [{"type": "text", "text": text, "citations": None}] if text else [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 3},
    }
    if flavor == "openai_compat":
        return _checked(ChatCompletion, {**openai_answer, **changes})
    return _checked(anthropic.types.Message, {**anthropic_answer, **changes})


def tool_call(flavor: ApiFlavor) -> Response:
    """A model that wants to know the weather."""
    if flavor == "anthropic_messages":
        use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}, "caller": {"type": "direct"}}
        return said(flavor, None, content=[use], stop_reason="tool_use")
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
    return said(
        flavor, None, choices=[{"index": 0, "finish_reason": "tool_calls", "logprobs": None, "message": message}]
    )


def answered(status: int, body: Any = "", **headers: str) -> Response:
    """Any other answer: JSON, or text. Underscores in names of headers stand for hyphens."""
    content_type = "text/html" if isinstance(body, str) else "application/json"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status=status, headers={"Content-Type": content_type, **named}, body=text.encode())


def _checked(type_: type[BaseModel], answer: Mapping[str, Any]) -> Response:
    type_.model_validate(answer)
    return answered(200, answer)


@asynccontextmanager
async def llm_fake() -> AsyncIterator[LlmFake]:
    """The provider, for as long as the block lasts."""
    async with http_server() as server:
        fake = LlmFake(server)
        server.routes["/v1/chat/completions"] = lambda request: fake.answer("openai_compat", request)
        server.routes["/v1/messages"] = lambda request: fake.answer("anthropic_messages", request)
        yield fake
