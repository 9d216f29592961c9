"""Public names with their docstrings."""

import inspect
from collections.abc import Iterable
from importlib import import_module
from typing import Any


def markdown(package: str, *homes: str) -> str:
    """The names in `__all__` of `package`; where `homes` are given, those that come from these modules."""
    names = import_module(package).__all__
    return described(f"{package}.{name}" for name in names if not homes or home(package, name).startswith(homes))


def home(package: str, name: str) -> str:
    """The module where a public name is defined."""
    module: str = getattr(getattr(import_module(package), name), "__module__", package)
    return module


def described(paths: Iterable[str]) -> str:
    """A heading and a docstring for each of these, such as `nexo_poller.Poller`."""
    return "\n".join(f"## {path.rpartition('.')[2]}\n\n```{{eval-rst}}\n{_directive(path)}\n```\n" for path in paths)


def _directive(path: str) -> str:
    module, _, name = path.rpartition(".")
    value: Any = getattr(import_module(module), name)
    if not inspect.isclass(value):
        return f".. auto{'function' if inspect.isroutine(value) else 'data'}:: {path}"
    options = (":members:", ":member-order: bysource", ":show-inheritance:")
    return "\n   ".join((f".. autoclass:: {path}", *options))
