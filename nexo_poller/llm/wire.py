"""What a wire is: one SDK, put to use for one provider."""

from typing import Final, Protocol

from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse

NO_KEY: Final = "none"  # the SDKs want one, and would else look for one in the environment


class Wire(Protocol):
    """One request, one answer."""

    async def ask(self, model: str, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """What `model` said. Raises `Busy`, `TransientError` or `PermanentError`, as `Refusals` has it."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
