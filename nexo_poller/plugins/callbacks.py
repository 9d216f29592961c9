"""What a plugin may ask of the daemon, whichever way it asks: the methods of `PollerHost`, by their names.

A call belongs to a tick: to the one that its `job_id` names, or else to the only one under way. Then that tick's own
host answers, and what is published goes into that tick's commit. A call that belongs to no tick is the plugin's own, and
what it publishes goes straight to the broker.

What is published must not end up in the wrong commit, nor go out by itself when its tick comes to nothing. So it is
refused where it could be that of several ticks, or of one that was cut short here while the plugin is still at work.
"""

import json
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from attrs import Factory, asdict, define, field, frozen

from nexo_poller import audit
from nexo_poller.broker.subjects import Pattern, topic_fault
from nexo_poller.broker.topics import without_account
from nexo_poller.config.fields import fields_of
from nexo_poller.config.structuring import structure
from nexo_poller.errors import ConfigError, HostError, MethodNotFound, PermanentError
from nexo_poller.plugins.lane import Lane, Place
from nexo_poller.plugins.transport import PluginServices
from nexo_poller.poller import LlmInvokeRequest, LogLevel, PollerHost

if TYPE_CHECKING:
    from nexo_poller.plugins.router import PluginPollerHandle

METRIC_PREFIX: Final = "poller_plugin_"
LEVELS: Final[Mapping[str, LogLevel]] = {  # and what Rust and JavaScript call them
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
}
LONGEST_NAME: Final = 64  # characters of a method that is none
P = TypeVar("P")


@frozen
class Publication:
    """The params of `broker_publish`; `payload` is any JSON value."""

    topic: str
    payload: Any


@frozen
class AccountWanted:
    """The params of `credentials_get`. Without an `agent_id` it is the agent of the tick."""

    channel: str
    agent_id: str | None = None


@frozen
class LogRecord:
    """The params of `log`."""

    level: str
    message: str
    fields: Mapping[str, Any] = Factory(dict)


@frozen
class Increment:
    """The params of `metric_inc`."""

    name: str
    labels: Mapping[str, Any] = Factory(dict)


@define(eq=False)
class PluginTick:
    """A tick that the plugin is at work on. `host` None: it was cut short here, and the plugin may not know."""

    job_id: str
    host: PollerHost | None
    published: Lane = Factory(Lane)


