"""YAML into plain values with a line map.

ruamel.yaml scans and parses; its events become values in `yaml_values`. Not loaded by `import nexo_poller`, because
ruamel.yaml takes its time.
"""

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from nexo_poller.config.document import Document, LineMap, unreadable
from nexo_poller.config.yaml_values import Builder
from nexo_poller.errors import ConfigError, Problem


def parse_yaml(text: str, name: str) -> Document:
    """The one document in `text`, and every problem of its YAML; `name` is the path that places begin with.

    Text that is no YAML gives a document without a value and, among its problems, the reason.
    """
    builder = Builder(name)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except ConfigError as fatal:
        return unreadable(name, *builder.problems, *fatal.problems)
    except ReaderError as error:
        return unreadable(name, *builder.problems, _forbidden_character(text, error, name))
    except MarkedYAMLError as error:
        return unreadable(name, *builder.problems, _syntax_error(error, name))
    except (YAMLError, ValueError, AssertionError, AttributeError, IndexError, TypeError) as error:
        # ruamel.yaml trips over some malformed files where it should refuse them
        problem = Problem(what=f"this is not YAML: {error}", where=f"{name}:1:1")
        return unreadable(name, *builder.problems, problem)
    return Document(value=builder.root.value, lines=LineMap(name, builder.root.place), problems=tuple(builder.problems))


def _forbidden_character(text: str, error: ReaderError, name: str) -> Problem:
    before = text[: error.position]
    return Problem(
        what=f"the character U+{ord(text[error.position]):04X} is not allowed",
        remedy='remove it, or write it as an escape inside "…"',
        where=f"{name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}",
    )


def _syntax_error(error: MarkedYAMLError, name: str) -> Problem:
    what = ", ".join(filter(None, (error.context, error.problem))) or "it cannot be read"
    mark = error.problem_mark or error.context_mark
    return Problem(
        what=f"this is not YAML: {what}",
        remedy="indent with spaces" if "\\t" in what else "compare the indentation and the quotes here and above",
        where=f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1",
    )
