"""What the demo found, as numbers and as a table."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, frozen

from nexo_poller.cli.demo.ledger import Account

if TYPE_CHECKING:  # the command imports rich only where it prints
    from rich.table import Table

MIN_KILLS: Final = 2


@frozen(kw_only=True)
class Summary:
    """The accounts of both jobs, and what the daemon went through. `trouble`: why the trial could not be held."""

    jobs: Mapping[str, Account]
    kills: int
    ticks: int
    takeovers: int
    seconds: float
    trouble: str | None = None

    def total(self, name: str) -> int:
        """The sum of one number over the jobs."""
        return sum(getattr(account, name) for account in self.jobs.values())

    @property
    def is_clean(self) -> bool:
        """Whether the daemon was killed often enough, and nothing was lost, repeated or out of order all the same."""
        return self.trouble is None and self.kills >= MIN_KILLS and all(job.is_clean for job in self.jobs.values())

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.trouble is not None:
            return self.trouble
        if self.is_clean:
            return f"killed {self.kills} times: nothing lost, nothing repeated, everything in order"
        silent = [job for job, account in self.jobs.items() if account.delivered == 0]
        if silent:
            return f"nothing came of {' and '.join(silent)}"
        if all(job.is_clean for job in self.jobs.values()):
            return f"no verdict: killed only {self.kills} times in {self.seconds:.0f} s; try more --seconds"
        return f"{self.total('lost')} lost, {self.total('repeated')} repeated, {self.total('disordered')} out of order"

    def as_json(self) -> dict[str, Any]:
        """The totals, each job's account under `jobs`, and the verdict."""
        names = ("published", "delivered", "lost", "repeated", "redelivered", "disordered")
        return {
            **{name: self.total(name) for name in names},
            "kills": self.kills,
            "ticks": self.ticks,
            "takeovers": self.takeovers,
            "seconds": round(self.seconds, 1),
            "jobs": {job: asdict(account) for job, account in self.jobs.items()},
            "ok": self.is_clean,
            "verdict": self.verdict,
        }

    def as_table(self) -> "Table":
        """A row for each job, and one for both."""
        from rich.table import Table

        columns = ("published", "delivered", "lost", "repeated", "redelivered", "disordered")
        table = Table(caption=f"kills {self.kills}   ticks {self.ticks}   takeovers {self.takeovers}")
        table.add_column("job")
        for column in columns:
            table.add_column(column, justify="right")
        for job, account in self.jobs.items():
            table.add_row(job, *(str(getattr(account, column)) for column in columns))
        table.add_section()
        table.add_row("both", *(str(self.total(column)) for column in columns), style="bold")
        return table
