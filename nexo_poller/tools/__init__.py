"""Tools for language models: six generic ones about jobs, and those that pollers bring along.

What a model may do to a running daemon is look, run, pause, resume and reset. Creating and deleting jobs is the
operator's, in `pollers.yaml`.
"""

from nexo_poller.runner.runner import PollerRunner
from nexo_poller.tools.collecting import collect_custom_tools
from nexo_poller.tools.generic import GENERIC_TOOLS
from nexo_poller.tools.registry import ToolRegistry

__all__ = ["ToolRegistry", "collect_custom_tools", "tools"]


def tools(runner: PollerRunner) -> ToolRegistry:
    """The generic tools and those of every poller that the runner knows now.

    Raises `ConfigError` with everything that is wrong with the latter; see `collect_custom_tools`.
    """
    offered = (*GENERIC_TOOLS, *collect_custom_tools(runner.pollers))
    return ToolRegistry(runner, {tool.name: tool for tool in offered})
