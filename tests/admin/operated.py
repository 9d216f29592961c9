"""A daemon for an operator to look after: the real command in a process of its own, and the sites that it talks to."""

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from attrs import define, field
from command import NEXO_POLLER, environment, free_port
from http_server import Handler, Server, http_server

START_SECS: Final = 30
STOP_SECS: Final = 5 + 5  # what clients may delay it (O6), and what a busy machine may


@define(eq=False)
class Daemon:
    """`nexo-poller serve` on the `config/pollers.yaml` in `folder`; its admin server keeps its port over restarts."""

    folder: Path
    port: int = field(factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with self.folder.joinpath("log").open("ab") as log:
            self._process = subprocess.Popen(
                [*NEXO_POLLER, "serve", "--admin", f"127.0.0.1:{self.port}"],
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECS
        while not self.is_ready():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM, and the exit code that it leads to within `STOP_SECS`."""
        process, self._process = self._process, None
        assert process is not None
        process.terminate()
        try:
            return process.wait(STOP_SECS)
        finally:
            process.kill()

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").is_success
        except httpx.TransportError:
            return False

    def get(self, path: str) -> Any:
        """What the JSON interface says: the truth behind the page."""
        return httpx.get(self.url + path).raise_for_status().json()

    def post(self, path: str, **body: Any) -> None:
        """Do what another operator does meanwhile."""
        httpx.post(self.url + path, json=body).raise_for_status()

    def job(self, job_id: str) -> Mapping[str, Any]:
        return dict(self.get(f"/admin/pollers/{job_id}"))

    def log(self) -> str:
        return self.folder.joinpath("log").read_text()


@contextmanager
def daemon(folder: Path) -> Iterator[Daemon]:
    """A running daemon, killed after the block."""
    started = Daemon(folder)
    try:
        started.start()
        yield started
    finally:
        started.kill()


@contextmanager
def sites(routes: Mapping[str, Handler]) -> Iterator[Server]:
    """An HTTP server in a thread of its own, for tests that wait in this one."""
    ready, over = threading.Event(), trio.Event()
    servers: list[Server] = []
    tokens: list[trio.lowlevel.TrioToken] = []

    async def serve() -> None:
        async with http_server(routes) as server:
            servers.append(server)
            tokens.append(trio.lowlevel.current_trio_token())
            ready.set()
            await over.wait()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    ready.wait()
    try:
        yield servers[0]
    finally:
        trio.from_thread.run_sync(over.set, trio_token=tokens[0])
        thread.join()
