"""The section `admin:` by itself, for those who only look for the daemon."""

from pathlib import Path

import pytest

from nexo_poller.config.binds import TcpBind
from nexo_poller.config.model import AdminSettings
from nexo_poller.config.reading import load_admin
from nexo_poller.errors import ConfigError

WRONG_JOB = "pollers:\n  jobs:\n    - {id: inbox, kind: '${NOT_SET}', schedule: {every_secs: '${file:./gone}'}}\n"
NO_YAML = "pollers: {no: yaml\n"
SECTION = "admin: {bind: '127.0.0.1:9092', token: '${TOKEN}'}\n"
BLOCK = """\
admin:  # for operators

  # a socket would do as well
  bind: 127.0.0.1:9092
# in the environment
  token: ${TOKEN}

"""
ALIASED = "agents: [{id: &name ana}]\nadmin: {hosts: [*name]}\n"
TOKEN = {"TOKEN": "s3cret-token"}
SETTINGS = AdminSettings(bind=TcpBind("127.0.0.1", 9092), token=TOKEN["TOKEN"])


def write(folder: Path, text: str) -> Path:
    folder.joinpath("pollers.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        f"{WRONG_JOB}chanels: {{}}\n{SECTION}",
        f"{SECTION}{WRONG_JOB}",
        f"{WRONG_JOB}{BLOCK}agents: []\n",
        f"{NO_YAML}{BLOCK}",
        "{'admin': {'bind': '127.0.0.1:9092', 'token': '${TOKEN}'}, 'pollers': 5}",
        "admin: {\n  bind: '127.0.0.1:9092',\n  token: '${TOKEN}'\n}\n",
    ],
)
def test_it_is_read_whatever_is_wrong_elsewhere_and_whatever_jobs_would_need(tmp_path: Path, text: str) -> None:
    assert load_admin(write(tmp_path, text), TOKEN) == SETTINGS


def test_it_may_speak_of_what_stands_elsewhere(tmp_path: Path) -> None:
    assert load_admin(write(tmp_path, ALIASED)) == AdminSettings(hosts=("ana",))


@pytest.mark.parametrize("text", ["", WRONG_JOB, NO_YAML, "# admin: {}\n", "pollers:\n  admin: {}\n", "admin:\n"])
def test_without_one_everything_is_as_by_default(tmp_path: Path, text: str) -> None:
    assert load_admin(write(tmp_path, text)) == AdminSettings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{WRONG_JOB}{SECTION}", r"pollers\.yaml:4:.*TOKEN"),
        ("admin:\n  bimd: x\n", r"pollers\.yaml:2:.*bimd"),
        (f"pollers: {{}}\n\n{SECTION}{SECTION}", r"pollers\.yaml:4:"),
        ("admin: {no: yaml", r"pollers\.yaml:1:"),
        ("- admin\n", r"pollers\.yaml:1:"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_admin(write(tmp_path, text), {})


def test_no_file_has_none(tmp_path: Path) -> None:
    assert load_admin(tmp_path / "nowhere") is None
