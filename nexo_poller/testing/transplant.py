"""A test's poller, on its way into another process."""

import base64
import importlib
import importlib.util
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from nexo_poller.poller import Poller


class Immovable(TypeError):
    """A poller that no other process can be given; the message says why, and what to do."""


def packed(poller: Poller[Any]) -> dict[str, Any]:
    """`poller` as JSON, for `unpacked` in another process. Raises `Immovable`."""
    kind = type(poller)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if "<locals>" in kind.__qualname__:
        raise Immovable(
            f"no other process can import {name}, a class inside a function (move it to the top of its module)"
        )
    if kind.__module__ == "__main__":
        raise Immovable(f"no other process can import {name} from a script (put the class into a module of its own)")
    try:
        pickled = pickle.dumps(poller)
    except Exception as error:  # whatever an attribute of somebody else's raises
        raise Immovable(
            f"no other process can be given this {name}: {type(error).__name__}: {error} (attributes that a poller is made "
            "with must be picklable; open what is not in `lifespan`)"
        ) from error
    return {
        "name": name,
        "module": kind.__module__,
        "file": getattr(sys.modules[kind.__module__], "__file__", None),
        "path": sys.path,
        "pickled": base64.b64encode(pickled).decode(),
    }


def unpacked(parcel: Mapping[str, Any]) -> Poller[Any]:
    """The poller that was `packed`, its module imported as it was there. Raises `Immovable`."""
    sys.path[:] = parcel["path"]
    try:
        _import(parcel["module"], parcel["file"])
        poller: Poller[Any] = pickle.loads(base64.b64decode(parcel["pickled"]))  # noqa: S301 - our own parent's
    except Exception as error:  # importing runs somebody else's code
        raise Immovable(
            f"another process cannot import {parcel['name']} from {parcel['file']}: {type(error).__name__}: {error} "
            "(its module must not need fixtures, or anything else that only pytest gives)"
        ) from error
    return poller


def _import(name: str, file: str | None) -> ModuleType:
    """The module of this name, by its name if that leads to its file, or else by its file, as pytest itself may have."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if file is None or not (error.name and name.startswith(error.name)):
            raise
    else:
        if file is None or module.__file__ is None or Path(module.__file__) == Path(file):
            return module
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
