"""Deliveries to any of Apprise's services: `pip install "nexo-poller[channels]"`.

NOTIFY=tgram://bot-token/{to} python notify.py    Telegram; {to} becomes the recipient of each message
NOTIFY=mailto://user:password@example.com?to={to} python notify.py    mail
"""

import os
from datetime import timedelta

import trio
from greeting import Greeting

from nexo_poller import Config, Every, JobSpec, PollerRunner


async def main() -> None:
    hello = JobSpec(
        id="hello",
        kind="greeting",
        agent="ana",
        schedule=Every(timedelta(minutes=1), jitter=timedelta()),
        config={"deliver": {"channel": "phone", "to": "12345"}},
    )
    agents = {"ana": {"phone": "ana_phone"}}
    url = os.environ["NOTIFY"]
    channels = {"phone.ana_phone": url, "*": "stdout"}  # the most specific entry wins
    config = Config(jobs=(hello,), agents=agents, channels=channels, secrets=frozenset({url}))
    await PollerRunner(config).register(Greeting()).serve()


trio.run(main)
