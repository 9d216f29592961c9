"""The HTTP of a plugin's jobs: guarded and limited as in the daemon, and loaded when a poller first asks for it."""

from typing import TYPE_CHECKING, Any

from attrs import Factory, define

if TYPE_CHECKING:
    import httpx

    from nexo_poller.http.pools import HttpPools


@define(eq=False)
class JobsHttp:
    """One client for all ticks of a job, so that a host's hold on it is its own (R6), until its config changes."""

    _pools: "HttpPools | None" = None
    _clients: dict[str, tuple[Any, "httpx.AsyncClient"]] = Factory(dict)

    @property
    def pools(self) -> "HttpPools":
        """The connections that all jobs share."""
        if self._pools is None:
            from nexo_poller.http.pools import HttpPools

            self._pools = HttpPools.opened()
        return self._pools

    def client(self, job_id: str, config: Any) -> "httpx.AsyncClient":
        """The job's client, with the limits that its `config` sets."""
        known = self._clients.get(job_id)
        if known is None or known[0] != config:
            known = self._clients[job_id] = (config, self.pools.client_for(config))
        return known[1]

    async def aclose(self) -> None:
        """Close every connection."""
        if self._pools is not None:
            await self._pools.aclose()
