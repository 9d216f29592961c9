"""The server: who calls what, what goes wrong, and what is answered."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl

import httpx
import trio
from attrs import Factory, define, field, frozen
from http_server import Request, Response, http_server

from google_fake.agenda import Agenda
from google_fake.discovery import Method, method_for
from google_fake.eavesdropper import eavesdropping
from google_fake.faults import Fault, OAuthRefusal, Refusal, json_response
from google_fake.mailbox import Mailbox
from google_fake.oauth import Grant, OAuth
from nexo_poller.clock import Clock, SystemClock
from nexo_poller.google.endpoints import GoogleEndpoints

MODIFY: Final = "https://www.googleapis.com/auth/gmail.modify"
CALENDAR: Final = "https://www.googleapis.com/auth/calendar.readonly"
METADATA_ONLY: Final = "https://www.googleapis.com/auth/gmail.metadata"
EVERYTHING: Final = frozenset({MODIFY, CALENDAR})
LONG_EXPIRED: Final = "ya29.long-expired-token"
SYSTEM_CLOCK: Final = SystemClock()
Query = Mapping[str, Sequence[str]]


@frozen(kw_only=True)
class Account:
    """A person at Google."""

    email: str
    refresh_token: str
    mailbox: Mailbox
    agenda: Agenda


@frozen(kw_only=True)
class Call:
    """A request that came in: a method's id (or `token`), its parameters, and what was answered."""

    method: str
    parameters: Mapping[str, Any]
    email: str
    status: int


