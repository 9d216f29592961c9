"""An embedder's own provider of language models."""

from attrs import define, field

from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse


@define(eq=False)
class Parrot:
    """An `LlmProvider` that says what it hears, at the cost of two tokens and a seed."""

    heard: list[LlmInvokeRequest] = field(factory=list)

    async def invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        self.heard.append(request)
        words = request.messages[-1]["content"]
        return LlmInvokeResponse(content=words, model_id="grey", usage={"input_tokens": 2, "seed_tokens": 1})
