"""A daemon in real time with its admin server on a real port, and a client of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from attrs import define
from daemon import Daemon, Tick, counting, daemon, job

from nexo_poller import JobSpec, SystemClock
from nexo_poller.admin.access import rules_for
from nexo_poller.admin.listening import listening
from nexo_poller.admin.server import serve_app
from nexo_poller.admin.standalone import admin_app
from nexo_poller.config.binds import Bind, TcpBind, UnixBind
from nexo_poller.config.model import AdminSettings

ANY_PORT: Final = TcpBind("127.0.0.1", 0)
PAUSED: Final = job(paused_on_boot=True)


@define(eq=False)
class AdminDaemon:
    """A serving daemon; `client` speaks to its admin server, which `scope` ends, and runs alone in `nursery`."""

    daemon: Daemon
    client: httpx.AsyncClient
    bind: Bind
    scope: trio.CancelScope
    nursery: trio.Nursery

    def connections(self) -> int:
        """How many connections the server has a task for."""
        [server] = self.nursery.child_tasks
        [tasks] = [nursery.child_tasks for nursery in server.child_nurseries]
        return len(tasks) - 1  # which accepts them

    async def no_connections(self) -> None:
        """Return once the server has forgotten every connection."""
        while self.connections():
            await trio.lowlevel.checkpoint()

    async def get(self, path: str, **more: Any) -> Any:
        """The JSON of a 200."""
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return await self.ask("POST", path, json=body, **more)

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, status: int, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The JSON of a failure with this status."""
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        said: dict[str, Any] = answer.json()
        assert said["ok"] is False
        assert said["error"]
        return said

    async def connect(self) -> trio.SocketStream:
        """A bare connection to the admin server."""
        if isinstance(self.bind, UnixBind):
            return await trio.open_unix_socket(self.bind.path)
        return await trio.open_tcp_stream(self.bind.host, self.bind.port)

    async def until(self, path: str, is_so: Callable[[Any], bool], **more: Any) -> Any:
        """The JSON at a path, once it is so."""
        while True:
            found = await self.get(path, **more)
            if is_so(found):
                return found
            await trio.sleep(0.01)

    async def wait_for_job(self, job_id: str = "inbox", **wanted: Any) -> None:
        """Return once these fields of the job are so."""
        await self.until(f"/admin/pollers/{job_id}", lambda found: wanted.items() <= found.items())


@asynccontextmanager
async def admin_daemon(
    path: Path,
    *jobs: JobSpec,
    act: Tick = counting,
    admin: AdminSettings | None = None,
    patience_secs: float = 60,
    **more: Any,
) -> AsyncIterator[AdminDaemon]:
    """A daemon with one paused job, or with these, and its admin server; the block fails when it takes too long."""
    settings = admin or AdminSettings(bind=ANY_PORT)
    with trio.fail_after(patience_secs):
        async with (
            daemon(path, *(jobs or (PAUSED,)), act=act, clock=SystemClock(), **more) as running,
            listening(settings.bind) as listeners,
            trio.open_nursery() as nursery,
        ):
            scope = trio.CancelScope()

            async def serve(*, task_status: trio.TaskStatus[Any]) -> None:
                with scope:
                    await serve_app(admin_app(running.runner, rules_for(settings)), listeners, task_status=task_status)

            name = listeners[0].socket.getsockname()
            bind: Bind = UnixBind(Path(name)) if isinstance(name, str) else TcpBind(*name[:2])
            transport = httpx.AsyncHTTPTransport(uds=name if isinstance(name, str) else None)
            url = "http://localhost" if isinstance(bind, UnixBind) else f"http://{bind}"
            await nursery.start(serve)
            async with httpx.AsyncClient(base_url=url, transport=transport, timeout=30, trust_env=False) as client:
                yield AdminDaemon(running, client, bind, scope, nursery)
            nursery.cancel_scope.cancel()
