"""What the errors of both SDKs mean for a tick. The SDKs come from one generator, and name their errors alike."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import responses
from json import JSONDecodeError
from typing import Any, Final

from attrs import field, frozen

from nexo_poller.clock import Clock
from nexo_poller.errors import PermanentError, TransientError
from nexo_poller.http.answers import MAY_PASS, UNAUTHORISED
from nexo_poller.http.retry_after import retry_after
from nexo_poller.masking import Mask

LONGEST_WORDS: Final = 300  # they come from the server
ABOUT_THE_REQUEST: Final = frozenset({400, 413, 422})
# Providers agree on neither codes nor words; these are OpenAI's, Anthropic's, DeepSeek's, Gemini's, vLLM's, llama.cpp's.
TOO_LONG: Final = re.compile(
    r"context[ _](length|window|size|limit)|prompt is too long|too many (input )?tokens|token count .{0,80}exceeds",
    re.IGNORECASE,
)
NO_SUCH_MODEL: Final = re.compile(
    r"model_not_found|no such model|not a valid model|(unknown|invalid|unsupported) model"
    r"|model .{0,100}(not exist|not found|not supported)",
    re.IGNORECASE,
)


class Busy(TransientError):
    """The same request may well be answered in a moment: too many at once, overloaded, a failure of the server's own."""


@frozen(kw_only=True)
class Refusals:
    """Tells what went wrong with one provider. Nothing it says holds what `mask` hides, or a URL."""

    provider: str
    host: str
    clock: Clock = field(repr=False)
    mask: Mask = field(repr=False)

    @contextmanager
    def translated(self, sdk: Any) -> Iterator[None]:
        """Inside the block, what the module `sdk` raises comes out as a tick's error.

        Without its cause, which holds the provider's answer and the request as they are, key included.

        Raises:
            PermanentError: 401, 403; an unknown model; a prompt that is too long.
            Busy: 408, 425, 429, 5xx, or the provider cannot be reached.
            TransientError: anything else.
        """
        try:
            yield
        except sdk.APIStatusError as error:
            raise self.answered(error.status_code, error.response.headers, error.body) from None
        except sdk.APITimeoutError:
            raise TransientError(f"{self} did not answer in time") from None
        except sdk.APIConnectionError as error:
            raise self._unreached(error.__cause__ or error) from None
        except sdk.APIError as error:
            raise self.unexpected(error.body) from None
        except (JSONDecodeError, UnicodeDecodeError):
            raise self.unexpected("") from None

    def answered(self, status: int, headers: Mapping[str, str], body: object) -> TransientError | PermanentError:
        """What an answer other than 2xx means. `headers` finds names in any case; `body` is what JSON it held, or text."""
        words = self._words(complaint(body))
        said = f"{self} answered {status} {responses.get(status, '')}".rstrip() + (f": {words}" if words else "")
        is_about_the_request = status in ABOUT_THE_REQUEST
        if status in UNAUTHORISED:
            return PermanentError(f"{said} (check its api_key and what that may be used for, then resume the job)")
        if status == HTTPStatus.NOT_FOUND or (is_about_the_request and NO_SUCH_MODEL.search(words)):
            return PermanentError(f"{said} (check the job's model and the provider's base_url, then resume the job)")
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (is_about_the_request and TOO_LONG.search(words)):
            return PermanentError(f"{said} (shorten the prompt or take another model, then resume the job)")
        is_busy = status in MAY_PASS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return (Busy if is_busy else TransientError)(said, retry_after(headers, self.clock.now()))

    def unexpected(self, answer: object) -> TransientError:
        """For an answer of success that holds none of a model."""
        words = self._words(complaint(answer))
        return TransientError(f"{self} sent no answer of a model" + (f": {words}" if words else ""))

    def tool_call(self, model: str) -> PermanentError:
        """For a model that wants to call a tool, which it was not offered."""
        return PermanentError(
            f"{self}: the model '{self._words(model)}' answered with a call of a tool, and there is none "
            "(ask for text in the prompt or take another model, then resume the job)"
        )

    def _unreached(self, cause: BaseException) -> TransientError:
        from nexo_poller.llm.network import Unreadable  # which loads httpx2

        if isinstance(cause, Unreadable):
            return TransientError(f"{self} sent what cannot be read: {self._words(str(cause))}")
        return Busy(f"{self} cannot be reached: {self._words(f'{type(cause).__name__}: {cause}')}")

    def _words(self, text: str) -> str:
        return self.mask(text)[:LONGEST_WORDS]

    def __str__(self) -> str:
        return f"provider '{self.provider}' at {self.host}"


def complaint(body: object) -> str:
    """What a body says of an error, code first; "" where it has no words that are known."""
    match body:
        case str():
            return " ".join(body.split())
        case [first, *_]:  # Gemini's
            return complaint(first)
        case {"error": error} | {"base_resp": error} | {"detail": error}:  # MiniMax's, FastAPI's
            return complaint(error)
        case {"message": str(words)} | {"status_msg": str(words)}:
            code = body.get("code") or body.get("type") or body.get("status_code")  # type: ignore[attr-defined]  # a match narrows no mapping
            return f"{code}: {words}" if code else words
        case _:
            return ""
