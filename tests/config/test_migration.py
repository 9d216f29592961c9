"""Moving old jobs into pollers.yaml."""

import json
import os
from pathlib import Path

import pytest
from config_folders import ENV, OLD_GMAIL, POLLERS, folder
from hypothesis import given, settings
from hypothesis import strategies as st
from poller_files import job

from nexo_poller.config.migration import Migration, migration, write_text
from nexo_poller.config.old_gmail import old_job_id
from nexo_poller.config.reading import load_config
from nexo_poller.errors import ConfigError

OLD = "plugins/gmail-poller.yaml"
COMMENTED = f"""\
# ours
pollers:
    default_jitter_ms: 0  # none
    jobs:
      # the blog
      {job("blog")}  # each minute
      # no more jobs
channels:
    "*": stdout  # for now
"""
ENTRY = """\
      - id: gmail_legacy_Lead_Alert
        kind: gmail
        agent: ana
        schedule:
            every_secs: 30
        config:
            query: is:unread
            message_template: |
                Lead {name}
                {snippet}
            deliver:
                channel: whatsapp
                to: ${file:plugins/./recipient}
"""


def migrated(path: Path, pollers: str = COMMENTED, old: str = OLD_GMAIL) -> Migration:
    found = migration(folder(path, {"pollers.yaml": pollers, OLD: old}), ENV)
    assert found is not None
    return found


def test_an_old_job_is_added_and_every_comment_and_line_stays(tmp_path: Path) -> None:
    done = migrated(tmp_path)
    assert done.ids == ("gmail_legacy_Lead_Alert",)
    assert done.after == COMMENTED.replace("channels:", ENTRY + "channels:")
    assert done.before == tmp_path.joinpath("pollers.yaml").read_text() == COMMENTED


def test_what_was_moved_runs_as_before_and_is_not_moved_again(tmp_path: Path) -> None:
    before = load_config(folder(tmp_path, {"pollers.yaml": COMMENTED, OLD: OLD_GMAIL}), ENV)
    done = migrated(tmp_path)
    write_text(done.file, done.after)
    after = load_config(tmp_path, ENV)
    assert before is not None
    assert after is not None
    assert before.jobs == after.jobs
    again = migration(tmp_path, ENV)
    assert again is not None
    assert (again.ids, again.after) == ((), done.after)
    tmp_path.joinpath(OLD).unlink()
    alone = load_config(tmp_path, ENV)
    assert alone is not None
    assert alone.jobs == before.jobs
    assert migration(tmp_path, ENV) is None


def test_what_came_from_outside_is_not_written_down(tmp_path: Path) -> None:
    text = f"Lead ${{WORD:-new}} $${{not}} $${{file:x}} ${{file:{tmp_path}/agents.yaml}} {{name}}"
    old = (
        OLD_GMAIL.replace("agent_id: ana", 'agent_id: "${AGENT}"')
        .replace("Lead {name}", text)
        .replace("plugin.outbound.whatsapp.", "plugin.outbound.${CHANNEL}.")
    )
    path = folder(tmp_path, {OLD: old, "pollers.yaml": COMMENTED})
    done = migration(path, {**ENV, "AGENT": "ana", "CHANNEL": "telegram", "WORD": "hunter2hunter2"})
    assert done is not None
    for written in (
        "agent: ${AGENT}",
        text,
        "channel: ${CHANNEL}",
        "to: ${file:plugins/./recipient}",
    ):
        assert written in done.after
    assert "hunter2" not in done.after
    assert "573@" not in done.after


@pytest.mark.parametrize(
    "pollers",
    [
        "",
        "# nothing\n",
        "pollers:\n",
        "pollers:\n  jobs:\n",
        "pollers: {jobs: []}  # none\n",
        "---\n# nothing yet\n# really",
        POLLERS,
        '{"pollers": {"jobs": []}}',
        "channels: {'*': stdout}\n",
    ],
)
def test_whatever_the_file_looks_like_the_jobs_arrive(tmp_path: Path, pollers: str) -> None:
    done = migrated(tmp_path, pollers)
    write_text(done.file, done.after)
    assert [line for line in pollers.split("\n") if line.startswith("#") and line not in done.after] == []
    config = load_config(tmp_path, ENV)
    assert config is not None
    assert config.jobs[-1].id == "gmail_legacy_Lead_Alert"


