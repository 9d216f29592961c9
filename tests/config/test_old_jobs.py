"""The jobs of an old gmail-poller.yaml."""

from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve
from config_folders import ANA, ANA_YAML, ENV, FOLDER, KINDS, OLD_GMAIL, POLLERS, folder, read, told

from nexo_poller.config.binding import bind_jobs, check_reading
from nexo_poller.config.crosscheck import check_accounts
from nexo_poller.config.model import Config
from nexo_poller.config.reading import Reading, load_config, read_config
from nexo_poller.credentials import ConfiguredCredentials
from nexo_poller.errors import CredentialsMissing
from nexo_poller.schedule import Every

OLD = "plugins/gmail-poller.yaml"
WITH_WHATSAPP = ANA_YAML.replace("telegram: ana_bot", "telegram: ana_bot, whatsapp: personal")
MOVED = """\
    - id: gmail_legacy_Lead_Alert
      kind: gmail
      agent: ana
      schedule: {every_secs: 7}
      config: {query: x, message_template: x, deliver: {channel: telegram, to: '1'}}
"""


def old(path: Path, text: str = OLD_GMAIL, **files: str) -> Config:
    return read(path, {OLD: text, **files}).accepted()


def test_an_old_job_becomes_one_of_kind_gmail(tmp_path: Path) -> None:
    config = old(tmp_path)
    _, job = config.jobs
    assert (job.id, job.kind, job.agent) == ("gmail_legacy_Lead_Alert", "gmail", "ana")
    assert job.schedule == Every(timedelta(seconds=30))
    assert job.config == {
        "query": "is:unread",
        "message_template": "Lead {name}\n{snippet}\n",
        "deliver": {"channel": "whatsapp", "to": "573@s.whatsapp.net"},
    }
    assert told(config.warnings, tmp_path) == [
        (
            f"{OLD}:6:7: the old job 'Lead Alert' runs as 'gmail_legacy_Lead_Alert' "
            "(run `nexo-poller migrate gmail`, then delete this file)"
        )
    ]
    assert [bound.spec.id for bound in bind_jobs(config, KINDS)[0]] == ["first", "gmail_legacy_Lead_Alert"]


def test_every_key_of_an_old_job_arrives(tmp_path: Path) -> None:
    more = {
        "newer_than": "1d",
        "max_per_tick": 5,
        "dispatch_delay_ms": 10,
        "sender_allowlist": ["@a.example"],
        "extract": {"name": "x(.)"},
        "require_fields": ["name"],
        "mark_read_on_dispatch": False,
    }
    text = OLD_GMAIL + "".join(f"      {key}: {value!r}\n" for key, value in more.items()).replace("False", "false")
    _, job = old(tmp_path, text + "      interval_secs: 0.5\n").jobs
    assert job.schedule == Every(timedelta(seconds=1))
    assert {key: job.config[key] for key in more} == more


@pytest.mark.parametrize(
    ("name", "job_id"), [("a b/c", "a_b_c"), ("ä.ß", "___"), ("A-z_09", "A-z_09"), ("x" * 200, None)]
)
def test_other_characters_of_a_name_become_underscores(tmp_path: Path, name: str, job_id: str | None) -> None:
    reading = read(tmp_path, {OLD: OLD_GMAIL.replace("Lead Alert", name)})
    ids = [job.id for job in reading.config.jobs[1:]]
    assert ids == ([] if job_id is None else [f"gmail_legacy_{job_id}"])
    assert bool(reading.refusals) is (job_id is None)


def test_the_agent_is_the_accounts_own_or_called_like_it(tmp_path: Path) -> None:
    text = OLD_GMAIL.replace(f"id: {ANA}, agent_id: ana", "id: bob").replace(f"account: {ANA}", "account: bob")
    assert old(tmp_path, text).jobs[1].agent == "bob"


