"""Which tasks there are, by trio's own account."""

from collections import Counter
from collections.abc import Iterator

import trio


def alive() -> Counter[str]:
    """How many tasks of each name there are in this run of trio."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return Counter(task.name for task in _below(root))


def _below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _below(child)
