"""A big file parsed in a process of its own: ruamel.yaml holds the interpreter for seconds, and a loop with it (O4).

The child is `python -m nexo_poller.config.worker NAME`: text in, a pickled `Document` out. It works from any program,
without a `__main__` guard, from stdin and from a REPL, because it imports nothing of what started it (O3).
"""

import os
import pickle
import subprocess
import sys
from typing import Final

from attrs import evolve

from nexo_poller.config.document import Document, unreadable
from nexo_poller.config.yaml_text import parse_yaml
from nexo_poller.errors import Problem

PATIENCE_SECS: Final = 300


def parse_in_worker(text: str, name: str) -> Document:
    """What `parse_yaml` returns. Blocks the calling thread, but no other."""
    # -P: what happens to lie in the working directory is not to be imported
    command = [sys.executable, "-P", "-m", "nexo_poller.config.worker", name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    try:
        child = subprocess.run(  # noqa: S603 - our own module, by our own interpreter
            command, input=text.encode(), capture_output=True, env=environment, timeout=PATIENCE_SECS, check=False
        )
    except subprocess.TimeoutExpired:
        what, remedy = f"parsing it took more than {PATIENCE_SECS} s", "make the file smaller"
        return unreadable(name, Problem(what=what, remedy=remedy, where=f"{name}:1:1"))
    except OSError:  # no interpreter to start, or no room for a process: the answer comes late, but it comes
        return parse_yaml(text, name)
    if child.returncode != 0:
        last_words = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        what = f"the process that parses it ended with {child.returncode}: {last_words}"
        return unreadable(name, Problem(what=what, remedy="try again", where=f"{name}:1:1"))
    document: Document = pickle.loads(child.stdout)  # noqa: S301 - written by our own child
    return document


def _main() -> None:
    document = parse_yaml(sys.stdin.buffer.read().decode(), sys.argv[1])
    document = evolve(document, lines=document.lines.packed())
    sys.stdout.buffer.write(pickle.dumps(document, protocol=pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    _main()
