"""What the jobs of a test find around them."""

from attrs import frozen

from nexo_poller.clock import Clock
from nexo_poller.credentials import Credentials
from nexo_poller.http.pools import HttpPools
from nexo_poller.poller import LlmProvider


@frozen(kw_only=True)
class Surroundings:
    """The time, the network, the accounts and the language model."""

    clock: Clock
    http: HttpPools
    credentials: Credentials
    llm: LlmProvider
