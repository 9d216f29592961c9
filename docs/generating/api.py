"""Public names with their docstrings."""

import inspect
from collections.abc import Iterable
from importlib import import_module
from typing import Any


def markdown(package: str, *homes: str) -> str:
    """The names in `__all__` of `package`, as they follow each other in the code.

    Where `homes` are given, only those that come from these modules.
    """
    names = [name for name in import_module(package).__all__ if not homes or home(package, name).startswith(homes)]
    in_order = sorted(names, key=lambda name: (home(package, name), _line(getattr(import_module(package), name))))
    return described(f"{package}.{name}" for name in in_order)


def home(package: str, name: str) -> str:
    """The module where a public name is defined."""
    module: str = getattr(getattr(import_module(package), name), "__module__", package)
    return module


def described(paths: Iterable[str]) -> str:
    """A heading and a docstring for each of these, such as `nexo_poller.Poller`."""
    return "\n".join(f"## {path.rpartition('.')[2]}\n\n```{{eval-rst}}\n{_directive(path)}\n```\n" for path in paths)


def _line(value: Any) -> int:
    return inspect.getsourcelines(value)[1] if inspect.isclass(value) or inspect.isroutine(value) else 0


def _directive(path: str) -> str:
    module, _, name = path.rpartition(".")
    value: Any = getattr(import_module(module), name)
    if not inspect.isclass(value):
        return f".. auto{'function' if inspect.isroutine(value) else 'data'}:: {path}"
    signature = "()" if getattr(value, "_is_protocol", False) else ""  # what typing makes up says nothing
    inheritance = [] if value.__bases__ == (object,) or signature else [":show-inheritance:"]
    return "\n   ".join((f".. autoclass:: {path}{signature}", ":members:", ":member-order: bysource", *inheritance))
