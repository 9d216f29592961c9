"""Whether what agents act with is there and theirs alone: bindings, Google accounts, and the files of their secrets.

Accounts are named by their fingerprints and by the places where they stand, never by their ids (O2).
"""

import stat
from collections.abc import Iterator
from os.path import realpath
from pathlib import Path
from typing import Final

from attrs import evolve

from nexo_poller.config.model import GOOGLE, Config, GoogleAccount
from nexo_poller.config.problems import Key, in_order, placed
from nexo_poller.config.spelling import did_you_mean
from nexo_poller.config.together import account_key
from nexo_poller.errors import Problem
from nexo_poller.masking import Mask, fingerprint

OTHERS: Final = 0o077
MOUNTED_SECRETS: Final = Path("/run/secrets")  # where Docker and Kubernetes put them, readable and on no disk


def check_accounts(config: Config) -> tuple[Problem, ...]:
    """Everything that is wrong, placed and masked. Looks at files, briefly; reads nothing of what is in them."""
    problems = [*_binding_problems(config), *_agent_problems(config), *_token_problems(config)]
    return in_order([*placed(problems, config.where, Mask(config.secrets)), *check_secret_files(config)])


def check_secret_files(config: Config) -> tuple[Problem, ...]:
    """What is wrong with files of secrets alone, which holds even where not all of a configuration could be read."""
    return placed(_file_problems(config), config.where, Mask(config.secrets))


def is_open_to_others(path: Path, mode: int) -> bool:
    """Whether a file of this mode can be read by others than its owner, which mounted secrets may."""
    return bool(mode & OTHERS) and MOUNTED_SECRETS not in (*path.parents, *path.resolve().parents)


def listed_accounts(config: Config) -> str:
    """The Google accounts that there are, by fingerprint and place."""
    return ", ".join(
        f"{fingerprint(account.id)} of agent '{account.agent_id}' ({config.where(account_key(account.id))})"
        for account in config.google_accounts
    )


def _binding_problems(config: Config) -> Iterator[Problem]:
    accounts = {account.id: account for account in config.google_accounts}
    for agent, bound in (config.agents or {}).items():
        if GOOGLE not in bound:
            continue
        key: Key = ("agents", agent, "credentials", GOOGLE)
        account = accounts.get(bound[GOOGLE])
        if account is None:
            what = f"agent '{agent}' is bound to the Google account {fingerprint(bound[GOOGLE])}, which is not listed"
            listed = listed_accounts(config)
            remedy = f"listed are {listed}" if listed else "none is; add it under google_auth: accounts:"
            yield Problem(what=what, remedy=remedy, key=key)
        elif account.agent_id != agent:
            what = f"agent '{agent}' is bound to the Google account of agent '{account.agent_id}'"
            remedy = f"give it an account of its own; that one stands at {config.where(account_key(account.id))}"
            yield Problem(what=what, remedy=remedy, key=key)


def _agent_problems(config: Config) -> Iterator[Problem]:
    first: dict[str, GoogleAccount] = {}
    for account in config.google_accounts:
        key = (*account_key(account.id), "agent_id")
        taken = first.setdefault(account.agent_id, account)
        if taken is not account:
            what = f"agent '{account.agent_id}' has a Google account at {config.where(account_key(taken.id))} already"
            yield Problem(what=what, remedy="one agent, one account", key=key)
        if config.agents is not None and account.agent_id not in config.agents:
            hint = did_you_mean(account.agent_id, config.agents)
            yield Problem(
                what=f"agent '{account.agent_id}' is not listed", remedy=hint or "add it under agents:", key=key
            )


def _token_problems(config: Config) -> Iterator[Problem]:
    """Token files that are not of one account alone: the first refresh or login would write over what is not its own."""
    clients = {
        realpath(path)
        for account in config.google_accounts
        for path in (account.client_id_path, account.client_secret_path)
    }
    first: dict[str, GoogleAccount] = {}
    for account in config.google_accounts:
        file = realpath(account.token_path)
        taken = first.setdefault(file, account)
        remedy = f"name a file of its own, then {_login(account)}"
        key = (*account_key(account.id), "token_path")
        if taken is not account:
            what = f"the Google account at {config.where(account_key(taken.id))} has the same token file"
            yield Problem(what=what, remedy=remedy, key=key)
        if file in clients:
            yield Problem(what="a file of the OAuth client cannot be the token's too", remedy=remedy, key=key)


def _login(account: GoogleAccount) -> str:
    return f"run `nexo-poller google login {fingerprint(account.id)}`"


def _file_problems(config: Config) -> Iterator[Problem]:
    console = "put there what Google Cloud shows of your OAuth client"
    seen: set[Path] = set()
    for account in config.google_accounts:
        key = account_key(account.id)
        for name, path, if_missing, faults in (
            ("client_id_path", account.client_id_path, console, _faults),
            ("client_secret_path", account.client_secret_path, console, _faults_of_a_secret),
            ("token_path", account.token_path, _login(account), _faults_of_a_secret),
        ):
            if path not in seen:  # accounts share their OAuth client, and one complaint will do
                yield from (evolve(problem, key=(*key, name)) for problem in faults(path, if_missing))
            seen.add(path)
    for key, path in config.key_files:
        yield from (evolve(problem, key=key) for problem in _faults_of_a_secret(path, "put the key there"))


def _faults(path: Path, if_missing: str) -> Iterator[Problem]:
    """What keeps the file from being read."""
    try:
        if stat.S_ISREG(path.stat().st_mode):
            path.open("rb").close()
        else:
            yield Problem(what=f"'{path}' is no regular file", remedy=if_missing)
    except FileNotFoundError:
        yield Problem(what=f"there is no file '{path}'", remedy=if_missing)
    except OSError as error:
        what = f"the file '{path}' cannot be read: {error.strerror}"
        yield Problem(what=what, remedy="let the user that runs the daemon read it")


def _faults_of_a_secret(path: Path, if_missing: str) -> Iterator[Problem]:
    """What keeps the file from being read, or lets too many do so."""
    faults = [*_faults(path, if_missing)]
    yield from faults
    if not faults and is_open_to_others(path, mode := path.stat().st_mode):
        what = f"others can read the file '{path}', which has mode {stat.S_IMODE(mode):04o}"
        yield Problem(what=what, remedy=f"chmod 600 {path}")
