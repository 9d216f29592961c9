"""`nexo-poller migrate gmail`."""

from pathlib import Path

from command import nexo_poller

POLLERS = """\
# ours
pollers: # all of them
  jobs: []
channels: {"*": stdout}
"""
OLD = """\
gmail_poller:
  accounts: [{id: ana, token_path: t, client_id_path: i, client_secret_path: s}]
  jobs:
    - {name: a lead, account: ana, query: "x", forward_to_subject: plugin.outbound.telegram, forward_to: "1", message_template: "{id}"}
"""
FAULTY = "    - {name: faulty, account: ana}\n"
MOVED = "config/pollers.yaml: gmail_legacy_a_lead\n"
DELETE = "delete config/plugins/gmail-poller.yaml, in which nothing is left to move, and run `nexo-poller check`\n"


def folder(path: Path, old: str = OLD) -> Path:
    path.joinpath("config", "plugins").mkdir(parents=True)
    path.joinpath("config", "plugins", "gmail-poller.yaml").write_text(old)
    file = path.joinpath("config", "pollers.yaml")
    file.write_text(POLLERS)
    return file


def test_jobs_are_moved_once_and_what_is_left_to_do_is_told(tmp_path: Path) -> None:
    file = folder(tmp_path)
    assert nexo_poller("migrate", "gmail", cwd=tmp_path).stdout == MOVED + DELETE
    moved = file.read_text()
    assert moved.startswith("# ours\npollers: # all of them\n")
    assert "gmail_legacy_a_lead" in moved
    assert nexo_poller("migrate", "gmail", cwd=tmp_path).stdout == DELETE
    assert file.read_text() == moved


def test_a_dry_run_shows_the_difference_and_makes_none(tmp_path: Path) -> None:
    file = folder(tmp_path)
    shown = nexo_poller("migrate", "gmail", "--dry-run", cwd=tmp_path).stdout
    assert shown.startswith("--- config/pollers.yaml\n+++ config/pollers.yaml\n@@")
    assert "gmail_legacy_a_lead" in shown
    assert file.read_text() == POLLERS


def test_a_job_that_cannot_run_stays_and_the_old_file_is_not_to_be_deleted(tmp_path: Path) -> None:
    folder(tmp_path, OLD + FAULTY)
    told = nexo_poller("migrate", "gmail", cwd=tmp_path).stdout
    assert told.startswith(MOVED + "config/plugins/gmail-poller.yaml: 'faulty' stays")
    assert "delete" not in told


def test_without_an_old_file_there_is_nothing_to_move(tmp_path: Path) -> None:
    folder(tmp_path).parent.joinpath("plugins", "gmail-poller.yaml").unlink()
    assert "gmail-poller.yaml" in nexo_poller("migrate", "gmail", cwd=tmp_path, status=2).stderr


def test_every_translated_id_is_told_by_check(tmp_path: Path) -> None:
    folder(tmp_path)
    told = nexo_poller("check", cwd=tmp_path, status=1).stderr
    assert "warning: the old job 'a lead' runs as 'gmail_legacy_a_lead'" in told
