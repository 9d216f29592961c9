"""`nexo-poller check` and `nexo-poller schema`."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from command import ROOT, nexo_poller
from job_files import api_job, write_config
from ruamel.yaml import YAML

URL = "http://127.0.0.1:9/"
PAST = {"at": "2001-01-01T00:00:00Z"}
MISTAKES = """\
pollers:
  jobs:
    - id: unknown-key
      kind: rss
      agent: ana
      schedle: {every_secs: 60}
      schedule: {every_secs: 60}
      config: {feed_url: "https://x.example/", deliver: {channel: inbox, to: ana}}
    - id: missing-key
      kind: rss
      agent: ana
      schedule: {every_secs: 60}
      config: {deliver: {channel: inbox, to: ana}}
    - id: wrong-type
      kind: rss
      agent: ana
      schedule: {every_secs: 60}
      config: {feed_url: "https://x.example/", max_per_tick: many, deliver: {channel: inbox, to: ana}}
    - id: unknown-key
      kind: rss
      agent: ana
      schedule: {every_secs: 60}
      config: {feed_url: "https://x.example/", deliver: {channel: inbox, to: ana}}
    - id: five-fields
      kind: rss
      agent: ana
      schedule: {cron: "0 9 * * *"}
      config: {feed_url: "https://x.example/", deliver: {channel: inbox, to: ana}}
    - id: unknown-tz
      kind: rss
      agent: ana
      schedule: {cron: "0 0 9 * * *", tz: Europe/Berlln}
      config: {feed_url: "https://x.example/", deliver: {channel: inbox, to: ana}}
    - id: bad-at
      kind: rss
      agent: ana
      schedule: {at: "tomorrow"}
      config: {feed_url: "https://x.example/", deliver: {channel: inbox, to: ana}}
    - id: unknown-kind
      kind: rsss
      agent: ana
      schedule: {every_secs: 60}
    - id: unset-variable
      kind: rss
      agent: ana
      schedule: {every_secs: 60}
      config: {feed_url: "https://${NOT_SET_ANYWHERE}/", deliver: {channel: inbox, to: ana}}
    - id: not-a-number
      kind: rss
      agent: ana
      schedule: {every_secs: .nan}
      config: {feed_url: "https://x.example/", deliver: {channel: inbox, to: ana}}
    - id: a space
      kind: rss
      agent: ana
      schedule: {every_secs: 60}
      config: {feed_url: "https://x.example/", deliver: {channel: inbox, to: ana}}