def test_a_job_of_that_id_in_pollers_yaml_wins(tmp_path: Path) -> None:
    config = old(tmp_path, **{"pollers.yaml": POLLERS + MOVED})
    assert [(job.id, job.schedule) for job in config.jobs[1:]] == [
        ("gmail_legacy_Lead_Alert", Every(timedelta(seconds=7)))
    ]
    assert told(config.warnings, tmp_path) == [
        f"{OLD}:6:7: the job 'gmail_legacy_Lead_Alert' runs instead of the old 'Lead Alert' (delete the old one)"
    ]


def test_a_job_of_an_account_that_is_not_listed_is_left_out_with_a_warning(tmp_path: Path) -> None:
    config = old(tmp_path, OLD_GMAIL.replace(f"account: {ANA}", "account: somebody-else"))
    assert [job.id for job in config.jobs] == ["first"]
    assert told(config.warnings, tmp_path) == [
        f"{OLD}:6:7: the old job 'Lead Alert' is left out: its account is not listed (list it under accounts:)"
    ]


def test_a_file_that_is_not_enabled_has_no_jobs(tmp_path: Path) -> None:
    config = old(tmp_path, OLD_GMAIL.replace("interval_secs: 30", "enabled: false"))
    assert (len(config.jobs), config.warnings) == (1, ())


def test_two_old_jobs_that_come_to_one_id_refuse_the_boot(tmp_path: Path) -> None:
    second = OLD_GMAIL.split("  jobs:\n")[1].replace("Lead Alert", "Lead?Alert")
    (problem,) = told(read(tmp_path, {OLD: OLD_GMAIL + second}).refusals, tmp_path)
    assert problem.startswith(f"{OLD}:14:7: job 'gmail_legacy_Lead_Alert': the id")


def test_a_faulty_old_job_is_rejected_alone_and_every_problem_has_its_place_in_the_old_file(tmp_path: Path) -> None:
    text = OLD_GMAIL.replace('"is:unread"', "5").replace("plugin.outbound.whatsapp.personal", "whatsapp")
    config = old(tmp_path, text)
    (rejected,) = config.rejected
    assert (rejected.id, rejected.kind, len(config.jobs)) == ("gmail_legacy_Lead_Alert", "gmail", 1)
    assert told(rejected.problems, tmp_path) == [
        f"{OLD}:8:14: job 'gmail_legacy_Lead_Alert': 'query' must be text, not the number 5 (put it in quotes)",
        (
            f"{OLD}:9:27: job 'gmail_legacy_Lead_Alert': 'forward_to_subject' names no channel "
            "(write plugin.outbound.<channel>.<account>)"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (OLD_GMAIL.replace("whatsapp.personal", "sms"), "9:27"),
        (OLD_GMAIL + "      newer_than: 1d\n", "14:7"),
        (OLD_GMAIL + "      interval_secs: 1000000000\n", "14:22"),
    ],
)
def test_what_is_wrong_with_the_new_job_has_its_place_in_the_old_file(tmp_path: Path, text: str, place: str) -> None:
    found = told(check_reading(read(tmp_path, {OLD: text}), KINDS), tmp_path)
    assert f"{OLD}:{place}" in [problem.split(": ")[0] for problem in found]


def test_an_agent_without_accounts_takes_those_of_the_old_file(tmp_path: Path) -> None:
    files = {**FOLDER, OLD: OLD_GMAIL, "agents.d/ana.yaml": "agents: [{id: ana}]\n", "plugins/google-auth.yaml": ""}
    reading = read(tmp_path, files)
    assert reading.config.agents == {"bob": {"telegram": "bob_bot"}, "ana": {"google": ANA, "whatsapp": "personal"}}
    assert [account.token_path for account in reading.config.google_accounts] == [tmp_path / "plugins" / "ana.json"]
    assert reading.config.where(("google_auth", "990afb20cc204480")) == f"{tmp_path / OLD}:4:7"
    problems = check_reading(evolve(reading, config=evolve(reading.config, jobs=reading.config.jobs[1:])), KINDS)
    assert [problem for problem in problems if not problem.is_warning] == []


