import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from poller_files import job, jobs, written

import nexo_poller
from nexo_poller.config import files as config_files
from nexo_poller.config.reading import load_config, read_config
from nexo_poller.config.worker import parse_in_worker
from nexo_poller.config.yaml_text import parse_yaml

PACKAGE_FOLDER = str(Path(nexo_poller.__file__).parent.parent)


def big_file(folder: Path, *faulty: str) -> Path:
    entries = [job(f"job-{number}", extra='{"note": "${NOTE} ' + "x" * 350 + '"}') for number in range(600)]
    file = written(folder, jobs(*entries, *faulty))
    assert file.stat().st_size > 300_000
    return file


def test_a_big_file_says_the_same_through_the_worker_as_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = big_file(tmp_path, job("bad", misfire="never"), job("job-0"))
    through_worker = read_config(file, {"NOTE": "a note"})
    assert "nexo_poller.config.worker" in sys.modules
    monkeypatch.setattr(config_files, "PARSED_HERE", 10**9)
    here = read_config(file, {"NOTE": "a note"})
    assert through_worker is not None
    assert here is not None
    assert len(here.config.jobs) == 599
    assert len(here.problems) == 2
    assert evolve(through_worker, faulty=()) == evolve(here, faulty=())
    assert through_worker.config.where(("pollers", "jobs", 7, "id")) == f"{file}:10:12"


def test_the_worker_gives_what_parsing_here_gives() -> None:
    text = "a: [1, x, .nan]\nb: &b {c: ä}\nd: *b\nd: 2\n"
    there, here = parse_in_worker(text, "f"), parse_yaml(text, "f")
    assert (there.value, there.problems) == (here.value, here.problems)
    assert there.lines.where(("d", "c")) == here.lines.where(("d", "c")) == "f:2:11"


def test_text_that_is_no_yaml_is_the_same_problem_through_the_worker() -> None:
    assert parse_in_worker("[", "f").problems == parse_yaml("[", "f").problems


PROGRAM = """
import sys
sys.path.insert(0, {package!r})
from pathlib import Path
from nexo_poller.config.reading import load_config
assert __name__ == "__main__"
print(len(load_config(Path({file!r}), {{"NOTE": "x"}}).jobs), flush=True)
"""


@pytest.mark.parametrize("how", ["script", "stdin", "command"])
def test_any_program_may_load_a_big_file_without_a_main_guard(tmp_path: Path, how: str) -> None:
    program = PROGRAM.format(package=PACKAGE_FOLDER, file=str(big_file(tmp_path)))
    script = tmp_path / "embedder.py"
    script.write_text(program)
    (tmp_path / "pickle.py").write_text("raise SystemExit('what lies in the working directory was imported')")
    arguments = {"script": [str(script)], "stdin": ["-"], "command": ["-c", program]}[how]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        input=program if how == "stdin" else "",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("600\n", "")


def test_without_an_interpreter_to_start_the_file_is_parsed_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "")
    config = load_config(big_file(tmp_path), {"NOTE": "x"})
    assert config is not None
    assert len(config.jobs) == 600


def test_a_worker_that_dies_is_a_problem_with_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\necho first >&2\necho 'no memory' >&2\nexit 3\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    (problem,) = parse_in_worker("a: 1", "f").problems
    assert str(problem) == "f:1:1: the process that parses it ended with 3: no memory (try again)"
