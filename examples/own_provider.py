"""A daemon with a provider of language models of its own: jobs ask it under the name `house`."""

import trio

from nexo_poller import Event, LlmInvokeRequest, LlmInvokeResponse, PollerRunner


class HouseModel:
    """Stands in for whatever runs a model here."""

    async def invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        prompt = str(request.messages[-1]["content"])
        return LlmInvokeResponse(content=prompt.upper(), model_id="loud-1", usage={"input_tokens": len(prompt.split())})


async def show(event: Event) -> None:
    print(event.payload["to"], event.payload["text"], flush=True)


async def main() -> None:
    runner = PollerRunner.from_config("./config", llm_providers={"house": HouseModel()})
    runner.subscribe("plugin.outbound.>", show)
    await runner.serve()


trio.run(main)
