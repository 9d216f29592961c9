"""What Python shows of public values, in a traceback or a log: nothing that names an account or is secret (O2)."""

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nexo_poller import (
    BrokerSettings,
    Config,
    DeadLetter,
    Event,
    Every,
    GoogleAccount,
    JobSpec,
    Message,
    Pending,
    ProviderSettings,
)
from nexo_poller.store import LaneHead, Outgoing
from nexo_poller.testing import FakeCredentials

SECRET = "hunter2hunter2"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TOPIC = f"plugin.outbound.telegram.{SECRET}"
MESSAGE = Message(id="1", topic=TOPIC, body=f'{{"topic": "{TOPIC}"}}'.encode())
LANE = f"inbox/{TOPIC}"


def accounts() -> FakeCredentials:
    credentials = FakeCredentials()
    credentials["jira"] = {"account_id": SECRET}
    return credentials


@pytest.mark.parametrize(
    "value",
    [
        MESSAGE,
        Event(id="1", timestamp=NOW, topic=TOPIC, source="plugin.poller", session_id=None, payload={"text": "hello"}),
        Outgoing(message=MESSAGE, lane=LANE),
        LaneHead(lane=LANE, not_before=None),
        Pending(seq=1, job_id="inbox", message=MESSAGE, not_before=None, created_at=NOW, attempts=0),
        DeadLetter(seq=1, job_id="inbox", message=MESSAGE, attempts=9, error="no such chat", died_at=NOW),
        BrokerSettings(url=f"nats://ana:{SECRET}@nats.example"),
        ProviderSettings(name="acme", api_key=SECRET, base_url=f"https://ana:{SECRET}@acme.example"),
        GoogleAccount(
            id=SECRET, agent_id="ana", client_id_path=Path("i"), client_secret_path=Path("s"), token_path=Path("t")
        ),
        JobSpec(
            id="inbox",
            kind="rss",
            agent="ana",
            schedule=Every(timedelta(minutes=1)),
            config={"token": SECRET},
            extra={"note": SECRET},
        ),
        Config(
            agents={"ana": {"telegram": SECRET}},
            channels={"*": f"https://{SECRET}@x.example"},
            secrets=frozenset({SECRET}),
        ),
        accounts(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_account_and_no_secret_is_in_a_repr(value: object) -> None:
    assert SECRET.encode() in pickle.dumps(value)
    assert SECRET not in repr(value)


def test_the_topic_of_an_event_shows_its_channel() -> None:
    assert repr(MESSAGE).startswith("Message(id='1', topic='plugin.outbound.telegram.")
