"""Everything this library raises on purpose.

NexoPollerError
├── TickError                a poller ends its tick with one of these
│   ├── TransientError       try again later: backs off and counts
│   │   ├── PluginPollerForwardError   a plugin did not reply to a tick, or not with what a reply may be
│   │   └── MethodNotFound             a plugin was asked, or asked, for what the other end does not know
│   └── PermanentError       do not try again: pauses the job
│       ├── ConfigError      the file or a job's `config` is wrong; carries every problem found
│       └── CredentialsMissing
├── HostError                `PollerHost` could not do what a poller asked
├── HostHeld                 another job was told by this server to stay away; the slot is skipped
├── LeaseLost                someone else has the job now; nothing was saved
├── StoreError               the store did not answer; nothing is known of the write
│   └── StoreRefused         this file will never do: newer schema, no database, too old a SQLite
├── BrokerError
│   ├── MessageRejected      this one message was refused: counts as an attempt
│   └── BrokerUnavailable    nothing was said of the message: does not count
│       ├── Unrouted         nobody subscribes to its topic
│       ├── BrokerAway       there is no connection to it
│       └── NoAnswer         somebody was asked, and did not answer in time
├── AdminRefused             the admin server cannot listen there, or must not
├── PollerRouteRegistrationError   two plugins own one kind
├── JobUnknown               no such job in the running configuration
├── DeadLetterUnknown        no dead letter of this number, or none any more
├── JobRefused               the job cannot do that now: fired, already running by hand, rejected
└── ToolError                a call of a tool came to nothing; written for the model that called
    └── ToolUnknown          there is no tool of this name
"""

from collections.abc import Iterable
from datetime import timedelta

from attrs import frozen


class NexoPollerError(Exception):
    """The root of this library's errors."""


class TickError(NexoPollerError):
    """A poller's own word on why its tick failed."""


class TransientError(TickError):
    """The tick failed and may succeed later: the job backs off, and the error counts towards its breaker.

    `retry_after`, if the server named one, is the least time to wait (24 h at most are honoured).
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        if retry_after is not None and not isinstance(retry_after, timedelta):
            raise TypeError(f"retry_after is a timedelta or None, not {type(retry_after).__name__}")
        self.retry_after = retry_after


class PluginPollerForwardError(TransientError):
    """A plugin did not reply to a tick, or not with what a reply may be.

    `member` names what in the reply was wrong (`result.next_cursor`), if it was a member.
    """

    def __init__(self, plugin_id: str, what: str, *, member: str | None = None) -> None:
        super().__init__(f"plugin '{plugin_id}': {what}")
        self.plugin_id = plugin_id
        self.member = member


class MethodNotFound(TransientError):
    """There is no such method at the other end of the wire between a daemon and a plugin."""


class PermanentError(TickError):
    """The tick failed and will fail again until somebody changes something: the job is paused."""


@frozen(kw_only=True)
class Problem:
    """One thing that is wrong with a configuration: where, what, and what to do about it.

    `key` is the path inside the document (`("pollers", "jobs", 2, "schedule")`), or, when a poller's `validate` made the
    problem, inside the job's `config`. `where` is `path:line:column`, filled in by whoever knows the file.
    """

    what: str
    remedy: str = ""
    key: tuple[str | int, ...] = ()
    job: str | None = None
    where: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        job = f"job '{self.job}': " if self.job is not None else ""
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{place}{job}{self.what}{remedy}"


class ConfigError(PermanentError):
    """A configuration was refused as a whole; what was running still runs.

    A poller's `validate` raises it with a sentence or with `Problem`s whose `key` says where inside `config` to look.
    """

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem(what=p) if isinstance(p, str) else p for p in problems)
        super().__init__("\n".join(map(str, self.problems)))


class CredentialsMissing(PermanentError):
    """The job's agent is bound to no account of this channel."""

    def __init__(self, channel: str, agent: str, bound: Iterable[str] = ()) -> None:
        known = ", ".join(sorted(bound)) or "none"
        super().__init__(
            f"agent '{agent}' has no account for channel '{channel}' (bound channels: {known}; "
            f"add '{channel}: <account>' to agents[{agent}].credentials)"
        )
        self.channel = channel
        self.agent = agent