def test_an_account_that_the_agent_has_wins_over_that_of_the_old_file_which_is_told(tmp_path: Path) -> None:
    config = old(tmp_path, **{"agents.d/ana.yaml": WITH_WHATSAPP.replace("personal", "work")})
    assert config.agents is not None
    assert config.agents["ana"]["whatsapp"] == "work"
    assert told(config.warnings[1:], tmp_path) == [
        (
            f"{OLD}:9:27: the old job 'Lead Alert' names another account on channel 'whatsapp' than its agent has "
            "(its messages go out by the agent's own)"
        )
    ]


def test_a_folder_with_nothing_but_an_old_file_and_agents_works(tmp_path: Path) -> None:
    folder(tmp_path, {OLD: OLD_GMAIL})
    tmp_path.joinpath("pollers.yaml").unlink()
    config = load_config(tmp_path, {"KEY": "x"})
    assert config is not None
    assert [job.id for job in config.jobs] == ["gmail_legacy_Lead_Alert"]


def without_agents(path: Path, text: str = OLD_GMAIL) -> Reading:
    """A folder that has never heard of agents."""
    folder(path, {OLD: text, "pollers.yaml": POLLERS.replace("agent: ana", "agent: somebody")})
    for name in ("agents.yaml", "agents.d/ana.yaml", "plugins/google-auth.yaml"):
        path.joinpath(name).unlink()
    reading = read_config(path, ENV)
    assert reading is not None
    return reading


async def test_without_any_agents_an_old_job_acts_for_its_account_and_its_siblings_run(tmp_path: Path) -> None:
    reading = without_agents(tmp_path)
    bound, rejected = bind_jobs(reading.config, KINDS)
    assert ([job.spec.id for job in bound], rejected) == (["first", "gmail_legacy_Lead_Alert"], [])
    assert [problem for problem in check_reading(reading, KINDS) if not problem.is_warning] == []
    assert (await ConfiguredCredentials(reading.config).get("ana", "google"))["account_id"] == ANA
    with pytest.raises(CredentialsMissing):
        await ConfiguredCredentials(reading.config).get("somebody", "google")


def test_without_any_agents_an_account_on_a_channel_is_told_to_be_bound(tmp_path: Path) -> None:
    assert told(without_agents(tmp_path).config.warnings[1:], tmp_path) == [
        (
            f"{OLD}:9:27: the old job 'Lead Alert' names an account on channel 'whatsapp', to which no `agents:` binds its "
            "agent (its messages go out by any; add 'whatsapp: <account>' to the credentials of agent 'ana')"
        )
    ]


def test_paths_outside_accounts_are_those_of_the_only_account(tmp_path: Path) -> None:
    paths = "  token_path: ana.json\n  client_id_path: client_id\n  client_secret_path: client_secret\n"
    text = f"gmail_poller:\n{paths}  jobs:\n" + OLD_GMAIL.split("  jobs:\n")[1].replace(f"      account: {ANA}\n", "")
    reading = without_agents(tmp_path, text)
    assert [(account.agent_id, account.token_path.name) for account in reading.config.google_accounts] == [
        ("default", "ana.json")
    ]
    assert [job.spec.agent for job in bind_jobs(reading.config, KINDS)[0][1:]] == ["default"]


def test_accounts_of_a_file_that_is_not_enabled_or_of_agents_that_there_are_not_stop_nobody(tmp_path: Path) -> None:
    (tmp_path / "off").mkdir()
    (tmp_path / "lost").mkdir()
    lost = OLD_GMAIL.replace(ANA, "lost").replace("agent_id: ana", "agent_id: nobody").replace("ana.json", "gone.json")
    off = lost.replace("nobody", "bob").replace("interval_secs: 30", "enabled: false")
    assert check_reading(read(tmp_path / "off", {OLD: off}), KINDS) == ()
    reading = read(tmp_path / "lost", {OLD: lost})
    assert check_accounts(reading.config) == ()
    assert [job.id for job in bind_jobs(reading.config, KINDS)[1]] == ["gmail_legacy_Lead_Alert"]
