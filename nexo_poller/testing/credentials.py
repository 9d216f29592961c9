"""The accounts of the agents in a test."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from nexo_poller.errors import CredentialsMissing


@define(eq=False)
class FakeCredentials:
    """Accounts by channel, the same for every agent: `credentials["jira"] = {"account_id": "ana@example.com"}`.

    A channel without an account raises `CredentialsMissing` in the tick, as in a daemon.
    """

    _accounts: dict[str, Mapping[str, Any]] = field(factory=dict, init=False, repr=False)

    def __setitem__(self, channel: str, account: Mapping[str, Any]) -> None:
        """Bind every agent to `account` on `channel`. Raises `ValueError` for one without `account_id`."""
        if "account_id" not in account:
            raise ValueError(f"an account on '{channel}' has an 'account_id', as every account in a daemon has")
        self._accounts[channel] = account

    async def get(self, agent_id: str, channel: str) -> Mapping[str, Any]:
        """See `Credentials`."""
        if channel not in self._accounts:
            raise CredentialsMissing(channel, agent_id, bound=self._accounts)
        return self._accounts[channel]