class HostError(NexoPollerError):
    """The host could not do what the poller asked of it; not caught, it makes the tick fail as transient."""


class HostHeld(NexoPollerError):
    """`host` answered another job with 429 or 503 and a Retry-After: nobody calls it before `until` is over.

    Raised by `ctx.http` before any connection is made. A tick that ends with it is skipped: no error, no backoff.
    """

    def __init__(self, host: str, wait: timedelta) -> None:
        super().__init__(f"{host} asked to be left alone for another {wait.total_seconds():.0f} s")
        self.host = host
        self.wait = min(max(wait, timedelta(seconds=1)), timedelta(hours=1))


class LeaseLost(NexoPollerError):
    """The lease behind this claim is over, so nothing of the tick was saved; the job is somebody else's now."""

    def __init__(self, job_id: str, fence: int) -> None:
        super().__init__(f"job '{job_id}': the lease with fence {fence} is no longer ours")
        self.job_id = job_id
        self.fence = fence


class StoreError(NexoPollerError):
    """The store failed in a way that may pass: busy, full, read-only, an I/O error. Repeating the call is safe."""


class StoreRefused(StoreError):
    """The store cannot be used at all and was not touched: newer schema, not a database, corrupt, too old a library."""


class BrokerError(NexoPollerError):
    """The broker did not accept a message."""


class MessageRejected(BrokerError):
    """The broker or a handler refused this very message; it counts as an attempt and may end as a dead letter."""


class BrokerUnavailable(BrokerError):
    """The broker could not be reached, or did not answer, or is overloaded. Says nothing about the message."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unrouted(BrokerUnavailable):
    """Nobody subscribes to the topic; the message waits for somebody who does."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"nobody subscribes to '{topic}' (add it under `channels:`, or subscribe to it)")
        self.topic = topic


class BrokerAway(BrokerUnavailable):
    """There is no connection to the broker, or it broke; it comes back by itself."""


class NoAnswer(BrokerUnavailable):
    """Whoever answers on the topic, if anybody does, has not answered in time; it may still be at work."""

    def __init__(self, topic: str, timeout: timedelta) -> None:
        super().__init__(f"no answer came from '{topic}' within {timeout.total_seconds():g} s")
        self.topic = topic


class AdminRefused(NexoPollerError):
    """The admin server cannot listen where it is told to, or must not; the message says why and what to do."""


class PollerRouteRegistrationError(NexoPollerError):
    """A plugin wants a kind that another one, its `owner`, has already. Nothing was registered."""

    def __init__(self, kind: str, plugin_id: str, owner: str) -> None:
        super().__init__(f"the kind '{kind}' of plugin '{plugin_id}' is owned by plugin '{owner}' already")
        self.kind = kind
        self.plugin_id = plugin_id
        self.owner = owner


class JobUnknown(NexoPollerError, LookupError):
    """No job of this id in the running configuration."""

    def __init__(self, job_id: str, known: Iterable[str] = ()) -> None:
        import difflib

        near = difflib.get_close_matches(job_id, list(known), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        super().__init__(f"there is no job '{job_id}'{hint}")
        self.job_id = job_id


class DeadLetterUnknown(NexoPollerError, LookupError):
    """No dead letter of this number, or none any more."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"there is no dead letter {seq} (it was replayed or discarded, or never was)")
        self.seq = seq


class JobRefused(NexoPollerError):
    """The job is there but cannot do this now; the message says why and what to do."""

    def __init__(self, job_id: str, why: str) -> None:
        super().__init__(f"job '{job_id}': {why}")
        self.job_id = job_id
        self.why = why


class ToolError(NexoPollerError):
    """A call of a tool came to nothing: its arguments do not fit, or its handler failed or took too long.

    `problems` is everything that is wrong, a sentence each, masked, for the model to read and do better.
    """

    def __init__(self, tool: str, *problems: str) -> None:
        super().__init__(f"{tool}: " + "; ".join(problems))
        self.tool = tool
        self.problems = problems


class ToolUnknown(ToolError, LookupError):
    """There is no tool of this name."""

    def __init__(self, tool: str, known: Iterable[str]) -> None:
        super().__init__(tool, f"there is no such tool (there are {', '.join(known)})")
