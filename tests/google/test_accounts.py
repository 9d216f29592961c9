"""Clients of Google accounts, against a Google on loopback."""

import json
import logging
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve
from google_fake import Account, Fault, GoogleFake, google_fake
from google_fake.fake import CALENDAR
from ticking import NO_AUTHORITIES
from trio.testing import MockClock

from nexo_poller.errors import NexoPollerError, PermanentError, TransientError
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.google.answers import GoogleRefused
from nexo_poller.google.client import GoogleClient
from nexo_poller.http.pools import HttpPools
from nexo_poller.masking import fingerprint
from nexo_poller.testing import VirtualClock

EXPIRED: Mapping[str, Any] = {"access_token": "ya29.long-expired-token", "expires_at": 1}
LABELS = "gmail.users.labels.list"


@define(eq=False)
class Desk:
    """A Google, one account, its files, and what a process needs to act for it."""

    google: GoogleFake
    ana: Account
    pools: HttpPools
    accounts: GoogleAccounts
    credentials: Mapping[str, Any]

    def client(self) -> GoogleClient:
        return self.accounts.client(self.credentials, self.pools.client(allow_private_networks=True))

    async def labels(self) -> list[str]:
        client = self.client()
        answer = await client.get_json(f"{client.endpoints.gmail_url}/users/me/labels")
        return [label["id"] for label in answer["labels"]]

    def arguments(self) -> list[str]:
        """What a process of its own needs to know."""
        paths = (str(self.credentials[key]) for key in ("client_id_path", "client_secret_path", "token_path"))
        return [self.google.origin, *paths]

    @property
    def token_file(self) -> Path:
        return Path(self.credentials["token_path"])

    def token(self) -> dict[str, Any]:
        token: dict[str, Any] = json.loads(self.token_file.read_text())
        return token


@asynccontextmanager
async def desk(folder: Path, token: Mapping[str, Any] | None = None) -> AsyncIterator[Desk]:
    async with google_fake() as google, HttpPools.open(ssl_context=NO_AUTHORITIES) as pools:
        ana = google.account("ana@example.com")
        written = {**token, "refresh_token": ana.refresh_token} if token else None
        credentials = google.credentials(ana, folder, token=written)
        yield Desk(google, ana, pools, GoogleAccounts(google.endpoints), credentials)


async def refusal(desk: Desk) -> NexoPollerError:
    """What a request raises, once it is sure that it tells nothing secret, in none of its forms."""
    with pytest.raises(NexoPollerError) as caught:
        await desk.labels()
    told = [str(caught.value), repr(caught.value), *map(str, caught.value.args)]
    cause = caught.value.__cause__
    while cause:
        told += [str(cause), repr(cause)]
        cause = cause.__cause__
    secrets = {*desk.google.secrets, desk.ana.email, desk.ana.refresh_token, EXPIRED["access_token"]}
    assert [secret for secret in secrets for text in told if secret in text] == []
    return caught.value


