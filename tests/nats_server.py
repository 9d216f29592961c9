"""A NATS server of a test's own: JetStream on, on a private port, with a store that outlives its processes."""

import json
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, field
from command import free_port
from nats.aio.client import Client
from nats.aio.msg import Msg
from trio_asyncio import aio_as_trio, open_loop

from nexo_poller.config.model import BrokerSettings

NATS_SERVER: Final = Path(sysconfig.get_path("scripts")) / "nats-server"
READY: Final = b"Server is ready"
RECEIVE_BYTES: Final = 65_536


@define(eq=False)
class NatsServer:
    """The server at `url`, as long as somebody runs it. `config` is that of the server."""

    folder: Path
    config: str = ""
    port: int = field(factory=free_port)
    process: trio.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def settings(self) -> BrokerSettings:
        return BrokerSettings(type="nats", url=self.url)

    async def start(self) -> None:
        """Return when it takes connections."""
        file = self.folder / "nats.conf"
        file.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.folder}/store" }}\n{self.config}'
        )
        self.process = await trio.lowlevel.open_process(
            [NATS_SERVER, "-c", file], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        said = b""
        with trio.fail_after(30):
            while READY not in said:
                some = await self.process.stderr.receive_some(RECEIVE_BYTES)
                assert some, said.decode()
                said += some

    async def kill(self) -> None:
        """SIGKILL; return when it is dead."""
        if self.process is not None:
            self.process.kill()
            with trio.CancelScope(shield=True):  # it is dead in a moment
                await self.process.wait()
            assert self.process.stderr is not None
            await trio.aclose_forcefully(self.process.stderr)
            self.process = None

    @asynccontextmanager
    async def client(self) -> AsyncIterator["Onlooker"]:
        """A client of the server, beside the one that is tested."""
        async with open_loop():
            client = Client()
            await aio_as_trio(partial(client.connect, self.url))()
            try:
                yield Onlooker(client)
            finally:
                await aio_as_trio(client.close)()

    async def add_stream(self, *subjects: str, name: str = "events", **more: Any) -> None:
        """A stream that keeps what is published on `subjects`."""
        async with self.client() as client:
            await client.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": subjects, **more})


@define(eq=False)
class Onlooker:
    """What a client of NATS sees."""

    client: Client

    async def api(self, what: str, body: Any) -> Any:
        """JetStream's answer; fails if it is an error."""
        asked = aio_as_trio(partial(self.client.request, f"$JS.API.{what}", json.dumps(body).encode(), timeout=10))
        answer = json.loads((await asked()).data)
        assert "error" not in answer, answer
        return answer

    async def request(self, topic: str, body: bytes) -> bytes:
        answer = await aio_as_trio(partial(self.client.request, topic, body, timeout=10))()
        return bytes(answer.data)

    async def publish(self, topic: str, body: bytes) -> None:
        await aio_as_trio(self.client.publish)(topic, body)
        await aio_as_trio(self.client.flush)()

    async def answer(self, topic: str, answer: bytes, *, task_status: trio.TaskStatus[None]) -> None:
        """Answer every request with the same, until cancelled."""

        async def respond(message: Msg) -> None:
            await message.respond(answer)

        await aio_as_trio(partial(self.client.subscribe, topic, cb=respond))()
        await aio_as_trio(self.client.flush)()
        task_status.started()
        await trio.sleep_forever()

    async def kept(self, name: str = "events", after: int = 0) -> list[tuple[str, bytes]]:
        """The messages of the stream after the first `after`, in order: ids, and bodies."""
        context = self.client.jetstream()
        last = (await aio_as_trio(context.stream_info)(name)).state.last_seq
        messages = [await aio_as_trio(partial(context.get_msg, name, n))() for n in range(after + 1, last + 1)]
        return [((one.headers or {}).get("Nats-Msg-Id", ""), bytes(one.data or b"")) for one in messages]


@asynccontextmanager
async def nats_server(folder: Path, config: str = "") -> AsyncIterator[NatsServer]:
    """A server that runs during the block."""
    server = NatsServer(folder, config)
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