@define(eq=False)
class Callbacks:
    """Answers one plugin. What it publishes is taken in the order of its calls, even if it waits for no reply."""

    _handle: "PluginPollerHandle"
    _services: PluginServices
    _ticks: list[PluginTick] = Factory(list)
    _published: Lane = Factory(Lane)
    _allowed: tuple[Pattern, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._allowed = tuple(map(Pattern, self._handle.publish))

    @contextmanager
    def during(self, job_id: str, host: PollerHost) -> Iterator[PluginTick]:
        """In the block, calls that belong to this job's tick go to `host`.

        Before it ends, `await tick.published.empty()`: a plugin may publish and reply without waiting in between.
        """
        with self._known(PluginTick(job_id, host)) as tick:
            yield tick

    @contextmanager
    def leftover(self, job_id: str) -> Iterator[None]:
        """In the block, the plugin may still be at work on a tick of this job that was cut short."""
        with self._known(PluginTick(job_id, None)):
            yield

    def answer(self, method: str, params: object) -> Coroutine[Any, Any, Any]:
        """What to reply, once awaited. To which tick the call belongs, and its turn, is settled before, by this call.

        Awaiting raises `MethodNotFound`; `ConfigError` for params that do not fit; `PermanentError` for what this plugin
        may not do; and what the method of `PollerHost` raises.
        """
        given = params if isinstance(params, Mapping) else {}
        ticks = self._ticks_of(given)
        host = ticks[0].host if len(ticks) == 1 else None
        match method:
            case "broker_publish":
                lane = ticks[0].published if len(ticks) == 1 else self._published
                return self._publish(given, ticks, lane.join())
            case "credentials_get":
                return self._credentials(given, host)
            case "log":
                return _log(given, host or self._services.host())
            case "metric_inc":
                return _count(given, host or self._services.host())
            case "llm_invoke":
                return _ask(given, host or self._services.host())
            case _:
                return _unknown(method)

    @contextmanager
    def _known(self, tick: PluginTick) -> Iterator[PluginTick]:
        self._ticks.append(tick)
        try:
            yield tick
        finally:
            self._ticks.remove(tick)

    def _ticks_of(self, given: Mapping[str, Any]) -> list[PluginTick]:
        """The ticks to which the call may belong."""
        job_id = given.get("job_id")
        return [tick for tick in self._ticks if job_id in (None, tick.job_id)]

    async def _publish(self, given: Mapping[str, Any], ticks: list[PluginTick], place: Place) -> None:
        async with place.turn():
            wanted = _params(given, Publication)
            if fault := topic_fault(wanted.topic):
                raise HostError(f"`topic` {fault}")
            if not any(pattern.matches(wanted.topic) for pattern in self._allowed):
                self._refuse(wanted.topic)
            try:
                payload = json.dumps(wanted.payload, allow_nan=False).encode()
            except (ValueError, RecursionError) as error:
                raise HostError(f"`payload` is no JSON value: {error}") from error
            await self._publisher(given.get("job_id"), ticks).broker_publish(wanted.topic, payload)

    def _publisher(self, job_id: object, ticks: list[PluginTick]) -> PollerHost:
        match ticks:
            case [PluginTick(host=host)] if host is not None:
                return host
            case [tick]:
                raise HostError(f"the tick of job '{tick.job_id}' was cut short; nothing of it is published")
            case [] if job_id is None:
                return self._services.host()
            case []:
                raise HostError(f"no tick of job {job_id!r} is under way, so it can publish nothing")
            case _ if job_id is None:
                raise HostError(f"{len(ticks)} ticks are under way: say in `job_id` whose this is")
            case _:
                raise HostError(
                    f"an earlier tick of job {job_id!r} was cut short and may be at work still, so nobody knows whose this is"
                )

    def _refuse(self, topic: str) -> None:
        shown = without_account(topic)
        audit.refused(
            audit.Use(agent=None, channel=None, direction="outbound", topic=shown, plugin=self._handle.plugin_id)
        )
        allowed = ", ".join(self._handle.publish) or "nothing"
        raise PermanentError(
            f"plugin '{self._handle.plugin_id}' may not publish to '{shown}' (it may publish to: {allowed}; "
            "its manifest says so, in `publish` of [plugin.capabilities.broker])"
        )

    async def _credentials(self, given: Mapping[str, Any], host: PollerHost | None) -> dict[str, Any]:
        wanted = _params(given, AccountWanted)
        if wanted.agent_id is not None:
            if wanted.agent_id not in self._services.agents():
                self._refuse_account(wanted.agent_id, wanted.channel)
            host = self._services.host(wanted.agent_id)
        if host is None:
            raise ConfigError(
                "credentials_get: say for whom in `agent_id`, or for which of the ticks under way in `job_id`"
            )
        return dict(await host.credentials_get(wanted.channel))

    def _refuse_account(self, agent_id: str, channel: str) -> None:
        plugin_id = self._handle.plugin_id
        audit.refused(audit.Use(agent=agent_id, channel=channel, direction="credential", plugin=plugin_id))
        raise PermanentError(
            f"plugin '{plugin_id}' may not have the credentials of agent '{agent_id}', which has no job of its kinds "
            f"({', '.join(self._handle.kinds)})"
        )


async def _log(given: Mapping[str, Any], host: PollerHost) -> None:
    record = _params(given, LogRecord)
    if record.level not in LEVELS:
        raise ConfigError(f"log: `level` is one of {', '.join(LEVELS)}")
    await host.log(LEVELS[record.level], record.message, record.fields)


async def _count(given: Mapping[str, Any], host: PollerHost) -> None:
    wanted = _params(given, Increment)
    await host.metric_inc(f"{METRIC_PREFIX}{wanted.name}", wanted.labels)


async def _ask(given: Mapping[str, Any], host: PollerHost) -> dict[str, Any]:
    inner = given.get("request")  # as the original library's hosts send it
    request = _params(inner if isinstance(inner, Mapping) else given, LlmInvokeRequest)
    return asdict(await host.llm_invoke(request))


async def _unknown(method: str) -> None:
    raise MethodNotFound(f"there is no method '{method[:LONGEST_NAME]}'")


def _params(given: Mapping[str, Any], shape: type[P]) -> P:
    """`given` as the method wants it. Members that it does not know are left alone; null stands for what may be missing."""
    wanted = [one for one in fields_of(cast(Any, shape)) if given.get(one.key) is not None or one.is_required]
    return structure({one.key: given[one.key] for one in wanted if one.key in given}, shape)
