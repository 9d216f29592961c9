"""A daemon that watches a mailbox at the Google that `NEXO_POLLER_GOOGLE_URL` names.

It can be told to stop for good at the points of `nexo_poller.testing.traps`, waiting to be killed.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from numbers_daemon import DELIVER, trap_of
from serving import arguments, serve

from nexo_poller import Config, Every, JobSpec, PollerRunner, Settings
from nexo_poller.config.model import GoogleAccount
from nexo_poller.testing.traps import TrappedBroker, TrappedStore


def config(told: Any) -> Config:
    """The job `leads`, of the account that `told` describes."""
    every = Every(timedelta(milliseconds=told["every_ms"]), jitter=timedelta())
    files = {key: Path(told[key]) for key in ("client_id_path", "client_secret_path", "token_path")}
    leads = {
        "query": "is:unread",
        "message_template": "leads {subject}",
        "dispatch_delay_ms": 0,
        "require_fields": ["number"],
        "extract": {"number": r"Number: (\d+)"},
        "deliver": DELIVER,
    }
    return Config(
        settings=Settings(state_db=Path(told["db"])),
        jobs=(JobSpec(id="leads", kind="gmail", agent="ana", schedule=every, config=leads),),
        agents={"ana": {"google": told["account_id"], "telegram": "ana_bot"}},
        google_accounts=(GoogleAccount(id=told["account_id"], agent_id="ana", scopes=("gmail.modify",), **files),),
        channels={"*": told["inbox"]},
    )


def main() -> None:
    told = arguments()
    trap = trap_of(told)
    store, broker = TrappedStore(Path(told["db"]), trap), TrappedBroker(trap)
    serve(PollerRunner(config(told), store=store, broker=broker))


if __name__ == "__main__":
    main()
