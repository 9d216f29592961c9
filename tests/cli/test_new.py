"""`nexo-poller new KIND`. That its package works in an environment of its own, tests/docs/test_tutorial.py shows."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command import environment, nexo_poller

FILES = {
    *("pyproject.toml", "jira_issues_poller.py", "test_jira_issues_poller.py"),
    *("config/pollers.yaml", "source/jira_issues.json"),
}


def files_in(folder: Path) -> set[str]:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()}
    return {name for name in found if not name.endswith(".pyc")}


def test_its_tests_pass_at_once_also_from_the_folder_above_and_with_warnings_as_errors(tmp_path: Path) -> None:
    told = nexo_poller("new", "jira_issues", "made/here", cwd=tmp_path).stdout
    assert files_in(tmp_path / "made" / "here") == FILES
    assert {line.removeprefix("wrote made/here/") for line in told.splitlines()[: len(FILES)]} == FILES
    argv = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_the_next_steps_begin_in_the_folder_of_the_package(tmp_path: Path) -> None:
    elsewhere = nexo_poller("new", "tides", "it's made", cwd=tmp_path).stdout.partition("Next:\n")[2]
    here = nexo_poller("new", "tides", cwd=tmp_path).stdout.partition("Next:\n")[2]
    go, *then = elsewhere.splitlines()
    assert shlex.split(go) == ["cd", "it's made"]
    assert then == here.splitlines()
    assert "  nexo-poller test tides  # " in here


def test_what_it_writes_is_a_configuration_that_wants_nothing_but_the_kind(tmp_path: Path) -> None:
    nexo_poller("new", "tides", cwd=tmp_path)
    problems = nexo_poller("check", cwd=tmp_path, status=1).stderr.splitlines()
    assert len(problems) == 1
    assert "unknown kind 'tides'" in problems[0]


def test_nothing_is_overwritten_and_all_that_is_in_the_way_is_named(tmp_path: Path) -> None:
    tmp_path.joinpath("config").mkdir()
    for name in ("pyproject.toml", "config/pollers.yaml"):
        tmp_path.joinpath(name).write_text("mine")
    refused = nexo_poller("new", "tides", cwd=tmp_path, status=1).stderr
    assert "there is already pyproject.toml, config/pollers.yaml; nothing was written" in refused
    assert "`nexo-poller new tides FOLDER`" in refused
    assert files_in(tmp_path) == {"pyproject.toml", "config/pollers.yaml"}
    assert tmp_path.joinpath("pyproject.toml").read_text() == "mine"


def test_a_file_where_a_folder_belongs_leaves_nothing_written(tmp_path: Path) -> None:
    tmp_path.joinpath("config").write_text("mine")
    assert "config" in nexo_poller("new", "tides", cwd=tmp_path, status=1).stderr
    assert [*tmp_path.rglob("*")] == [tmp_path / "config"]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("rss", "the kind 'rss' is known already"),
        ("Tides", "use 2 to 64 of a-z 0-9 _ and begin with a letter"),
        ("2day", "begin with a letter"),
        ("../tides", "use 2 to 64"),
        ("t", "use 2 to 64"),
        ("reload", "cannot be the id of a job"),
        ("test_mail", "pytest would take the module 'test_mail_poller' for tests"),
    ],
)
def test_a_name_that_would_not_do_is_refused(tmp_path: Path, kind: str, why: str) -> None:
    assert why in nexo_poller("new", kind, cwd=tmp_path, status=2).stderr
    assert files_in(tmp_path) == set()


def test_a_module_that_is_there_already_is_not_hidden(tmp_path: Path) -> None:
    assert "there is a module 'nexo_poller' already" in nexo_poller("new", "nexo", cwd=tmp_path, status=1).stderr
    assert files_in(tmp_path) == set()
