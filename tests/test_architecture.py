"""The floors of the house, and what comes through its front door."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_origin

import pytest

import nexo_poller
import nexo_poller.plugins
import nexo_poller.testing

PACKAGE: Final = Path(nexo_poller.__file__).parent
FRONT_DOOR: Final = "nexo_poller"
DOORS: Final = (nexo_poller, nexo_poller.plugins, nexo_poller.testing)

# From top to bottom. A room uses only the rooms below it; those on one floor know nothing of each other.
FLOORS: Final = (
    {"__main__"},
    {"cli", "testing"},
    {"admin"},
    {"logs"},
    {"tools"},
    {FRONT_DOOR},
    {"shapes"},
    {"runner"},
    {"builtins", "channels", "kinds", "plugins"},
    {"google", "llm"},
    {"host", "http"},
    {"store", "event"},
    {"broker"},
    {
        *(
            "ack",
            "alerts",
            "audit",
            "backoff",
            "breaker",
            "clock",
            "config",
            "credentials",
            "cron",
            "daylight",
            "dotted",
        ),
        *("errors", "failures"),
        *(
            "masking",
            "of_type",
            "on_demand",
            "plan",
            "poller",
            "schedule",
            "seen",
            "slots",
            "state",
            "template",
            "timetable",
            "tool",
            "walltimes",
            "words",
        ),
    },
)
PURE: Final = FLOORS[-1] | {"event"}  # which makes messages, a broker's word, and is as pure
PURE_MODULES: Final = {f"nexo_poller.plugins.{name}" for name in ("members", "router", "ticks", "wire")}
IMPURE: Final = {
    *("trio", "asyncio", "threading", "concurrent", "socket", "ssl", "http", "httpx", "httpcore", "sqlite3", "apsw"),
    *("time", "random", "secrets"),
}
READS_A_CLOCK: Final = {"now", "utcnow", "today"}
LOADED_WHEN_USED: Final = (
    *(
        "quart",
        "quart_trio",
        "hypercorn",
        "prometheus_client",
        "feedparser",
        "selectolax",
        "ruamel",
        "apprise",
        "nats",
        "trio_asyncio",
        "jsonschema",
    ),
    *("anthropic", "authlib", "httpx2", "openai"),
    *("rich", "click", "pygments"),  # which httpx loads wherever they are installed
)


def module_name(file: Path) -> str:
    return ".".join((FRONT_DOOR, *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES: Final = {module_name(file): ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    return [*module.split("."), FRONT_DOOR][1]


def floor(module: str) -> int:
    """Counted from the top."""
    return next(n for n, rooms in enumerate(FLOORS) if room(module) in rooms)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = str(node.module)
            names = [f"{parent}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else parent for name in names)


def at_run_time(tree: ast.Module) -> ast.Module:
    """`tree` without what only a type checker sees."""
    for_checkers = [
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return ast.Module(body=[node for node in tree.body if node not in for_checkers], type_ignores=[])


def clocks_read(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READS_A_CLOCK:
            yield ast.unparse(node)


def test_every_room_has_its_floor() -> None:
    assert {room(module) for module in MODULES} == set().union(*FLOORS)


def test_imports_are_absolute() -> None:
    nodes = [node for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [node.module for node in nodes if node.level]


@pytest.mark.parametrize("module", MODULES)
def test_a_room_uses_only_the_rooms_below_it(module: str) -> None:
    ours = [name for name in imports(MODULES[module]) if room(name) != room(module) and name in MODULES]
    if floor(module) == len(FLOORS) - 1:
        assert [name for name in ours if floor(name) != floor(module)] == []
    else:
        assert [name for name in ours if floor(name) <= floor(module)] == []


def test_no_two_modules_need_each_other() -> None:
    needs = {name: set(imports(at_run_time(tree))) & MODULES.keys() - {name} for name, tree in MODULES.items()}
    assert [*TopologicalSorter(needs).static_order()]


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) in PURE or module in PURE_MODULES])
def test_the_pure_floor_does_nothing_but_think(module: str) -> None:
    tree = at_run_time(MODULES[module])
    assert {name.partition(".")[0] for name in imports(tree)} & IMPURE == set()
    assert module == "nexo_poller.clock" or [*clocks_read(tree)] == []


def test_importing_the_library_loads_nothing_that_only_some_users_need() -> None:
    look = f"import sys, nexo_poller; print([name for name in {LOADED_WHEN_USED} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert loaded == "[]\n"


@pytest.mark.parametrize("door", DOORS)
def test_the_list_of_public_names_is_sorted_and_complete(door: ModuleType) -> None:
    imported = [node for node in ast.walk(MODULES[door.__name__]) if isinstance(node, ast.ImportFrom)]
    ours = [
        node for node in imported if str(node.module).startswith(FRONT_DOOR) and "on_demand" not in str(node.module)
    ]
    assert door.__all__ == sorted({alias.name for node in ours for alias in node.names})


@pytest.mark.parametrize("door", DOORS)
def test_names_that_come_when_asked_for_are_seen_before(door: ModuleType) -> None:
    look = f"import {door.__name__} as door; print({{*door.__all__}} - {{*dir(door)}})"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("door", DOORS)
def test_a_name_that_is_not_there_is_told_like_that_of_any_module(door: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{door.__name__}' has no attribute 'PolerRunner'"):
        door.PolerRunner  # noqa: B018 - the look is what is tested


@pytest.mark.parametrize(("door", "name"), [(door, name) for door in DOORS for name in door.__all__])
def test_every_public_name_says_what_it_is_and_so_do_its_methods(door: ModuleType, name: str) -> None:
    value = getattr(door, name)
    assert value.__doc__ or get_origin(value) is Callable, "an alias cannot say it by itself"
    assert [method for method in public_methods(value) if not inspect.getdoc(getattr(value, method))] == []


def public_methods(value: Any) -> list[str]:
    """The public methods and properties of a class, but for a store's: those are explained by the Protocol."""
    if not inspect.isclass(value) or value is nexo_poller.SqliteStore:
        return []
    members = {name: member for name, member in vars(value).items() if not name.startswith("_")}
    return [name for name, member in members.items() if inspect.isroutine(member) or isinstance(member, property)]


def test_the_library_is_typed_for_its_users() -> None:
    assert PACKAGE.joinpath("py.typed").exists()