def test_without_a_pollers_yaml_there_is_one_afterwards(tmp_path: Path) -> None:
    folder(tmp_path, {OLD: OLD_GMAIL}).joinpath("pollers.yaml").unlink()
    done = migration(tmp_path, ENV)
    assert done is not None
    write_text(done.file, done.after)
    assert tmp_path.joinpath("pollers.yaml").read_text().startswith("pollers:\n  jobs:\n")


def test_a_folder_that_is_refused_is_not_rewritten(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown key 'polers'"):
        migrated(tmp_path, "polers: 1\n")


def test_a_job_that_cannot_be_written_down_as_it_runs_is_left_to_the_operator(tmp_path: Path) -> None:
    old = OLD_GMAIL.replace("plugin.outbound.whatsapp.personal", "${file:./subject}")
    files = {"pollers.yaml": COMMENTED, OLD: old, "plugins/subject": "plugin.outbound.whatsapp.personal"}
    with pytest.raises(ConfigError, match="cannot be rewritten without changing what it says"):
        migration(folder(tmp_path, files), ENV)


def test_the_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("a: 1\n")
    real.chmod(0o640)
    link = tmp_path / "pollers.yaml"
    link.symlink_to(real)
    write_text(link, "a: 2\n")
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("a: 2\n", 0o640)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pollers.yaml", "real.yaml"]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "pollers.yaml"
    file.write_text("a: 1\n")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "b" * 100_000 + "\ud800")
    assert [*tmp_path.iterdir()] == [file]
    assert file.read_text() == "a: 1\n"


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="$"), max_size=20))
def test_whatever_the_texts_are_the_job_stays_what_it_was(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    old = OLD_GMAIL.replace('"is:unread"', json.dumps(text)).replace("Lead Alert", json.dumps(text))
    path = folder(tmp_path_factory.mktemp("folder"), {"pollers.yaml": COMMENTED, OLD: old})
    done = migration(path, ENV)
    assert done is not None
    assert done.ids == (old_job_id(text),)


def test_old_jobs_that_do_not_run_are_left_and_named(tmp_path: Path) -> None:
    faulty = OLD_GMAIL.split("  jobs:\n")[1].replace("Lead Alert", "Faulty").replace("forward_to:", "forward_too:")
    lost = OLD_GMAIL.split("  jobs:\n")[1].replace("Lead Alert", "Lost").replace("account: ", "account: not-")
    done = migrated(tmp_path, old=OLD_GMAIL + faulty + lost)
    assert done.ids == ("gmail_legacy_Lead_Alert",)
    assert done.left == ("Faulty", "Lost")


@pytest.mark.parametrize(
    "pollers",
    [
        "pollers: {jobs: [  # ours\n  # none\n]}\n",
        f"pollers:\n  jobs: [{job('blog').removeprefix('- ')},  # each minute\n  ]\n",
        "# ours\n{}\n# nothing\n",
    ],
)
def test_a_comment_that_would_get_lost_is_left_to_the_operator(tmp_path: Path, pollers: str) -> None:
    with pytest.raises(ConfigError, match="it cannot be rewritten without losing a comment"):
        migrated(tmp_path, pollers)


def test_lines_end_as_they_did(tmp_path: Path) -> None:
    path = folder(tmp_path, {OLD: OLD_GMAIL})
    path.joinpath("pollers.yaml").write_bytes(COMMENTED.replace("\n", "\r\n").encode())
    done = migration(path, ENV)
    assert done is not None
    write_text(done.file, done.after)
    wanted = COMMENTED.replace("channels:", ENTRY + "channels:").replace("\n", "\r\n")
    assert done.file.read_bytes().decode() == wanted


def test_the_file_keeps_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pollers.yaml"
    file.write_text("a: 1\n")
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _, user, group: given.append((user, group)))
    write_text(file, "a: 2\n")
    assert given == [(file.stat().st_uid, file.stat().st_gid)]


def test_what_a_crash_has_left_is_no_obstacle(tmp_path: Path) -> None:
    tmp_path.joinpath(".pollers.yaml.draft").write_text("half of")
    write_text(tmp_path / "pollers.yaml", "a: 2\n")
    assert [file.name for file in tmp_path.iterdir()] == ["pollers.yaml"]
