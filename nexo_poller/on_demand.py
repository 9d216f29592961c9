"""Names that a package brings along when they are first asked for."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_demand(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` (PEP 562) of a package that is being imported; `homes` has the module of each name.

    What is seen of it are the names of its `__all__`, and not the modules that happen to be loaded.

    Give them to it where no type checker looks: one that sees a `__getattr__` takes every misspelt name for a good one.
    """
    module = sys.modules[package]

    def bring(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=module)
        value = vars(module)[name] = getattr(import_module(homes[name]), name)
        return value

    def names() -> list[str]:
        return sorted({*module.__all__, *(name for name in vars(module) if name.startswith("__"))})

    return bring, names
