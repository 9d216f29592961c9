"""`channels:`, the operator's word on where messages go: from `plugin.outbound.…` to stdout, a URL, or Apprise.

    channels:
      telegram.ana_bot: tgram://${BOT_TOKEN}/{to}     # one account
      telegram: https://bots.example.org/send/{to}    # all others of this channel
      "*": stdout                                     # everything else

For every message the most specific entry is used, and it alone. What has no entry stays unrouted.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import httpx
from attrs import evolve

from nexo_poller.broker import Broker, Event, Handler
from nexo_poller.channels import notify, post
from nexo_poller.channels.entries import entry_for, name_problem, patterns
from nexo_poller.channels.hops import in_threads, inline
from nexo_poller.channels.stdout import Lines, Stdout
from nexo_poller.clock import Clock
from nexo_poller.errors import ConfigError, Problem

STDOUT: Final = "stdout"


def check_channels(channels: Mapping[str, str]) -> list[Problem]:
    """Everything that is wrong with `channels:`; each problem's key is `("channels", <name>)`. Shows no URL (O2)."""
    return [
        evolve(problem, what=f"channel '{name}': {problem.what}", key=("channels", name))
        for name, url in channels.items()
        for problem in (name_problem(name), url_problem(url))
        if problem
    ]


def url_problem(url: str) -> Problem | None:
    """What is wrong with where an entry leads."""
    if url == STDOUT:
        return None
    if "://" not in url:
        return Problem(what="leads nowhere", remedy="use `stdout`, an http(s):// URL, or an Apprise URL")
    return post.url_problem(url) if _is_http(url) else notify.url_problem(url)


@asynccontextmanager
async def open_channels(
    broker: Broker, channels: Mapping[str, str], clock: Clock, *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[None]:
    """Inside the block, what `broker` has for these channels goes where they lead.

    `transport` takes the network's place for http(s) channels; with a virtual clock everything happens on the loop.
    Raises `ConfigError` with every problem, before anything is subscribed to.
    """
    if problems := check_channels(channels):
        raise ConfigError(*problems)
    async with AsyncExitStack() as stack:
        sinks = await _sinks(set(channels.values()), clock, transport, stack)

        async def send(event: Event) -> None:
            await sinks[channels[entry_for(event.topic, channels)]](event)

        for pattern in patterns(channels):
            await stack.enter_async_context(broker.handle(pattern, send))
        yield


async def _sinks(
    urls: set[str], clock: Clock, transport: httpx.AsyncBaseTransport | None, stack: AsyncExitStack
) -> dict[str, Handler]:
    """What sends an event to each of `urls`. What they need stays open as long as `stack`."""
    sinks: dict[str, Handler] = {}
    if STDOUT in urls:
        sinks[STDOUT] = Stdout(Lines.to_stdout(), inline if clock.virtual else in_threads(1))
    if posted_to := {url for url in urls if _is_http(url)}:
        client = await stack.enter_async_context(post.open_client(transport))
        sinks |= {url: post.Post(url=url, client=client, clock=clock) for url in posted_to}
    hop = inline if clock.virtual else in_threads(notify.AT_ONCE)
    return sinks | {url: notify.Notify(url, hop) for url in urls - sinks.keys()}


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))
