"""The accounts that agents act for, and what it takes to do so."""

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field, frozen

from nexo_poller import audit
from nexo_poller.config.model import GOOGLE, Config
from nexo_poller.errors import CredentialsMissing, HostError, NexoPollerError


class Credentials(Protocol):
    """Finds the account of an agent. Implement it to keep accounts elsewhere than in the configuration."""

    async def get(self, agent_id: str, channel: str) -> Mapping[str, Any]:
        """`{"account_id": …, …}` of the account that the agent is bound to on `channel`.

        On `google` also `client_id_path`, `client_secret_path` and `token_path`, as text. Raises `CredentialsMissing`
        if the agent has no account there.
        """
        ...


@frozen
class ConfiguredCredentials:
    """The accounts of a configuration: the bindings of `agents:`, and `google_auth:` for what Google wants to see."""

    _config: Config = field(repr=False)

    async def get(self, agent_id: str, channel: str) -> Mapping[str, Any]:
        """See `Credentials`."""
        bound = self._config.accounts_of(agent_id)
        if channel not in bound:
            raise CredentialsMissing(channel, agent_id, bound=bound)
        if channel != GOOGLE:
            return {"account_id": bound[channel]}
        for account in self._config.google_accounts:
            if (account.id, account.agent_id) == (bound[channel], agent_id):
                return {
                    "account_id": account.id,
                    "client_id_path": str(account.client_id_path),
                    "client_secret_path": str(account.client_secret_path),
                    "token_path": str(account.token_path),
                }
        raise CredentialsMissing(channel, agent_id, bound=set(bound) - {GOOGLE})


@frozen
class AuditedCredentials:
    """The same accounts, and a line of the audit log for every use and every refusal."""

    _inner: Credentials = field(repr=False)

    async def get(self, agent_id: str, channel: str) -> Mapping[str, Any]:
        """See `Credentials`. What an embedder's resolver raises besides becomes a `HostError` without its words."""
        use = audit.Use(agent=agent_id, channel=channel, direction="credential")
        try:
            found = await self._inner.get(agent_id, channel)
            account = found["account_id"]
        except NexoPollerError:
            audit.refused(use)
            raise
        except Exception as error:
            audit.refused(use)
            what = f"the account of agent '{agent_id}' on channel '{channel}' cannot be found: {type(error).__name__}"
            raise HostError(what) from error
        audit.used(use, str(account))
        return found