"""
FOUND = [  # (line of MISTAKES, what is said about it)
    (6, "schedle"),
    (13, "feed_url"),
    (18, "many"),
    (19, "unknown-key"),
    (27, "0 9 * * *"),
    (32, "Europe/Berlln"),
    (37, "tomorrow"),
    (40, "rsss"),
    (47, "NOT_SET_ANYWHERE"),
    (51, "nan"),
    (53, "a space"),
]


def test_a_sound_file_exits_with_0_and_says_so(tmp_path: Path) -> None:
    write_config(tmp_path, api_job(URL))
    assert "1 job, no problems" in nexo_poller("check", cwd=tmp_path).stdout
    assert json.loads(nexo_poller("check", "--json", cwd=tmp_path).stdout) == {
        "ok": True,
        "errors": [],
        "warnings": [],
    }


def test_every_mistake_is_told_with_its_line_and_exits_with_1(tmp_path: Path) -> None:
    tmp_path.joinpath("pollers.yaml").write_text(MISTAKES)
    told = nexo_poller("check", "--config", "pollers.yaml", cwd=tmp_path, status=1).stderr
    for line, what in FOUND:
        assert [said for said in told.splitlines() if said.startswith(f"pollers.yaml:{line}:") and what in said], (
            line,
            what,
            told,
        )
    assert len(told.splitlines()) == len(FOUND)


def test_problems_in_json_have_their_parts(tmp_path: Path) -> None:
    tmp_path.joinpath("pollers.yaml").write_text(MISTAKES)
    told = json.loads(nexo_poller("check", "--config", ".", "--json", cwd=tmp_path, status=1).stdout)
    assert told["ok"] is False
    assert len(told["errors"]) == len(FOUND)
    unknown = next(error for error in told["errors"] if "rsss" in error["what"])
    assert unknown["where"].startswith("pollers.yaml:40:")
    assert unknown["job"] == "unknown-kind"
    assert "rss" in unknown["remedy"]


def test_warnings_alone_exit_with_2_and_strictly_with_1(tmp_path: Path) -> None:
    write_config(tmp_path, {**api_job(URL), "schedule": PAST})
    assert "warning: " in nexo_poller("check", cwd=tmp_path, status=2).stderr
    assert "warning: " in nexo_poller("check", "--strict", cwd=tmp_path, status=1).stderr
    told = json.loads(nexo_poller("check", "--json", cwd=tmp_path, status=2).stdout)
    assert (len(told["errors"]), len(told["warnings"])) == (0, 1)


@pytest.mark.parametrize("text", ["", "# to be written\n", "pollers:\n", "pollers:\n  jobs: []\n"])
def test_a_file_without_jobs_is_told_what_is_missing(tmp_path: Path, text: str) -> None:
    tmp_path.joinpath("pollers.yaml").write_text(text)
    (told,) = nexo_poller("check", "--config", "pollers.yaml", cwd=tmp_path, status=2).stderr.splitlines()
    assert re.match(r"pollers\.yaml:\d:\d+: warning: there are no jobs: nothing would run \(list them below", told)


def test_a_broken_entry_point_is_a_problem_that_names_its_distribution(tmp_path: Path) -> None:
    info = tmp_path / "acme_pollers-1.2.dist-info"  # `python -m` looks into the folder it is started in
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: acme-pollers\nVersion: 1.2\n")
    info.joinpath("entry_points.txt").write_text("[nexo_poller.pollers]\njira = acme_missing:Jira\n")
    write_config(tmp_path, api_job(URL))
    told = nexo_poller("check", cwd=tmp_path, status=1).stderr
    assert "acme-pollers 1.2" in told


def test_a_path_that_is_not_there_is_said_with_exit_code_2(tmp_path: Path) -> None:
    assert "nowhere" in nexo_poller("check", "--config", "nowhere", cwd=tmp_path, status=2).stderr


def test_a_value_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    write_config(tmp_path, {**api_job(URL), "kind": "\x1b[2Jrss"})
    assert "\x1b" not in nexo_poller("check", cwd=tmp_path, status=1).stderr


@pytest.mark.parametrize(("text", "is_valid"), [("", True), (MISTAKES, False)])
def test_the_schema_tells_a_sound_file_from_a_wrong_one(tmp_path: Path, text: str, is_valid: bool) -> None:
    schema = json.loads(nexo_poller("schema", cwd=tmp_path).stdout)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    document = YAML(typ="safe").load(text or ROOT.joinpath("examples/config/pollers.yaml").read_text())
    assert validator(schema).is_valid(document) is is_valid


def test_check_and_schema_know_the_kinds_of_plugins_and_check_names_all_that_is_wrong_with_them(tmp_path: Path) -> None:
    job = api_job(URL, "issues") | {"kind": "jira", "config": {"any": "thing"}}
    write_config(tmp_path, job)
    plugins = tmp_path / "config" / "plugins"
    for name, kinds in (("acme", '"jira"'), ("rival", '"jira", "rss"')):
        (plugins / name).mkdir(parents=True)
        poller = f'[plugin.poller]\nkinds = [{kinds}]\nbroker_topic_prefix = "plugin.{name}"\n'
        entrypoint = '[plugin.entrypoint]\ncommand = "cat"\n'
        (plugins / name / "nexo-plugin.toml").write_text(
            f'[plugin]\nid = "{name}"\nversion = "1"\n{entrypoint}{poller}'
        )
    told = nexo_poller("check", cwd=tmp_path, status=1).stderr
    twice, taken = told.splitlines()
    assert twice == (
        "config/plugins/rival/nexo-plugin.toml:7:9: the kind 'jira' of plugin 'rival' is owned by plugin 'acme' already "
        "(remove one of the two; the other stands at config/plugins/acme/nexo-plugin.toml:7:9)"
    )
    assert taken == (
        "config/plugins/rival/nexo-plugin.toml:7:9: the kind 'rss' of plugin 'rival' is owned by "
        "nexo_poller.builtins.rss.RssPoller of this process already (remove it here, or do not register the other)"
    )
    (plugins / "rival" / "nexo-plugin.toml").unlink()
    nexo_poller("check", cwd=tmp_path)
    schema = json.loads(nexo_poller("schema", cwd=tmp_path).stdout)
    document = YAML(typ="safe").load(tmp_path / "config" / "pollers.yaml")
    assert jsonschema.validators.validator_for(schema)(schema).is_valid(document)
