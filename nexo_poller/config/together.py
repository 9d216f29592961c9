"""What several files say together about agents, Google accounts and providers, and where each of it stands."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from attrs import define, field, frozen

from nexo_poller.config.document import LineMap
from nexo_poller.config.model import GoogleAccount, ProviderSettings
from nexo_poller.config.problems import Key
from nexo_poller.config.sections import Beside, File
from nexo_poller.config.source import Source
from nexo_poller.errors import Problem
from nexo_poller.masking import fingerprint

S = TypeVar("S", File, Beside)


@frozen(kw_only=True)
class Part(Generic[S]):
    """A file, what its sections say, and what is wrong with them; faulty ones are left out."""

    source: Source
    sections: S
    faults: tuple[Problem, ...] = ()


AnyPart = Part[File] | Part[Beside]


@define(eq=False)
class Places:
    """Where keys stand: in the file `main`, or for those that begin like a route, elsewhere."""

    main: LineMap
    routes: dict[Key, tuple[LineMap, Key]] = field(factory=dict)

    def __call__(self, key: Key) -> str:
        """`path:line:column` of the value under `key`, or of the nearest thing around it."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.routes:
                lines, under = self.routes[key[:length]]
                return lines.where((*under, *key[length:]))
        return self.main.where(key)


@frozen(kw_only=True)
class Together:
    """`agents` None: no file has such a section. `twice` are the problems of what stands in two places."""

    agents: Mapping[str, Mapping[str, str]] | None
    google_accounts: tuple[GoogleAccount, ...]
    providers: Mapping[str, ProviderSettings]
    twice: tuple[Problem, ...]


def together(parts: Sequence[AnyPart], places: Places) -> Together:
    """The sections of all files; of what is there twice, the first. Adds to `places` where agents and the like stand.

    Keys for `places`: `("agents", <agent>)`, `("providers", <provider>)`, `("retry",)`, and of a Google account
    `("google_auth", <fingerprint>)`, since its id is no word for a problem (O2).
    """
    claims = _Claims(places)
    agents = {
        agent.id: agent.credentials or {}
        for part in parts
        for n, agent in enumerate(part.sections.agents or ())
        if claims.first(part, ("agents", agent.id), ("agents", n), f"the agent '{agent.id}'")
    }
    accounts = tuple(
        entry.account(part.source.folder)
        for part in parts
        if part.sections.google_auth
        for n, entry in enumerate(part.sections.google_auth.accounts or ())
        if claims.first(
            part, account_key(entry.id), ("google_auth", "accounts", n), f"the Google account {fingerprint(entry.id)}"
        )
    )
    retries = [
        part.sections.retry
        for part in parts
        if part.sections.retry and claims.first(part, ("retry",), ("retry",), "`retry:`")
    ]
    providers = {
        name: entry.settings(name, retries[0] if retries else None)
        for part in parts
        for name, entry in (part.sections.providers or {}).items()
        if claims.first(part, ("providers", name), ("providers", name), f"the provider '{name}'")
    }
    has_agents = any(part.sections.agents is not None for part in parts)
    return Together(
        agents=agents if has_agents else None,
        google_accounts=accounts,
        providers=providers,
        twice=tuple(claims.twice),
    )


def account_key(account_id: str) -> Key:
    """The key of a Google account."""
    return ("google_auth", fingerprint(account_id))


@define(eq=False)
class _Claims:
    """Who stands where, first come, first served."""

    places: Places
    twice: list[Problem] = field(factory=list)

    def first(self, part: AnyPart, key: Key, here: Key, name: str) -> bool:
        """Whether nothing has this key yet; `here` is its place in the part's file."""
        lines = part.source.lines
        if key in self.places.routes:
            what = f"{name} stands at {self.places(key)} already"
            self.twice.append(Problem(what=what, remedy="remove one of the two", key=key, where=lines.where(here)))
            return False
        self.places.routes[key] = (lines, here)
        return True
