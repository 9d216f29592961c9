"""Where the pages are."""

from typing import Any
from urllib.parse import quote, urlencode

from attrs import evolve, frozen

from nexo_poller.admin.listing import Query


@frozen
class Addresses:
    """Addresses below `root`, the path at which the admin app is mounted, with a slash at its end."""

    root: str

    def job(self, job_id: str) -> str:
        """The page of one job."""
        return f"{self.root}jobs/{quote(job_id, safe='')}"

    def jobs(self, query: Query, **changes: Any) -> str:
        """The list, as `query` with these `changes` asks for it."""
        arguments = evolve(query, **changes).arguments()
        return f"{self.root}?{urlencode(arguments)}" if arguments else self.root
