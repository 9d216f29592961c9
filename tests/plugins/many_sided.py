"""A poller that does whatever its config says, in whichever process; as a program, a plugin with it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import trio
from attrs import frozen

from nexo_poller import (
    Clock,
    ConfigError,
    CredentialsMissing,
    Deliver,
    HostError,
    HostHeld,
    LlmInvokeRequest,
    OutboundDelivery,
    PermanentError,
    PollContext,
    Poller,
    Problem,
    TickAck,
    TickMetrics,
    Tool,
    TransientError,
)
from nexo_poller.plugins import serve

LATER: Final = datetime(2100, 1, 1, tzinfo=UTC)
TO_ANA: Final = Deliver("telegram", "1194292426")
EVERY_BYTE: Final = bytes(range(256))


@frozen
class ManySidedConfig:
    do: str
    deliver: Deliver = TO_ANA
    url: str = ""
    allow_private_networks: bool = False


class ManySided(Poller[ManySidedConfig]):
    kind = "many_sided"
    config_type = ManySidedConfig

    def validate(self, config: ManySidedConfig) -> None:
        if config.do not in DEEDS:
            raise ConfigError(Problem(what=f"nobody knows how to {config.do}", key=("do",)))

    @asynccontextmanager
    async def lifespan(self, clock: Clock) -> AsyncIterator[None]:
        try:
            yield
        finally:
            print("the lifespan is over")  # noqa: T201 - on purpose, where it does not belong

    async def tick(self, ctx: PollContext[ManySidedConfig]) -> TickAck:
        return await DEEDS[ctx.config.do](ctx)

    def custom_tools(self) -> Sequence[Tool]:
        text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
        return [
            Tool(name="shout", description="Says it aloud.", parameters=text, handler=shout),
            Tool(name="ramble", description="Never ends.", parameters={"type": "object"}, handler=ramble),
            Tool(name="whoami", description="The account that one has.", parameters={"type": "object"}, handler=whoami),
        ]


async def shout(_: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    await trio.lowlevel.checkpoint()
    return {"said": arguments["text"].upper(), "to": arguments["agent_id"]}


async def ramble(_: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    await trio.lowlevel.checkpoint()
    return {"said": "on and on " * 2**19}


async def whoami(runner: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = await runner.credentials.get(arguments["agent_id"], "telegram")
    return found


def message(payload: Any, **more: Any) -> OutboundDelivery:
    return OutboundDelivery(channel="telegram", recipient="1194292426", payload=payload, **more)


async def send(ctx: PollContext[Any]) -> TickAck:
    """Everything that an ack can hold."""
    return TickAck(
        next_cursor=(ctx.cursor or b"") + EVERY_BYTE,
        next_interval_hint=timedelta(minutes=7),
        metrics=TickMetrics(items_seen=5, items_dispatched=3),
        deliver=[
            message("Grüße, \U0001f980 and \ud800"),
            message({"text": "an object", "n": 0.1, "nothing": None}),
            message(["a", "list"]),
            message("refused", dead_because="nobody wants it"),
        ],
    )


async def hold_back(ctx: PollContext[Any]) -> TickAck:
    return TickAck(deliver=[message("later", not_before=LATER)])


async def nothing(ctx: PollContext[Any]) -> TickAck:
    return TickAck()


async def know(ctx: PollContext[Any]) -> TickAck:
    """What the context says."""
    known = {
        "job": ctx.job_id,
        "agent": ctx.agent_id,
        "kind": ctx.kind,
        "config": [ctx.config.do, ctx.config.deliver.channel, ctx.config.url],
        "cursor": ctx.cursor and ctx.cursor.hex(),
        "zone": str(ctx.now.tzinfo),
        "interval": ctx.interval_hint.total_seconds(),
        "is_dry_run": ctx.is_dry_run,
    }
    return TickAck(deliver=[message(known)])


async def publish(ctx: PollContext[Any]) -> TickAck:
    await ctx.host.broker_publish("plugin.inbound.things", b'{"a": [1, 2.5, null]}')
    await ctx.host.broker_publish("plugin.inbound.things", b"just words")
    await ctx.host.broker_publish("plugin.inbound.things", b'"5"')
    return TickAck(deliver=[message("published")])


async def publish_and_fail(ctx: PollContext[Any]) -> TickAck:
    await ctx.host.broker_publish("plugin.inbound.things", b"lost")
    raise TransientError("after all")


async def publish_nowhere(ctx: PollContext[Any]) -> TickAck:
    await ctx.host.broker_publish("no topic", b"x")
    return TickAck()


async def publish_no_text(ctx: PollContext[Any]) -> TickAck:
    try:
        await ctx.host.broker_publish("plugin.inbound.things", b"\xff\xfe")
    except HostError as error:
        return TickAck(deliver=[message(f"refused: {error}")])
    return TickAck()


async def log(ctx: PollContext[Any]) -> TickAck:
    await ctx.host.log("debug", "quietly")
    await ctx.host.log("info", "a secret: hunter22", {"n": 1, "when": LATER, "who": ["ana"]})
    await ctx.host.log("warning", "loudly", {"nested": {"é": None}})
    return TickAck()


async def log_all(ctx: PollContext[Any]) -> TickAck:
    await ctx.host.log("info", "on and on " * 2**19)
    return TickAck()


async def count(ctx: PollContext[Any]) -> TickAck:
    await ctx.host.metric_inc("things")
    await ctx.host.metric_inc("kinds_of_things", {"kind": "round"})
    numbered: Any = {"kind": 7}
    await ctx.host.metric_inc("kinds_of_things", numbered)
    await ctx.host.metric_inc("kinds_of_things", {"kind": "round"})
    return TickAck()


async def use_credentials(ctx: PollContext[Any]) -> TickAck:
    return TickAck(deliver=[message(dict(await ctx.host.credentials_get("telegram")))])


async def miss_credentials(ctx: PollContext[Any]) -> TickAck:
    await ctx.host.credentials_get("slack")
    return TickAck()


async def do_without_credentials(ctx: PollContext[Any]) -> TickAck:
    try:
        await ctx.host.credentials_get("slack")
    except CredentialsMissing as error:
        return TickAck(deliver=[message(f"{error.agent} lacks {error.channel}: {error}")])
    return TickAck()


async def ask(ctx: PollContext[Any]) -> TickAck:
    request = LlmInvokeRequest(
        messages=[{"role": "user", "content": "Hi"}], provider="fake", model="small", max_tokens=9
    )
    said = await ctx.host.llm_invoke(request)
    return TickAck(deliver=[message({"text": said.content, "model": said.model_id, **said.usage})])


async def ask_nobody(ctx: PollContext[Any]) -> TickAck:
    await ctx.host.llm_invoke(LlmInvokeRequest(messages=[{"role": "user", "content": "Hi"}], provider="nobody"))
    return TickAck()


async def fetch(ctx: PollContext[Any]) -> TickAck:
    answer = await ctx.http.get(ctx.config.url)
    return TickAck(deliver=[message(answer.text)])


async def sleep(ctx: PollContext[Any]) -> TickAck:
    print("asleep")  # noqa: T201 - see above
    try:
        await trio.sleep_forever()
    finally:
        print("woken")  # noqa: T201 - see above


async def wait(ctx: PollContext[Any]) -> TickAck:
    raise TransientError("come back", retry_after=timedelta(hours=2))


async def pile_up(ctx: PollContext[Any]) -> TickAck:
    raise ExceptionGroup("both", [TransientError("the lesser"), PermanentError("the worse")])


async def hold(ctx: PollContext[Any]) -> TickAck:
    raise HostHeld("api.example", timedelta(minutes=5))


def raising(error: Exception) -> "Deed":
    async def act(ctx: PollContext[Any]) -> TickAck:
        raise error

    return act


def returning(value: Any) -> "Deed":
    async def act(ctx: PollContext[Any]) -> Any:
        return value

    return act


Deed = Callable[[PollContext[Any]], Awaitable[TickAck]]
CALLING_BACK: Final[Mapping[str, Deed]] = {
    act.__name__: act
    for act in (
        *(publish, publish_and_fail, publish_nowhere, publish_no_text, log, count),
        *(use_credentials, miss_credentials, do_without_credentials, ask, ask_nobody),
    )
}
ALONE: Final[Mapping[str, Deed]] = {
    **{act.__name__: act for act in (send, hold_back, nothing, know, fetch, sleep, wait, pile_up)},
    "back off": raising(TransientError("not now")),
    "give up": raising(PermanentError("never")),
    "misread": raising(ConfigError("this config will not do", Problem(what="nor this", key=("do",)))),
    "stumble": raising(KeyError("missing")),
    "fall silent": raising(OSError()),
    "ramble": raising(ValueError("on and on " * 2**19)),
    "wait for ever": returning(TickAck(next_interval_hint=timedelta.max)),
    "return nothing": returning(None),
    "return text": returning(TickAck(next_cursor="text")),  # type: ignore[arg-type]
    "send no JSON": returning(TickAck(deliver=[message({"a": object()})])),
}
DEEDS: Final[Mapping[str, Deed]] = {**CALLING_BACK, **ALONE, "hold": hold, "log all": log_all}

if __name__ == "__main__":
    serve(ManySided())
