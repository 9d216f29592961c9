"""The description of the endpoints: sound in itself, and what every endpoint keeps to, whatever it is sent."""

import itertools
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from admin_daemon import ANY_PORT, AdminDaemon, admin_daemon
from command import environment
from daemon import job, text
from openapi_spec_validator import OpenAPIV31SpecValidator

from nexo_poller import Config, PollContext, Settings, TickAck
from nexo_poller.admin.access import Rules
from nexo_poller.admin.openapi import openapi
from nexo_poller.admin.table import ROUTES
from nexo_poller.broker import Event
from nexo_poller.config.model import AdminSettings
from nexo_poller.errors import MessageRejected

TOKEN: Final = "0123456789abcdef"
SCHEMATHESIS: Final = (sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml")
SEED: Final = 20_260_301
FEW: Final = 3
MANY: Final = 300
ENOUGH_SECS: Final = 3600
INBOX, AWAKE = job("inbox", paused_on_boot=True), job("awake")


async def one_message(ctx: PollContext[Any]) -> TickAck:
    """It goes nowhere: that of `awake` waits, the others become dead letters."""
    await trio.lowlevel.checkpoint()
    not_before = ctx.now.replace(year=2999) if ctx.job_id == "awake" else None
    return TickAck(next_cursor=b"\xff", deliver=[text("hello", not_before=not_before)])


async def refuse(_: Event) -> None:
    await trio.lowlevel.checkpoint()
    raise MessageRejected("no such chat")


@asynccontextmanager
async def everything(path: Path) -> AsyncIterator[AdminDaemon]:
    """A daemon that asks for a token and has something at every endpoint; each reload finds another file."""
    settings = Settings(max_delivery_attempts=1)
    asking = AdminSettings(bind=ANY_PORT, token=TOKEN)
    odd = job("odd", kind="nope")
    async with admin_daemon(
        path, INBOX, AWAKE, odd, act=one_message, settings=settings, admin=asking, patience_secs=ENOUGH_SECS
    ) as admin:
        files = itertools.cycle([(INBOX, AWAKE, job(third)) for third in ("c", "d")])
        admin.daemon.runner.source = lambda: Config(settings=settings, jobs=next(files))
        admin.client.headers["Authorization"] = f"Bearer {TOKEN}"
        async with admin.daemon.runner.broker.handle("plugin.outbound.>", refuse):
            yield admin


@pytest.mark.parametrize("rules", [Rules(), Rules(token=TOKEN)])
def test_the_description_is_openapi(rules: Rules) -> None:
    OpenAPIV31SpecValidator(openapi(ROUTES, "/ops", rules)).validate()


async def test_the_event_stream_which_is_not_tried_here_is_described_too(tmp_path: Path) -> None:
    async with everything(tmp_path) as admin:
        described = (await admin.get("/openapi.json"))["paths"]["/admin/pollers/events"]["get"]
        told = await admin.client.head("/admin/pollers/events?job=inbox")
        refused = await admin.client.get("/admin/pollers/events?jobs=inbox")
    assert [parameter["name"] for parameter in described["parameters"]] == ["job"]
    assert [*described["responses"]["200"]["content"]] == [told.headers["content-type"].partition(";")[0]]
    assert [*described["responses"]["400"]["content"]] == [refused.headers["content-type"]]
    assert (told.status_code, refused.status_code) == (200, 400)


async def test_every_endpoint_is_as_it_is_described_whatever_it_is_sent(tmp_path: Path, full: bool) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(Path(__file__).with_name("schemathesis.toml").read_text())
    async with everything(tmp_path) as admin:
        told = ["--header", f"Authorization: Bearer {TOKEN}", "--seed", str(SEED), "-n", str(MANY if full else FEW)]
        run = await trio.run_process(
            [*SCHEMATHESIS, "run", str(admin.client.base_url.join("/openapi.json")), *told],
            cwd=tmp_path,
            env=environment(),
            check=False,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
        )
        runs = await admin.get("/admin/pollers/inbox/history")
        jobs = await admin.get("/admin/pollers")
    assert run.returncode == 0, run.stdout.decode()
    assert runs, "no run by hand was among what was tried"
    assert "odd" not in [found["id"] for found in jobs], "no reload was among what was tried"
