"""The trial as it is seen on a terminal: a line for everything that happens."""

import trio
from attrs import Factory, define
from rich.console import Console
from rich.markup import escape

from nexo_poller.cli.demo.ledger import Arrival
from nexo_poller.cli.demo.summary import Summary
from nexo_poller.cli.demo.trap import Moment

ID_SHOWN = 8  # characters of an event's id


@define(eq=False)
class Screen:
    """An `Audience` that prints. Times are seconds since it was made."""

    console: Console
    _began: float = Factory(trio.current_time)
    _lives: int = 0

    def started(self) -> None:
        """See `Audience`."""
        self._lives += 1
        self._line(f"[cyan]▶ nexo-poller serve, life {self._lives}[/]")

    def arrived(self, arrival: Arrival) -> None:
        """See `Audience`."""
        self._line(f"[green]✉[/] {escape(arrival.item):16} [dim]event {escape(arrival.event_id[:ID_SHOWN])}[/]")

    def came_again(self, arrival: Arrival) -> None:
        """See `Audience`."""
        event = escape(arrival.event_id[:ID_SHOWN])
        self._line(f"[yellow]↺ {escape(arrival.item):16} event {event} once more: recognised by its id[/]")

    def killed(self, moment: Moment) -> None:
        """See `Audience`."""
        self._line(f"[bold red]✖ kill -9 {moment.value}[/]")

    def draining(self) -> None:
        """See `Audience`."""
        self._line("[cyan]… the source is quiet now; is anything missing, does anything come twice?[/]")

    def ended(self, summary: Summary) -> None:
        """The table and the verdict."""
        self.console.print()
        self.console.print(summary.as_table())
        mark = "[bold green]✔" if summary.is_clean else "[bold red]✖"
        self.console.print(f"{mark} {escape(summary.verdict)}[/]")

    def _line(self, text: str) -> None:
        self.console.print(f"[dim]{trio.current_time() - self._began:5.1f} s[/] {text}", highlight=False)