@define(eq=False, kw_only=True)
class GoogleFake:
    """The server and everything in it.

    `faults` go wrong one after the other. With `echoes`, every error tells the tokens and secrets that were received.
    Setting `gates[method]` to an event makes requests of this method wait for it. `refused` is what the discovery
    documents do not know of what clients, or this fake, have sent.
    """

    origin: str
    clock: Clock
    oauth: OAuth
    echoes: bool = False
    faults: list[Fault] = Factory(list)
    gates: dict[str, trio.Event] = Factory(dict)
    calls: list[Call] = Factory(list)
    refused: list[str] = Factory(list)
    accounts: dict[str, Account] = Factory(dict)
    waiting: dict[str, int] = Factory(dict)
    _more: trio.Event = field(factory=trio.Event)

    @classmethod
    def offline(cls, clock: Clock, origin: str = "http://google.test") -> "GoogleFake":
        """One that nobody reaches but through its `transport`, or through a server at `origin`."""
        oauth = OAuth(
            now=clock.now,
            client_id="1234567890-fake.apps.googleusercontent.com",
            client_secret="GOCSPX-fake-client-secret",
        )
        return cls(origin=origin, clock=clock, oauth=oauth)

    @property
    def endpoints(self) -> GoogleEndpoints:
        """Where its APIs are."""
        return GoogleEndpoints.at(self.origin)

    @property
    def refreshes(self) -> int:
        """How many refreshes of a token succeeded."""
        return sum(
            call.status == 200 and call.parameters.get("grant_type") == "refresh_token"
            for call in self.calls_of("token")
        )

    @property
    def secrets(self) -> list[str]:
        """All tokens, codes and secrets that there ever were, for those who look where they have got to."""
        return [self.oauth.client_secret, self.oauth.client_id, LONG_EXPIRED, *self.oauth.issued]

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def account(self, email: str, scopes: frozenset[str] = EVERYTHING) -> Account:
        """A new account that has allowed the client these scopes."""
        now = self.clock.now
        token = self.oauth.granted(email, scopes)
        made = Account(email=email, refresh_token=token, mailbox=Mailbox(email, now), agenda=Agenda(email, now))
        self.accounts[email] = made
        return made

    def credentials(self, account: Account, folder: Path, *, token: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Files of the client and of the account's token in `folder`, as `host.credentials_get("google")` names them.

        `token` replaces what stands in the token file; at first it is one that has expired.
        """
        name = account.email.partition("@")[0]
        contents = {
            "client_id_path": ("client_id.txt", f"{self.oauth.client_id}\n"),
            "client_secret_path": ("client_secret.txt", f"{self.oauth.client_secret}\n"),
            "token_path": (
                f"{name}-token.json",
                json.dumps(
                    token
                    or {
                        "access_token": LONG_EXPIRED,
                        "refresh_token": account.refresh_token,
                        "expires_at": int(self.clock.now().timestamp()) - 1,
                        "token_type": "Bearer",
                    }
                ),
            ),
        }
        for file, text in contents.values():
            (folder / file).touch(mode=0o600)
            (folder / file).write_text(text)
        return {"account_id": account.email, **{key: folder / file for key, (file, _) in contents.items()}}

    def expire_access_tokens(self) -> None:
        """As if an hour had passed for them alone: the server no longer knows them."""
        self.oauth.access_tokens.clear()

    async def waited_for(self, method: str, number: int) -> None:
        """Return once `number` requests of this method wait at its gate."""
        while self.waiting.get(method, 0) < number:
            await self._more.wait()

    def transport(self) -> httpx.MockTransport:
        """The same server without a network, for virtual time."""

        async def handle(request: httpx.Request) -> httpx.Response:
            answer = await self.answer(request.method, request.url.raw_path.decode(), request.headers, request.content)
            assert isinstance(answer.body, bytes)
            return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)

        return httpx.MockTransport(handle)

    async def handle(self, request: Request) -> Response:
        """Answer a request that came over the network."""
        return await self.answer(request.method, request.target, request.headers, request.body)

    async def answer(self, http_method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Answer a request; header names are found in lower case."""
        try:
            return await self._answer(http_method, target, headers, body)
        except AssertionError as error:  # a client that takes it for a bad connection must not make it unheard
            self.refused.append(str(error))
            raise

    async def _answer(self, http_method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        path, _, query = target.partition("?")
        if path == "/o/oauth2/v2/auth":
            return Response(status=302, headers={"Location": self.oauth.consented(dict(parse_qsl(query)))})
        if path == "/token":
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            echo = f" {form}" if self.echoes else ""
            return await self._answered("token", "", form, target, echo, lambda: self.oauth.token(form))
        found = method_for(http_method, path)
        assert found, f"no API of Google's has {http_method} {path}"
        method, in_path = found
        token = headers.get("authorization", "").removeprefix("Bearer ")
        parameters = {**in_path, **parse_qs(query, keep_blank_values=True), **(_json(body) or {})}
        echo = f" You sent {token}" if self.echoes else ""
        grant = self.oauth.grant_of(token)
        email = grant.email if grant else ""

        def play() -> Any:
            account = self._allowed(method, grant)
            queries = parse_qs(query, keep_blank_values=True)
            self._check(method, queries, _json(body))
            _check_metadata_scope(method, grant, queries)
            shown = _play(method.id, account, in_path, queries, _json(body))
            assert not method.answer_problems(shown), method.answer_problems(shown)
            return shown

        return await self._answered(method.id, email, parameters, target, echo, play)

    async def _answered(  # noqa: PLR0913, PLR0917 - what a call is made of
        self, method: str, email: str, parameters: Mapping[str, Any], target: str, echo: str, play: Callable[[], Any]
    ) -> Response:
        if method in self.gates:
            self.waiting[method] = self.waiting.get(method, 0) + 1
            self._more.set()
            self._more = trio.Event()
            await self.gates[method].wait()
        fault = next((fault for fault in self.faults if fault.method == method and fault.target in target), None)
        if fault:
            fault.times -= 1
            if not fault.times:
                self.faults.remove(fault)
            response = fault.response(echo)
        else:
            try:
                shown = play()
                response = Response(status=204) if shown is None else json_response(shown)
            except (Refusal, OAuthRefusal) as refusal:
                response = refusal.response(echo)
        self.calls.append(Call(method=method, parameters=parameters, email=email, status=response.status))
        return response

    def _allowed(self, method: Method, grant: Grant | None) -> Account:
        if grant is None:
            raise Refusal(
                status=401,
                reason="authError",
                message="Request had invalid authentication credentials.",
                headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'},
            )
        if not grant.scopes & method.scopes:
            raise Refusal(
                status=403,
                reason="insufficientPermissions",
                message="Request had insufficient authentication scopes.",
                headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="insufficient_scope"'},
                details=(
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                        "domain": "googleapis.com",
                        "metadata": {"method": method.id},
                    },
                ),
            )
        return self.accounts[grant.email]

    def _check(self, method: Method, query: Query, body: Any) -> None:
        wrong = [*method.query_problems(query), *method.body_problems(body)]
        if wrong:
            self.refused += [f"{method.id}: {problem}" for problem in wrong]
            raise Refusal(status=400, reason="badRequest", message=f"Invalid JSON payload received. {'; '.join(wrong)}")


def _json(body: bytes) -> Any:
    return json.loads(body) if body else None


def _check_metadata_scope(method: Method, grant: Grant | None, query: Query) -> None:
    if grant and grant.scopes & method.scopes == {METADATA_ONLY}:
        limited = "q" in query or query.get("format", ["full"])[0] in ("full", "raw")
        if limited and method.id in ("gmail.users.messages.list", "gmail.users.messages.get"):
            raise Refusal(status=403, reason="forbidden", message="Metadata scope does not allow that.")


def _play(method: str, account: Account, path: Mapping[str, str], query: Query, body: Any) -> Any:
    for name in ("userId", "calendarId"):
        if path.get(name, "me") not in ("me", "primary", account.email):
            raise Refusal(status=404, reason="notFound", message="Not Found")
    mailbox = account.mailbox
    plays: Mapping[str, Callable[[], Any]] = {
        "gmail.users.messages.list": lambda: mailbox.list_messages(query),
        "gmail.users.messages.get": lambda: mailbox.get(path["id"], query),
        "gmail.users.messages.modify": lambda: mailbox.modify(path["id"], body),
        "gmail.users.messages.batchModify": lambda: mailbox.batch_modify(body),
        "gmail.users.labels.list": mailbox.list_labels,
        "gmail.users.labels.get": lambda: mailbox.get_label(path["id"]),
        "gmail.users.getProfile": mailbox.profile,
        "calendar.events.list": lambda: account.agenda.list_events(query),
    }
    assert method in plays, f"the fake does not play {method}"
    return plays[method]()


@asynccontextmanager
async def google_fake(clock: Clock = SYSTEM_CLOCK) -> AsyncIterator[GoogleFake]:
    """A Google on a free port of 127.0.0.1 for as long as the block lasts; `clock` is what its tokens expire by.

    The block fails if a token, a secret or an account was logged meanwhile.
    """
    with eavesdropping() as log:
        async with http_server() as server:
            google = GoogleFake.offline(clock, server.url(""))
            server.otherwise = google.handle
            yield google
    assert google.refused == [], google.refused
    betrayed = log.betrayed([*google.secrets, *google.accounts])
    assert betrayed == [], betrayed
