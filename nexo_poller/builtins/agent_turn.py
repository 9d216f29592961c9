"""The kind `agent_turn`: a prompt to a language model, whenever its schedule says, and the answer as a message."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from attrs import define, field, frozen
from attrs.validators import ge, optional

from nexo_poller.builtins.cursor import CursorUnreadable
from nexo_poller.errors import ConfigError, Problem
from nexo_poller.poller import (
    Deliver,
    LlmInvokeRequest,
    OutboundDelivery,
    PollContext,
    Poller,
    TickAck,
    TickMetrics,
)
from nexo_poller.template import filled_in, without_unwanted

LONGEST_LANGUAGE: Final = 64  # characters
LONGEST_ANSWER: Final = 2**16  # characters; a server that never stops talking must not fill the outbox
NEVER: Final = "never"


@frozen(kw_only=True)
class Llm:
    """The model that is asked, and under which name of `providers:`."""

    provider: str
    model: str


@frozen(kw_only=True)
class ToRecipient:
    """`deliver` with the word that older files have for `to`."""

    channel: str
    recipient: str

    @property
    def to(self) -> str:
        """The recipient."""
        return self.recipient


def _as_deliver(deliver: Deliver | ToRecipient) -> Deliver:
    return Deliver(deliver.channel, deliver.to)


@frozen(kw_only=True)
class AgentTurnConfig:
    """The keys of kind `agent_turn`. In prompts: {now}, {date} (both UTC), {job_id}, {last_run}.

    `language` is the one to answer in. `max_tokens` limits the answer.
    """

    llm: Llm
    user_prompt: str
    deliver: Deliver | ToRecipient = field(converter=_as_deliver)
    system_prompt: str | None = None
    language: str | None = None
    max_tokens: int | None = field(default=None, validator=optional(ge(1)))


@define(eq=False)
class AgentTurnPoller(Poller[AgentTurnConfig]):
    """One prompt, one answer, one message. The cursor is when the job last did so."""

    kind = "agent_turn"
    description = "The answer of a language model to a prompt."
    config_type = AgentTurnConfig

    def validate(self, config: AgentTurnConfig) -> None:
        """See `Poller`."""
        if problems := [*_blanks(config)]:
            raise ConfigError(*problems)

    def llm_provider(self, config: AgentTurnConfig) -> str:
        """See `Poller`."""
        return config.llm.provider

    async def tick(self, ctx: PollContext[AgentTurnConfig]) -> TickAck:
        """Ask the model, and send what it says."""
        config, last_run = ctx.config, _moment(ctx.now).encode()
        answer = await ctx.host.llm_invoke(_request(ctx))
        text = without_unwanted(answer.content).strip()[:LONGEST_ANSWER]
        if not text:
            await ctx.host.log(
                "warning", "the model answered with nothing, so nothing is sent", {"model": answer.model_id}
            )
            return TickAck(next_cursor=last_run, metrics=TickMetrics(items_seen=1))
        to = config.deliver
        return TickAck(
            next_cursor=last_run,
            metrics=TickMetrics(items_seen=1, items_dispatched=1),
            deliver=[OutboundDelivery(channel=to.channel, recipient=to.to, payload={"text": text})],
        )


def _request(ctx: PollContext[AgentTurnConfig]) -> LlmInvokeRequest:
    config = ctx.config
    values = {
        "now": _moment(ctx.now),
        "date": ctx.now.astimezone(UTC).date().isoformat(),
        "job_id": ctx.job_id,
        "last_run": NEVER if ctx.cursor is None else _last_run(ctx.cursor),
    }
    language = clean_language(config.language or "")
    system = [filled_in(config.system_prompt or "", values), f"Answer in this language: {language}" if language else ""]
    prompts = {
        "system": "\n\n".join(part for part in system if part.strip()),
        "user": filled_in(config.user_prompt, values),
    }
    return LlmInvokeRequest(
        messages=[{"role": role, "content": prompt} for role, prompt in prompts.items() if prompt],
        provider=config.llm.provider,
        model=config.llm.model,
        max_tokens=config.max_tokens,
    )


def clean_language(language: str) -> str:
    """The name of a language on one line, without control and other invisible characters, of at most 64."""
    return "".join(character for character in language if character.isprintable())[:LONGEST_LANGUAGE].strip()


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _last_run(cursor: bytes) -> str:
    try:
        return _moment(datetime.fromisoformat(cursor.decode()))
    except ValueError as error:
        raise CursorUnreadable(AgentTurnPoller.kind, cursor) from error


def _blanks(config: AgentTurnConfig) -> Iterator[Problem]:
    needed: dict[tuple[str, ...], Any] = {
        ("llm", "provider"): config.llm.provider,
        ("llm", "model"): config.llm.model,
        ("user_prompt",): config.user_prompt,
        ("deliver", "channel"): config.deliver.channel,
        ("deliver", "to"): config.deliver.to,
    }
    for key, value in needed.items():
        if not value.strip():
            name = ".".join(key)
            yield Problem(key=key, what=f"{name} is blank", remedy=f"say what {name} is")