async def test_an_expired_token_is_refreshed_and_written_for_its_owner_alone(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        assert "INBOX" in await bench.labels()
        assert "INBOX" in await bench.labels()
        assert bench.google.refreshes == 1
        assert bench.token()["access_token"] in bench.google.oauth.access_tokens
        assert bench.token()["refresh_token"] == bench.ana.refresh_token
        assert stat.S_IMODE(bench.token_file.stat().st_mode) == 0o600
        names = {file.name for file in await trio.Path(tmp_path).iterdir()}
        assert names == {"client_id.txt", "client_secret.txt", "ana-token.json", "ana-token.json.lock"}


async def test_many_waiting_tasks_cause_one_refresh(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        bench.google.gates["token"] = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(bench.labels)
            await bench.google.waited_for("token", 1)
            bench.google.gates["token"].set()
        assert len(bench.google.calls_of("token")) == 1
        assert len(bench.google.calls_of(LABELS)) == 20


async def test_many_waiting_tasks_share_a_failed_refresh_too(tmp_path: Path) -> None:
    failures: list[Exception] = []

    async def try_it() -> None:
        failures.append(await refusal(bench))

    async with desk(tmp_path) as bench:
        bench.google.oauth.revoke(bench.ana.email)
        bench.google.gates["token"] = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(try_it)
            await bench.google.waited_for("token", 1)
            bench.google.gates["token"].set()
        assert len(failures) == 5
        assert len({id(failure) for failure in failures}) == 5
        assert len(bench.google.calls_of("token")) == 1


async def test_two_accounts_have_their_own_tokens(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        bob = bench.google.account("bob@example.com")
        his = Desk(bench.google, bob, bench.pools, bench.accounts, bench.google.credentials(bob, tmp_path))
        await bench.labels()
        await his.labels()
        assert [call.email for call in bench.google.calls_of(LABELS)] == ["ana@example.com", "bob@example.com"]


async def test_a_token_that_another_process_has_refreshed_is_read_and_not_refreshed(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        await bench.labels()
        bench.google.expire_access_tokens()
        grant = bench.google.oauth.refresh_tokens[bench.ana.refresh_token]
        fresh = {**bench.token(), "access_token": bench.google.oauth.access(grant)}
        bench.token_file.write_text(json.dumps(fresh))
        assert "INBOX" in await bench.labels()
        assert bench.google.refreshes == 1


RACER = """
import sys, trio
from nexo_poller.google.accounts import GoogleAccounts
from nexo_poller.google.endpoints import GoogleEndpoints
from nexo_poller.http.pools import HttpPools

async def main(origin, client_id, client_secret, token):
    async with HttpPools.open() as pools:
        accounts = GoogleAccounts(GoogleEndpoints.at(origin))
        credentials = {"account_id": "ana@example.com", "client_id_path": client_id,
                       "client_secret_path": client_secret, "token_path": token}
        client = accounts.client(credentials, pools.client(allow_private_networks=True))
        await client.get_json(f"{client.endpoints.gmail_url}/users/me/labels")

trio.run(main, *sys.argv[1:])
"""


async def test_of_several_processes_one_refreshes_and_a_rotated_refresh_token_survives(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        bench.google.oauth.rotates = True
        bench.google.gates["token"] = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(trio.run_process, [sys.executable, "-c", RACER, *bench.arguments()])
            await bench.google.waited_for("token", 1)
            bench.google.gates["token"].set()
        assert len(bench.google.calls_of("token")) == 1
        assert [bench.token()["refresh_token"]] == list(bench.google.oauth.refresh_tokens)


async def test_a_cancelled_task_leaves_no_rotated_token_unread(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        bench.google.oauth.rotates = True
        bench.google.gates["token"] = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.labels)
            await bench.google.waited_for("token", 1)
            nursery.cancel_scope.cancel()
            bench.google.gates["token"].set()
        assert bench.google.calls_of(LABELS) == []
        assert [bench.token()["refresh_token"]] == list(bench.google.oauth.refresh_tokens)


@pytest.mark.parametrize("step", ["os.fdopen", "os.fsync", "Path.replace"])
async def test_a_crash_at_any_step_of_writing_leaves_a_whole_token(tmp_path: Path, step: str) -> None:
    mortal = f"import os\nfrom pathlib import Path\n{step} = lambda *_, **__: os._exit(9)\n{RACER}"
    async with desk(tmp_path) as bench:
        before = bench.token()
        died = await trio.run_process([sys.executable, "-c", mortal, *bench.arguments()], check=False)
        assert died.returncode == 9
        assert bench.google.refreshes == 1
        assert bench.token() == before
        assert "INBOX" in await bench.labels(), "what the crash has left is in nobody's way"
        assert bench.token()["access_token"] in bench.google.oauth.access_tokens


async def test_a_token_that_cannot_be_saved_is_used_from_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async with desk(tmp_path) as bench:
        bench.google.oauth.rotates = True
        monkeypatch.setattr(Path, "replace", full)
        await bench.labels()
        bench.google.expire_access_tokens()
        await bench.labels()
        monkeypatch.undo()
        assert bench.token()["refresh_token"] == bench.ana.refresh_token
        bench.google.expire_access_tokens()
        await bench.labels()
        assert [bench.token()["refresh_token"]] == list(bench.google.oauth.refresh_tokens)
        assert "No space left on device" in caplog.text
        assert bench.ana.email not in caplog.text


async def test_a_token_refused_before_its_time_is_refreshed_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        await bench.labels()
        bench.google.expire_access_tokens()
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(bench.labels)
        assert bench.google.refreshes == 2


async def test_a_401_after_a_refresh_is_permanent_and_asks_for_a_login(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        bench.google.echoes = True
        bench.google.faults.append(Fault(method=LABELS, status=401, reason="authError", times=2))
        error = await refusal(bench)
        assert isinstance(error, GoogleRefused)
        assert error.status == 401
        assert "nexo-poller google login" in str(error)
        assert fingerprint(bench.ana.email) in str(error)
        assert bench.google.refreshes == 2


async def test_a_revoked_login_is_permanent_and_a_new_one_is_taken_up(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        bench.google.echoes = True
        bench.google.oauth.revoke(bench.ana.email)
        error = await refusal(bench)
        assert isinstance(error, GoogleRefused)
        assert error.reason == "invalid_grant"
        assert "nexo-poller google login" in str(error)
        grant = frozenset({CALENDAR, "https://www.googleapis.com/auth/gmail.modify"})
        renewed = {**EXPIRED, "refresh_token": bench.google.oauth.granted(bench.ana.email, grant)}
        bench.token_file.write_text(json.dumps(renewed))
        assert "INBOX" in await bench.labels()


async def test_a_missing_scope_is_permanent_and_a_login_with_it_is_taken_up_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        carl = bench.google.account("ana@example.com", frozenset({CALENDAR}))
        his = Desk(bench.google, carl, bench.pools, bench.accounts, bench.google.credentials(carl, tmp_path))
        error = await refusal(his)
        assert isinstance(error, PermanentError)
        assert "add the scope to `scopes`" in str(error)
        his.token_file.write_text(json.dumps({**EXPIRED, "refresh_token": bench.ana.refresh_token}))
        assert "INBOX" in await his.labels()


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Fault(method=LABELS, status=403, reason="rateLimitExceeded", headers={"Retry-After": "7"}), 7),
        (Fault(method=LABELS, status=403, reason="userRateLimitExceeded"), None),
        (Fault(method=LABELS, status=429, reason="RESOURCE_EXHAUSTED", headers={"Retry-After": "30"}), 30),
        (Fault(method=LABELS, status=500), None),
        (Fault(method=LABELS, status=503, headers={"Retry-After": "120"}), 120),
        (Fault(method=LABELS, status=502, body=b"<html>Bad Gateway"), None),
        (Fault(method=LABELS, status=200, body=b"<html>Please sign in"), None),
        (Fault(method=LABELS, status=302, headers={"Location": "/token?access_token=echoed"}), None),
        (Fault(method="token", status=500, reason="internal_failure"), None),
        (Fault(method="token", status=503, body=b"busy", headers={"Retry-After": "9"}), 9),
        (Fault(method="token", status=429, reason="rate_limit_exceeded", headers={"Retry-After": "11"}), 11),
        (Fault(method="token", status=403, reason="rate_limit_exceeded"), None),
        (Fault(method="token", status=200, body=b'{"token_type": "Bearer"}'), None),
        (Fault(method="token", status=302, headers={"Location": "/elsewhere"}), None),
    ],
)
async def test_what_may_pass_is_transient_with_the_servers_delay(
    tmp_path: Path, fault: Fault, wait: int | None
) -> None:
    async with desk(tmp_path) as bench:
        bench.google.echoes = fault.body is None
        bench.google.faults.append(evolve(fault))
        error = await refusal(bench)
        assert isinstance(error, TransientError)
        assert error.retry_after == (None if wait is None else timedelta(seconds=wait))


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (Fault(method=LABELS, status=400, reason="badRequest"), "check the job's config"),
        (Fault(method=LABELS, status=403, reason="accessNotConfigured"), "enable this API"),
        (Fault(method=LABELS, status=403, reason="domainPolicy"), "check what the account may do"),
        (Fault(method=LABELS, status=404, reason="notFound"), "check the job's config"),
        (Fault(method="token", status=401, reason="invalid_client"), "check the files under client_id_path"),
        (Fault(method="token", status=400, reason="unauthorized_client"), "check the files under client_id_path"),
        (Fault(method="token", status=400, reason="invalid_scope"), "check `scopes`"),
        (Fault(method="token", status=400, reason='odd "reason"\n'), "check the job's config"),
    ],
)
async def test_what_will_not_pass_is_permanent_and_says_what_to_do(tmp_path: Path, fault: Fault, remedy: str) -> None:
    async with desk(tmp_path) as bench:
        bench.google.echoes = True
        bench.google.faults.append(evolve(fault))
        error = await refusal(bench)
        assert isinstance(error, GoogleRefused)
        assert remedy in str(error)
        assert error.status == fault.status


async def test_a_network_that_is_down_is_transient(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        bench.accounts = GoogleAccounts(type(bench.google.endpoints).at("http://127.0.0.1:1"))
        assert isinstance(await refusal(bench), TransientError)


@pytest.mark.parametrize(
    ("key", "contents", "said"),
    [
        ("client_id_path", None, "client_id_path cannot be read: No such file"),
        ("client_secret_path", "", "client_secret_path is empty"),
        ("token_path", None, "nexo-poller google login"),
        ("token_path", "not JSON", "it is not JSON; run `nexo-poller google login "),
        ("token_path", '["a list"]', "it is no JSON object"),
        ("token_path", '{"access_token": "ya29.alone"}', "it has no refresh_token"),
    ],
)
async def test_a_file_that_is_missing_or_useless_is_named_by_its_key(
    tmp_path: Path, key: str, contents: str | None, said: str
) -> None:
    async with desk(tmp_path) as bench:
        file = trio.Path(bench.credentials[key])
        await (file.unlink() if contents is None else file.write_text(contents))
        error = await refusal(bench)
        assert isinstance(error, PermanentError)
        assert said in str(error)
        assert str(tmp_path) not in str(error)


async def test_files_that_begin_with_a_byte_order_mark_are_read_all_the_same(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        for key in ("client_id_path", "client_secret_path", "token_path"):
            file = trio.Path(bench.credentials[key])
            await file.write_text(await file.read_text(), "utf-8-sig")
        assert "INBOX" in await bench.labels()


async def test_a_broken_access_token_is_refreshed_and_shown_to_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        bench.token_file.write_text(
            json.dumps({"access_token": "ya29.torn\napart", "refresh_token": bench.ana.refresh_token})
        )
        assert "INBOX" in await bench.labels()
        assert bench.google.refreshes == 1


async def test_credentials_without_files_are_refused_by_name() -> None:
    async with HttpPools.open(ssl_context=NO_AUTHORITIES) as pools:
        with pytest.raises(PermanentError, match="have no client_id_path, client_secret_path, token_path"):
            GoogleAccounts().client({"account_id": "ana@example.com"}, pools.client())


async def test_nothing_shows_secrets_in_its_repr_or_in_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with desk(tmp_path) as bench:
        bench.google.echoes = True
        await bench.labels()
        bench.google.faults.append(Fault(method=LABELS, status=401, times=2))
        await refusal(bench)
        shown = [caplog.text, repr(bench.accounts), repr(bench.client()), repr([*bench.accounts._runs.values()])]
        secrets = [*bench.google.secrets, bench.ana.email, EXPIRED["access_token"]]
        assert [secret for secret in secrets for text in shown if str(secret) in text] == []


async def test_a_parameter_may_have_several_values_and_a_post_may_have_no_answer(tmp_path: Path) -> None:
    async with desk(tmp_path) as bench:
        client = bench.client()
        base = f"{client.endpoints.gmail_url}/users/me/messages"
        listed = await client.get_json(base, {"labelIds": ["INBOX", "UNREAD"], "includeSpamTrash": False})
        assert listed == {"resultSizeEstimate": 0}
        assert await client.post_json(f"{base}/batchModify", {"ids": ["1"], "removeLabelIds": ["UNREAD"]}) == {}


def test_in_virtual_time_a_token_is_refreshed_whenever_it_expires(tmp_path: Path) -> None:
    async def hours() -> int:
        clock = VirtualClock()
        google = GoogleFake.offline(clock)
        ana = google.account("ana@example.com")
        accounts = GoogleAccounts(google.endpoints)
        async with HttpPools.open(clock=clock, transport=google.transport()) as pools:
            accounts.follow(clock)
            client = accounts.client(google.credentials(ana, tmp_path), pools.client())
            for _ in range(9):
                await client.get_json(f"{client.endpoints.gmail_url}/users/me/labels")
                await trio.sleep(30 * 60)
        return google.refreshes

    assert trio.run(hours, clock=MockClock(autojump_threshold=0)) == 5


def test_addresses_can_be_led_elsewhere_by_the_environment() -> None:
    endpoints = type(GoogleAccounts().endpoints)
    assert endpoints.of({}).token_url == "https://oauth2.googleapis.com/token"
    assert endpoints.of({"NEXO_POLLER_GOOGLE_URL": "http://127.0.0.1:8/"}).gmail_url == "http://127.0.0.1:8/gmail/v1"
