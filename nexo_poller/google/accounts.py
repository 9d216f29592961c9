"""All Google accounts that one process acts for."""

from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

import httpx
import trio
from attrs import define, field

from nexo_poller.clock import Clock, SystemClock
from nexo_poller.google.account import AccountFiles
from nexo_poller.google.client import GoogleClient
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.google.session import AccountSession

SYSTEM_CLOCK: Final = SystemClock()


@define(eq=False)
class _Run:
    """One `trio.run`, whose tasks share sessions: locks are of no use between runs."""

    clock: Clock = SYSTEM_CLOCK
    sessions: dict[AccountFiles, AccountSession] = field(factory=dict, repr=False)


@define(eq=False)
class GoogleAccounts:
    """One session an account, shared by all kinds, jobs and tools: however many wait for a token, one refreshes it.

    A poller that uses it calls `follow(clock)` in its `lifespan`. Its config has the class attribute
    `allow_private_networks = True`: the addresses of Google's APIs are the operator's, not the job's (O1).
    """

    endpoints: GoogleEndpoints = field(factory=GoogleEndpoints)
    _runs: WeakKeyDictionary[trio.lowlevel.TrioToken, _Run] = field(factory=WeakKeyDictionary)

    def follow(self, clock: Clock) -> None:
        """Let tokens expire by `clock` from now on, for all of this trio run; before, it is the system's."""
        run = self._run()
        if run.clock is not clock:
            run.clock = clock
            run.sessions.clear()

    def client(self, credentials: Mapping[str, Any], http: httpx.AsyncClient) -> GoogleClient:
        """A client for the account of these `credentials`, as `host.credentials_get("google")` gives them.

        It costs little: make one for each tick or call. `http` is the job's own (`ctx.http`), so that what a host asks
        of one job is kept apart from the others. Raises `PermanentError` if the credentials name no files.
        """
        files = AccountFiles.of(credentials)
        run = self._run()
        if files not in run.sessions:
            run.sessions[files] = AccountSession(files=files, endpoints=self.endpoints, clock=run.clock)
        return GoogleClient(endpoints=self.endpoints, session=run.sessions[files], http=http)

    def _run(self) -> _Run:
        return self._runs.setdefault(trio.lowlevel.current_trio_token(), _Run())
