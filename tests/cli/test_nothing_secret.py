"""Whatever a daemon tells, searched for what it must not tell, while its Google echoes all that it is sent.

The search is the same for the secrets, of which nothing may be found, and for a canary, which Google puts beside them and
the operator into an id: where it is not found, the secrets would not have been found either.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final
from urllib.parse import quote

import httpx
from attrs import Factory, define
from command import NEXO_POLLER, Running, running
from google_fake import Account, Fault, GoogleFake, google_fake, mail
from job_files import write_config
from operating import command

from nexo_poller.admin.events import MEDIA_TYPE as EVENTS
from nexo_poller.admin.table import ROUTES
from nexo_poller.masking import fingerprint

ANA: Final = "ana@gmail.example"
CANARY: Final = "ya29.canary-that-nobody-was-given"
OFTEN: Final = 99
TO_ANA: Final = {"channel": "telegram", "to": "42"}
JOBS: Final = (CANARY, "redirected", "refused", "mails", "agenda")
COMMANDS: Final = (
    *(("list",), ("outbox",), ("dlq", "list"), ("tools",)),
    *((about, job_id) for about in ("show", "history") for job_id in ("mails", "redirected")),
    ("cursor", "show", "mails"),
)
OF_NO_ERROR: Final = frozenset(  # what Google says goes into none of these
    {
        *(f"GET /{path}" for path in ("admin/tools", "healthz", "readyz", "openapi.json", "admin/static/page.js")),
        *(f"GET /admin/pollers/{job_id}/cursor" for job_id in JOBS),
        *("tools", "cursor show mails"),
    }
)


@define(eq=False, kw_only=True)
class Told:
    """A daemon, and `texts`: what it has told, by where that was."""

    folder: Path
    google: GoogleFake
    ana: Account
    daemon: Running
    address: str
    texts: dict[str, str] = Factory(dict)

    async def get(self, path: str) -> httpx.Response:
        """The answer of the admin server, once it is kept."""
        async with httpx.AsyncClient(base_url=f"http://{self.address}", trust_env=False) as client:
            answer = await client.get(path)
        self.texts[f"GET {path}"] = f"{answer.headers} {answer.text}"
        return answer

    async def run(self, *arguments: str, status: int = 0) -> None:
        """Run a command, and keep all that it prints."""
        done = await command(*arguments, "--admin", self.address, cwd=self.folder, status=status)
        self.texts[" ".join(arguments)] = f"{done.stdout} {done.stderr}"

    async def errors(self, job_id: str) -> list[str]:
        """What a job says of its latest failures: its last error, and those of its history."""
        job, ticks = [(await self.get(f"/admin/pollers/{job_id}{more}")).json() for more in ("", "/history")]
        found = [text for text in (job["last_error"], *(tick["error"] for tick in ticks)) if text]
        self.texts[f"errors of {job_id}"] = " ".join(found)
        return found

    def found(self, wanted: Iterable[str]) -> set[str]:
        """Where any of these stands, as it is or percent-encoded."""
        forms = {form for text in wanted for form in (text, quote(text, safe=""), json.dumps(text)[1:-1])}
        return {where for where, told in self.texts.items() if any(form in told for form in forms)}


def job(job_id: str) -> dict[str, Any]:
    """One that watches for mails about itself."""
    config = {"query": f"subject:{job_id}", "message_template": "{subject}", "deliver": TO_ANA}
    return {"id": job_id, "kind": "gmail", "agent": "ana", "schedule": {"every_secs": 1}, "config": config}


def faults(bad_mail: str) -> list[Fault]:
    """All that goes wrong: 401s, a redirect, refusals, and a mail that cannot be read. All tell the canary."""
    search = "gmail.users.messages.list"
    more: Mapping[str, Any] = {"times": OFTEN, "message": CANARY}
    return [
        Fault(method=search, status=401, reason="authError", target=CANARY, **more),
        Fault(method=search, status=302, headers={"Location": "/elsewhere"}, target="redirected", **more),
        Fault(method=search, status=400, reason="badRequest", target="refused", **more),
        Fault(method="gmail.users.messages.get", status=400, reason="badRequest", target=bad_mail, **more),
        Fault(method="calendar.events.list", status=403, reason="accessNotConfigured", **more),
    ]


@asynccontextmanager
async def echoing(folder: Path) -> AsyncIterator[Told]:
    """A daemon whose Google echoes, and whose messages nobody takes."""
    async with google_fake() as google:
        google.echoes = True
        ana = google.account(ANA)
        bad, _ = (ana.mailbox.receive(mail(subject=f"{subject} of mails {CANARY}")) for subject in ("bad", "good"))
        google.faults = faults(bad)
        files = {name: str(path) for name, path in google.credentials(ana, folder).items() if name != "account_id"}
        agenda = {**job("agenda"), "kind": "google_calendar", "config": {"deliver": TO_ANA}}
        write_config(
            folder,
            *map(job, JOBS[:-1]),
            agenda,
            agents=[{"id": "ana", "credentials": {"google": ANA, "telegram": "ana_bot"}}],
            google_auth={"accounts": [{"id": ANA, "agent_id": "ana", **files, "scopes": ["gmail.modify"]}]},
            channels={"*": "http://127.0.0.1:9/"},
        )
        serve = (*NEXO_POLLER, "serve", "--admin", "127.0.0.1:0", "--log-level", "debug")
        async with running(serve, cwd=folder, env={"NEXO_POLLER_GOOGLE_URL": google.origin}) as daemon:
            await daemon.said("serving ")
            listens = re.search(rb"127\.0\.0\.1:\d+", daemon.stderr)
            assert listens
            yield Told(folder=folder, google=google, ana=ana, daemon=daemon, address=listens[0].decode())


def readable() -> Iterator[str]:
    """The path of every GET, with each job in the place of an id; the stream of events is read by `tail`."""
    for route in ROUTES:
        if route.method == "GET" and route.media_type != EVENTS:
            ids = JOBS if "{id}" in route.path else ("",)
            yield from (route.path.format(id=job_id, name="page.js") for job_id in ids)


async def test_what_google_echoes_is_in_no_log_error_metric_or_answer_where_a_canary_beside_it_is(
    tmp_path: Path,
) -> None:
    async with echoing(tmp_path) as told:
        async with running((*NEXO_POLLER, "tail", "--admin", told.address), cwd=tmp_path) as tail:
            while not (dead := (await told.get("/admin/dead-letters")).json()):
                pass
            told.texts["reasons of dead letters"] = " ".join(letter["error"] for letter in dead)
            for job_id in (CANARY, "redirected", "refused", "agenda"):
                while not await told.errors(job_id):
                    pass
            await told.run("run", CANARY, status=1)
            told.texts["tail"] = await tail.line()
            while CANARY not in told.texts["tail"]:
                told.texts["tail"] += await tail.line()
            told.google.expire_access_tokens()
            told.google.faults.append(
                Fault(method="token", status=400, reason="invalid_grant", times=OFTEN, message=CANARY)
            )
            await told.run("run", "mails", status=1)
            await told.errors("mails")
        for path in readable():
            assert (await told.get(path)).status_code == 200, path
        for arguments in COMMANDS:
            await told.run(*arguments)
        assert await told.daemon.ended_by(SIGTERM) == 0
        told.texts["log"] = told.daemon.stderr.decode()
        assert told.found([*told.google.secrets, ANA]) == set()
        assert told.texts.keys() - told.found([CANARY]) == OF_NO_ERROR
        assert told.found([fingerprint(ANA)]) >= {"errors of refused", "reasons of dead letters", "tail", "log"}
