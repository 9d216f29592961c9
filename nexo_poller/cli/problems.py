"""Problems of a configuration, on stderr: a line each, coloured where a person looks."""

from collections.abc import Iterable

from nexo_poller.errors import Problem
from nexo_poller.logs import escape


def show(problems: Iterable[Problem]) -> None:
    """Print `path:line:column: job 'x': what is wrong (what to do)` for each; what only warns says so."""
    from rich.console import Console
    from rich.text import Text

    from nexo_poller.cli.printing import colours

    console = Console(stderr=True, soft_wrap=True, highlight=False, color_system=colours())
    for problem in problems:
        place = f"{problem.where}: " if problem.where else ""
        job = f"job '{problem.job}': " if problem.job is not None else ""
        what = (f"warning: {problem.what}", "yellow") if problem.is_warning else (problem.what, "red")
        remedy = f" ({problem.remedy})" if problem.remedy else ""
        styled = [(place, "bold"), (job, ""), what, (remedy, "dim")]
        console.print(Text.assemble(*((escape(text), style) for text, style in styled)))
