"""A language model that says what a test wants it to say."""

from collections import deque
from typing import Self

import trio
from attrs import define, field

from nexo_poller.errors import PermanentError
from nexo_poller.poller import LlmInvokeRequest, LlmInvokeResponse
from nexo_poller.words import counted

MODEL_ID = "fake-model"


@define(eq=False)
class FakeLlm:
    """Gives the replies of `reply` and `fail` in their order, and keeps the `requests`.

    Asked once more than that it raises `PermanentError`: a test decides everything that a model says.
    """

    requests: list[LlmInvokeRequest] = field(factory=list, init=False)
    _script: deque[LlmInvokeResponse | Exception] = field(factory=deque, init=False)

    def reply(self, content: str, *, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Answer the next request that has no answer yet with `content`."""
        usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
        self._script.append(LlmInvokeResponse(content=content, model_id=MODEL_ID, usage=usage))

    def fail(self, error: Exception) -> None:
        """Raise `error` at the next request that has no answer yet: a `TransientError`, say."""
        self._script.append(error)

    def again(self) -> Self:
        """Another one, which has not been asked yet, with the answers that this one still has."""
        other = type(self)()
        other._script = self._script.copy()  # noqa: SLF001 - of the same class
        return other

    async def invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """See `LlmProvider`."""
        await trio.lowlevel.checkpoint()
        self.requests.append(request)
        if not self._script:
            raise PermanentError(
                f"the model was asked {counted(len(self.requests), 'time')}, and the test has {len(self.requests) - 1} replies "
                '(add one with `harness.llm.reply("…")`)'
            )
        answer = self._script.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer
