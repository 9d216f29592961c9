"""Chat completions, the wire of OpenAI and of all who speak like it: DeepSeek, Gemini, MiniMax, ollama, vLLM.

Format: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Mapping
from typing import Any, Final

import openai
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from openai.types.chat.chat_completion import Choice
from openai.types.completion_usage import CompletionUsage

from nexo_poller.clock import Clock
from nexo_poller.config.model import ProviderSettings
from nexo_poller.llm.network import client_options, sdk_options
from nexo_poller.llm.refusals import Refusals
from nexo_poller.masking import Mask
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse

OPENAI_HOST: Final = "api.openai.com"


class OpenAiWire:
    """A provider behind the openai SDK."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self._client = openai.AsyncOpenAI(
            **sdk_options(settings), http_client=openai.DefaultAsyncHttpxClient(**client_options())
        )
        host = self._client.base_url.netloc.decode()
        self._refusals = Refusals(provider=settings.name, host=host, clock=clock, mask=Mask([settings.api_key or ""]))

    async def ask(self, model: str, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """See `Wire`."""
        create: Any = self._client.chat.completions.create
        with self._refusals.translated(openai):
            answer = await create(model=model, messages=list(request.messages), **self._options(request))
        return self._response(answer)

    async def aclose(self) -> None:
        """See `Wire`."""
        await self._client.close()

    def _options(self, request: LlmInvokeRequest) -> Mapping[str, Any]:
        """What the request sets, under the names of the wire."""
        limit = limit_name(self._client.base_url.host)
        options = {limit: request.max_tokens, "temperature": request.temperature}
        return {name: value for name, value in options.items() if value is not None}

    def _response(self, answer: object) -> LlmInvokeResponse:
        """The SDK takes an answer as it comes; what is used of it is checked here."""
        match answer:
            case ChatCompletion(
                model=str(model),
                choices=[
                    Choice(
                        message=ChatCompletionMessage(
                            content=str() | None as said, refusal=str() | None as refused
                        ) as message
                    ),
                    *_,
                ],
            ):
                if message.tool_calls or message.function_call:
                    raise self._refusals.tool_call(model)
                content = said or refused or ""
                return LlmInvokeResponse(content=content, model_id=model, usage=_usage(answer.usage))
            case ChatCompletion():
                raise self._refusals.unexpected(answer.model_extra)
            case _:
                raise self._refusals.unexpected(answer)


def limit_name(host: str) -> str:
    """What the limit of an answer is called there. OpenAI's newer models refuse the old name, and others the new one."""
    return "max_completion_tokens" if host.endswith(OPENAI_HOST) else "max_tokens"


def _usage(usage: object) -> Mapping[str, int]:
    match usage:
        case CompletionUsage(prompt_tokens=int(read), completion_tokens=int(written)):
            return {"input_tokens": read, "output_tokens": written}
        case _:
            return {}
