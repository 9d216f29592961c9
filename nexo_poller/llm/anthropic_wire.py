"""The Messages API, the wire of Anthropic and of those who speak like it.

Format: https://docs.anthropic.com/en/api/messages
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anthropic
from anthropic.types import Message, TextBlock, ToolUseBlock, Usage

from nexo_poller.clock import Clock
from nexo_poller.config.model import ProviderSettings
from nexo_poller.llm.network import client_options, sdk_options
from nexo_poller.llm.refusals import Refusals
from nexo_poller.masking import Mask
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse

MAX_TOKENS: Final = 4096  # the wire wants a limit


class AnthropicWire:
    """A provider behind the anthropic SDK."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self._client = anthropic.AsyncAnthropic(
            **sdk_options(settings), http_client=anthropic.DefaultAsyncHttpxClient(**client_options())
        )
        host = self._client.base_url.netloc.decode()
        self._refusals = Refusals(provider=settings.name, host=host, clock=clock, mask=Mask([settings.api_key or ""]))

    async def ask(self, model: str, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """See `Wire`."""
        create: Any = self._client.messages.create
        with self._refusals.translated(anthropic):
            answer = await create(model=model, **_body(request))
        return self._response(answer)

    async def aclose(self) -> None:
        """See `Wire`."""
        await self._client.close()

    def _response(self, answer: object) -> LlmInvokeResponse:
        """The SDK takes an answer as it comes; what is used of it is checked here."""
        match answer:
            case Message(model=str(model), content=list(blocks)):
                if any(isinstance(block, ToolUseBlock) for block in blocks):
                    raise self._refusals.tool_call(model)
                content = "".join(text for block in blocks for text in _texts(block))
                return LlmInvokeResponse(content=content, model_id=model, usage=_usage(answer.usage))
            case Message():
                raise self._refusals.unexpected(answer.model_extra)
            case _:
                raise self._refusals.unexpected(answer)


def _body(request: LlmInvokeRequest) -> Mapping[str, Any]:
    """The request under the names of the wire, on which what the system says is no message, and has no temperature."""
    system = "\n\n".join(str(message["content"]) for message in request.messages if message["role"] == "system")
    return {
        "messages": [message for message in request.messages if message["role"] != "system"],
        "max_tokens": request.max_tokens or MAX_TOKENS,
        **({"system": system} if system else {}),
    }


def _texts(block: object) -> Sequence[str]:
    match block:
        case TextBlock(text=str(text)):
            return (text,)
        case _:  # thinking
            return ()


def _usage(usage: object) -> Mapping[str, int]:
    match usage:
        case Usage(input_tokens=int(read), output_tokens=int(written)):
            return {"input_tokens": read, "output_tokens": written}
        case _:
            return {}
