"""What a poller author sees: `Poller`, the context of a tick, and what a tick returns."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from attrs import define, field, frozen
from attrs.validators import ge

from nexo_poller.clock import Clock
from nexo_poller.errors import PermanentError
from nexo_poller.of_type import of_type
from nexo_poller.tool import Tool

if TYPE_CHECKING:  # the pure floor imports no httpx
    import httpx

C = TypeVar("C")
LogLevel = Literal["debug", "info", "warning", "error"]


@frozen
class Deliver:
    """Where a job's messages go: `channel` as the agent's credentials name it, `to` as that channel names people.

    It is what `deliver:` in a job's config becomes, `to` being the file's word for the `recipient` of a message.
    """

    channel: str
    to: str


@frozen(kw_only=True)
class OutboundDelivery:
    """One message for a person on a channel, such as `OutboundDelivery(channel=to.channel, recipient=to.to, payload=…)`.

    `payload` is any JSON value; one that is no object is sent as `{"text": payload}`. `not_before` (aware) holds this
    message, and what follows it on the same topic of the same job, back until then. `dead_because` says why this message
    is not to be sent: it is a dead letter from the start, which an operator may read, replay or discard.
    """

    channel: str
    recipient: str
    payload: Any
    not_before: datetime | None = None
    dead_because: str | None = None


@frozen(kw_only=True)
class TickMetrics:
    """How many items a tick looked at, and how many of them became messages."""

    items_seen: int = field(default=0, validator=[of_type(int), ge(0)])
    items_dispatched: int = field(default=0, validator=[of_type(int), ge(0)])


@frozen(kw_only=True)
class TickAck:
    """What a successful tick returns; all of it is saved in one commit, or none.

    `next_cursor` None keeps the cursor as it was. `next_interval_hint` (clamped to 1 s ... 24 h) replaces one wait.
    """

    next_cursor: bytes | None = None
    next_interval_hint: timedelta | None = None
    metrics: TickMetrics = TickMetrics()
    deliver: Sequence[OutboundDelivery] = ()


@frozen(kw_only=True)
class LlmInvokeRequest:
    """A request to a language model. `messages` are `{"role": …, "content": …}` mappings, oldest first.

    Roles are `system`, `user` and `assistant`. `provider` None: the only one there is. `temperature` is left out on
    Anthropic's wire, which refuses it since its version 2026-10-21.
    """

    messages: Sequence[Mapping[str, Any]]
    provider: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None


@frozen(kw_only=True)
class LlmInvokeResponse:
    """What the model said, which model it was, and what it cost (`usage`: `input_tokens`, `output_tokens`, if told)."""

    content: str
    model_id: str
    usage: Mapping[str, int]


class LlmProvider(Protocol):
    """Who has language models. Implement it for one that speaks neither OpenAI's wire nor Anthropic's."""

    async def invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """What the model said.

        Raises `PermanentError` where nothing will change by itself, `TransientError` where it may. Calls may overlap.
        """
        ...


class PollerHost(Protocol):
    """A poller's only way out. Every method raises `HostError` when it cannot do what was asked."""

    async def broker_publish(self, topic: str, payload: bytes) -> None:
        """Put a message (JSON or UTF-8 text) for `topic` into this tick's commit; it is lost if the tick fails."""
        ...

    async def credentials_get(self, channel: str) -> Mapping[str, Any]:
        """`{"account_id": …, …}` of the account that the job's agent is bound to on `channel`."""
        ...

    async def log(self, level: LogLevel, message: str, fields: Mapping[str, Any] | None = None) -> None:
        """Write one log record in the job's name."""
        ...

    async def metric_inc(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Add one to the counter `name`. Names and label sets are limited in number; those beyond are dropped."""
        ...

    async def llm_invoke(self, request: LlmInvokeRequest) -> LlmInvokeResponse:
        """Ask a language model. Raises `PermanentError` and `TransientError` as well, to end the tick with."""
        ...


@define(kw_only=True, eq=False)
class PollContext(Generic[C]):
    """What one tick knows. `now` (aware, UTC) is the claim's moment, `interval_hint` the schedule's gap between two slots.

    `config` is of the poller's `config_type`, and shared by all ticks of the job. `cursor` is the `next_cursor` of an earlier
    tick; None before the first. `host` is the way out, `http` the client for requests.
    `is_dry_run`: nothing of this tick will be kept, so that a poller that changes something outside should not.
    """

    job_id: str
    agent_id: str
    kind: str
    config: C = field(repr=False)  # it may hold secrets
    cursor: bytes | None
    now: datetime
    interval_hint: timedelta
    host: PollerHost = field(repr=False)
    is_dry_run: bool = False
    _open_http: "Callable[[], httpx.AsyncClient]" = field(repr=False, alias="open_http")
    _http: "httpx.AsyncClient | None" = field(default=None, init=False, repr=False)

    @property
    def http(self) -> "httpx.AsyncClient":
        """The job's guarded HTTP client. It lives as long as the runner: do not close it."""
        if self._http is None:
            self._http = self._open_http()
        return self._http


class Poller(Generic[C]):
    """The code behind a kind. Subclass it, name the kind and the type of its config, and write `tick`.

    `config_type` is an attrs class (or a dataclass): a job's `config` mapping is structured into it by cattrs, with
    unknown keys refused, before any tick. One instance serves all jobs of its kind, at the same time.

    `channels` are those on which the agent of every job needs an account, besides where it delivers: `("google",)`.
    """

    kind: ClassVar[str]
    description: ClassVar[str] = ""
    channels: ClassVar[tuple[str, ...]] = ()
    config_type: type[C]

    def validate(self, config: C) -> None:
        """Check more than types can say; raise `ConfigError` with every problem. No I/O: it runs on the loop."""

    def validate_cursor(self, cursor: bytes) -> None:
        """Refuse, by `ConfigError`, a cursor that an operator wants to set. By default anything goes. No I/O."""

    def llm_provider(self, config: C) -> str | None:  # noqa: ARG002 - heirs look at it
        """The provider of language models that a job with this config asks, so that it is there before any tick."""
        return None

    @asynccontextmanager
    async def lifespan(self, clock: Clock) -> AsyncIterator[None]:  # noqa: ARG002 - heirs look at it
        """Held open by a runner from before its first tick until after its last: the place for what ticks share."""
        yield

    def place(self) -> AbstractAsyncContextManager[None]:
        """Held open by a runner around every tick, from before its claim: here ticks may have to wait for each other.

        So the wait costs them neither their own time nor a place among the runner's ticks.
        """
        return nullcontext()

    async def tick(self, ctx: PollContext[C]) -> TickAck:  # noqa: ARG002 - heirs look at it
        """Fetch, decide what is new, say what to send.

        Raise `TransientError` to back off, `PermanentError` to be paused; any other exception counts as transient.
        Let `trio.Cancelled` through: a tick is cancelled at its timeout, at a reload and when its lease is lost.
        """
        raise PermanentError(
            f"{type(self).__name__} has no tick: write `async def tick(self, ctx)`, which returns a TickAck"
        )

    def custom_tools(self) -> Sequence[Tool]:
        """Tools of the poller's own, offered to language models beside the generic `pollers_*` ones."""
        return ()


def checked_poller(poller: object) -> Poller[Any]:
    """`poller`, if it is one. Raises `TypeError` that says what is wrong with it."""
    if isinstance(poller, type) and issubclass(poller, Poller):
        raise TypeError(f"{poller.__name__} is a class; give an instance of it: {poller.__name__}()")
    if not isinstance(poller, Poller):
        raise TypeError(f"it is {poller!r}, which is no Poller")
    if not isinstance(getattr(poller, "kind", None), str):
        raise TypeError(f'{type(poller).__name__} has no `kind`: give its class one, such as kind = "jira"')
    return poller
