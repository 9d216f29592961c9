"""What a tool's handler gets in a plugin, where there is no `PollerRunner`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nexo_poller.plugins.sdk.host import BrokerPollerHost, Call
from nexo_poller.plugins.sdk.http import JobsHttp

if TYPE_CHECKING:
    from nexo_poller.http.pools import HttpPools


@frozen
class RemoteCredentials:
    """The daemon's accounts, as far as the plugin may have them: those of agents with a job of its kinds."""

    _call: Call

    async def get(self, agent_id: str, channel: str) -> Mapping[str, Any]:
        """See `nexo_poller.Credentials`."""
        return await BrokerPollerHost(job_id=None, agent_id=agent_id, call=self._call).credentials_get(channel)


@frozen
class StandIn:
    """Those parts of a runner which a plugin has: `credentials` and `http`."""

    credentials: RemoteCredentials
    _http: JobsHttp = field(repr=False)

    @property
    def http(self) -> "HttpPools":
        """As `PollerRunner.http`: `http.client(...)` is guarded like `ctx.http`."""
        return self._http.pools
