"""`${…}` inside the texts of a document, resolved after the YAML was parsed, so that no value can add structure.

    ${NAME}            the environment variable; a problem if it is not set
    ${NAME:-default}   the same, or `default` if it is not set or empty; a default holds no `}`
    ${file:./path}     the text of a file, without the line break at its end; relative to the folder of the configuration
    $${                the two characters ${

The result is text, and is not looked at again: a variable whose value contains `${` stays as it is.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from nexo_poller.config.problems import Key
from nexo_poller.config.spelling import did_you_mean
from nexo_poller.errors import Problem

MAX_FILE_BYTES: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?P<body>[^}]*)\}|\$\{")
_VARIABLE: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>.*))?", re.DOTALL)
_FILE: Final = "file:"


class _Unresolved(Exception):
    pass


@define(eq=False)
class Interpolation:
    """Resolves documents; collects what came in (`secrets`), from which `files`, and what was wrong (`problems`).

    `folder` is what paths are relative to.
    """

    env: Mapping[str, str]
    folder: Path
    secrets: set[str] = field(factory=set, init=False)
    problems: list[Problem] = field(factory=list, init=False)
    files: list[tuple[Key, Path]] = field(factory=list, init=False)

    def resolve(self, value: Any, key: Key = ()) -> Any:
        """`value`, with every text in it resolved; keys of mappings stay as they are. Shares nothing with `value`."""
        match value:
            case dict():
                return {name: self.resolve(inner, (*key, name)) for name, inner in value.items()}
            case list():
                return [self.resolve(inner, (*key, index)) for index, inner in enumerate(value)]
            case str() if "${" in value:
                return self._resolve_text(value, key)
            case _:
                return value

    def _resolve_text(self, text: str, key: Key) -> str:
        def replacement(reference: re.Match[str]) -> str:
            if reference[0] == "$${":
                return "${"
            try:
                value = self._look_up(reference["body"])
            except _Unresolved as error:
                what, remedy = error.args
                self.problems.append(Problem(what=what, remedy=remedy, key=key))
                return reference[0]
            self.secrets.add(value)
            if reference["body"].startswith(_FILE):
                self.files.append((key, self.folder / reference["body"].removeprefix(_FILE)))
            return value

        return _REFERENCE.sub(replacement, text)

    def _look_up(self, body: str | None) -> str:
        if body is None:
            raise _Unresolved("${ is not closed", "add the }, or write $${ for the characters themselves")
        if variable := _VARIABLE.fullmatch(body):
            return self._variable(variable["name"], variable["default"])
        if body.startswith(_FILE):
            return self._file(body.removeprefix(_FILE))
        remedy = "write ${NAME}, ${NAME:-default} or ${file:./path}; $${ for the characters themselves"
        raise _Unresolved(f"${{{body}}} cannot be understood", remedy)

    def _variable(self, name: str, default: str | None) -> str:
        value = self.env.get(name, "")
        if default is not None:
            if "${" in default:
                raise _Unresolved(f"the default of ${{{name}}} holds another ${{", "give it a plain text")
            value = value or default
        elif name not in self.env:
            hint = did_you_mean(name, self.env)
            remedy = f"set it, or give a default: ${{{name}:-…}}" + (f"; {hint}" if hint else "")
            raise _Unresolved(f"the environment variable {name} is not set", remedy)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _Unresolved(f"the environment variable {name} is not UTF-8 text", "set it to UTF-8 text") from error
        return value

    def _file(self, path: str) -> str:
        file = self.folder / path
        remedy = f"paths are relative to {self.folder}"
        try:
            if not file.is_file():
                raise _Unresolved(f"there is no file '{path}'", remedy)
            with file.open("rb") as opened:
                content = opened.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise _Unresolved(f"the file '{path}' has more than {MAX_FILE_BYTES // 1024} KB", "name the right file")
            text = content.decode()
        except OSError as error:
            raise _Unresolved(f"the file '{path}' cannot be read: {error.strerror}", remedy) from error
        except UnicodeDecodeError as error:
            raise _Unresolved(f"the file '{path}' is not UTF-8 text", "save it as UTF-8") from error
        except ValueError as error:
            raise _Unresolved(f"'{path}' is no path", remedy) from error
        return text.removesuffix("\n").removesuffix("\r")
