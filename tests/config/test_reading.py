import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from poller_files import GOOD_CONFIG, job, jobs, reading, told, written

from nexo_poller.config.files import MAX_BYTES
from nexo_poller.config.model import Settings
from nexo_poller.config.reading import load_config, read_config
from nexo_poller.config.sections import PollersSection
from nexo_poller.errors import ConfigError
from nexo_poller.poller import Deliver
from nexo_poller.schedule import At, Cron, Every

FULL_FILE = """
schema_version: 3
pollers:
  enabled: false
  state_db: /var/lib/poller.db
  default_jitter_ms: 100
  lease_ttl_factor: 3
  failure_alert_cooldown_secs: 60
  breaker_threshold: 2
  max_concurrent_ticks: 8
  tick_timeout_secs: 1.5
  history_per_job: 10
  max_pending_per_job: 20
  max_delivery_attempts: 3
  jobs:
    - id: first
      kind: pages
      agent: ana
      schedule: {every_secs: 60, stagger_jitter_ms: 5}
      config: {url: "${BASE}/feed"}
      failure_to: {channel: telegram, to: "1"}
      paused_on_boot: true
      misfire: skip
      tick_timeout_secs: 10
      stale_after_secs: 86400
      extra: {owner: [ops]}
    - id: second
      kind: other
      agent: bob
      schedule: {cron: "0 0 9 * * *", tz: Europe/Berlin}
      config:
    - {id: third, kind: other, agent: bob, schedule: {at: 2026-04-26T15:00:00Z}}
    - {id: fourth, kind: other, agent: bob, schedule: {at: "2026-04-26T15:00:00+02:00"}}
agents:
  - id: ana
    credentials: {telegram: ana_bot, google: ana@gmail.com}
  - id: bob
channels:
  telegram.ana_bot: https://hooks.example/${TOKEN}
  "*": stdout
"""


def test_every_key_of_the_file_arrives(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, FULL_FILE), {"BASE": "https://x.example", "TOKEN": "s3cret"})
    assert config is not None
    assert config.settings == Settings(
        enabled=False,
        state_db=Path("/var/lib/poller.db"),
        default_jitter=timedelta(milliseconds=100),
        lease_ttl_factor=3.0,
        failure_alert_cooldown=timedelta(seconds=60),
        breaker_threshold=2,
        max_concurrent_ticks=8,
        tick_timeout=timedelta(seconds=1.5),
        history_per_job=10,
        max_pending_per_job=20,
        max_delivery_attempts=3,
    )
    first, second, third, fourth = config.jobs
    assert (first.id, first.kind, first.agent) == ("first", "pages", "ana")
    assert first.schedule == Every(timedelta(seconds=60), jitter=timedelta(milliseconds=5))
    assert first.config == {"url": "https://x.example/feed"}
    assert first.failure_to == Deliver("telegram", "1")
    assert first.paused_on_boot
    assert first.misfire == "skip"
    assert first.tick_timeout == timedelta(seconds=10)
    assert first.stale_after == timedelta(days=1)
    assert first.extra == {"owner": ["ops"]}
    assert first.key == ("pollers", "jobs", 0)
    assert isinstance(second.schedule, Cron)
    assert (second.config, second.failure_to, second.paused_on_boot, second.misfire) == ({}, None, False, "run")
    assert third.schedule == At(datetime(2026, 4, 26, 15, tzinfo=UTC))
    assert fourth.schedule == At(datetime(2026, 4, 26, 13, tzinfo=UTC))
    assert config.agents == {"ana": {"telegram": "ana_bot", "google": "ana@gmail.com"}, "bob": {}}
    assert config.channels == {"telegram.ana_bot": "https://hooks.example/s3cret", "*": "stdout"}
    assert config.secrets == {"https://x.example", "s3cret", "ana@gmail.com"}
    assert config.where(("pollers", "breaker_threshold")) == f"{tmp_path}/pollers.yaml:9:22"


def test_the_defaults_of_the_file_are_those_of_the_settings() -> None:
    assert PollersSection().settings() == Settings()


@pytest.mark.parametrize("content", ["", "# nothing\n", "pollers:\n", "pollers: {jobs: }\n", "channels:\nagents:\n"])
def test_a_file_that_leaves_everything_out_has_the_defaults_and_no_jobs(tmp_path: Path, content: str) -> None:
    config = reading(tmp_path, content).accepted()
    assert (config.settings, config.jobs, config.agents, config.channels) == (Settings(), (), None, {})


def test_the_path_may_be_the_folder_that_holds_the_file(tmp_path: Path) -> None:
    written(tmp_path, jobs(job("a")))
    config = load_config(tmp_path)
    assert config is not None
    assert [spec.id for spec in config.jobs] == ["a"]


def test_without_a_file_there_is_no_configuration(tmp_path: Path) -> None:
    assert load_config(tmp_path) is None
    assert load_config(tmp_path / "gone.yaml") is None
    assert load_config(tmp_path / "gone" / "deeper") is None


def test_files_for_values_are_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    config = reading(tmp_path, jobs(job(config='{url: "${file:./token}"}'))).accepted()
    assert config.jobs[0].config == {"url": "from-a-file"}


EVERY_MISTAKE = f"""\
pollers:
  default_jitter_ms: -5
  jobz: 1
  lease_ttl_factor: .inf
  jobs:
    - id: unknown-key
      kind: pages
      agent: ana
      schedule: {{every_secs: 60}}
      scedule: 1
      config: {GOOD_CONFIG}
    - id: missing-key
      agent: ana
      schedule: {{every_secs: 60}}
    - id: wrong-type
      kind: pages
      agent: ana
      schedule: {{every_secs: 60}}
      paused_on_boot: "yes"
    - {{id: twice, kind: pages, agent: ana, schedule: {{every_secs: 60}}, config: {GOOD_CONFIG}}}
    - {{id: twice, kind: pages, agent: ana, schedule: {{every_secs: 60}}, config: {GOOD_CONFIG}}}
    - {{id: five-fields, kind: pages, agent: ana, schedule: {{cron: "* * * * *"}}}}
    - {{id: zone, kind: pages, agent: ana, schedule: {{cron: "0 * * * * *", tz: Europe/Berln}}}}
    - {{id: bad-at, kind: pages, agent: ana, schedule: {{at: tomorrow}}}}
    - {{id: unset, kind: pages, agent: "${{NO_SUCH}}", schedule: {{every_secs: 60}}}}
    - {{id: nan, kind: pages, agent: ana, schedule: {{every_secs: .nan}}}}
    - {{id: a space, kind: pages, agent: ana, schedule: {{every_secs: 60}}}}
    - {{kind: pages, agent: ana, schedule: {{every_secs: 60}}}}
    - 5
    - {{id: fine, kind: pages, agent: ana, schedule: {{every_secs: 60}}}}
agents:
  - {{id: ana, credentials: {{telegram: ana_bot}}}}
  - {{id: ana}}
channels: {{telegram: stdot}}
polers: 1
"""
ID_RULE = "use 1 to 128 of A-Z a-z 0-9 _ . - and begin with a letter, a digit or _"


def test_every_problem_is_reported_in_one_go_with_its_place(tmp_path: Path) -> None:
    file = written(tmp_path, EVERY_MISTAKE)
    with pytest.raises(ConfigError) as caught:
        load_config(file, {})
    settings = "enabled, state_db, default_jitter_ms, lease_ttl_factor, failure_alert_cooldown_secs, breaker_threshold, max_concurrent_ticks, tick_timeout_secs, history_per_job, max_pending_per_job, max_delivery_attempts, jobs"
    entry = "id, kind, agent, schedule, config, failure_to, paused_on_boot, misfire, tick_timeout_secs, stale_after_secs, extra"
    assert told(caught.value.problems) == [
        "2:22: 'default_jitter_ms' must be >= 0: -5",
        f"3:3: unknown key 'jobz' (remove it; known keys: {settings})",
        "4:21: .inf is not a finite number (write a number, or quote it to make it text)",
        f"10:7: job 'unknown-key': unknown key 'scedule' (remove it; known keys: {entry})",
        "12:7: job 'missing-key': the key 'kind' is missing (add 'kind: …')",
        "19:23: job 'wrong-type': 'paused_on_boot' must be true or false, not the text 'yes' (write it without quotes; ${…} always gives text)",
        f"21:12: job 'twice': the id 'twice' belongs to the job at {file}:20:12 already (give each job an id of its own)",
        "22:67: job 'five-fields': cron '* * * * *' is not of six fields (the first of six is the second: \"0 * * * * *\")",
        "23:79: job 'zone': unknown tz 'Europe/Berln' (did you mean 'Europe/Berlin'?)",
        "24:60: job 'bad-at': at is 'tomorrow', no RFC 3339 instant (write it like \"2026-04-26T15:00:00Z\")",
        "25:39: job 'unset': the environment variable NO_SUCH is not set (set it, or give a default: ${NO_SUCH:-…})",
        "26:65: job 'nan': .nan is not a finite number (write a number, or quote it to make it text)",
        f"27:12: job 'a space': the id 'a space' is not allowed ({ID_RULE})",
        "28:7: the key 'id' is missing (add 'id: …')",
        f"29:7: the value must be a mapping, not the number 5 (its keys are {entry})",
        f"33:5: the agent 'ana' stands at {file}:32:5 already (remove one of the two)",
        "34:22: what 'telegram' is sent to is no sink (write stdout, an http(s):// URL or another URL)",
        "35:1: unknown key 'polers' (did you mean 'providers'?)",
    ]  # fmt: skip


def test_a_fault_inside_a_well_identified_job_rejects_that_job_alone(tmp_path: Path) -> None:
    config = reading(tmp_path, jobs(job("good"), job("bad", schedule="{every_secs: 0}", misfire="never"))).accepted()
    assert [spec.id for spec in config.jobs] == ["good"]
    (rejected,) = config.rejected
    assert (rejected.id, rejected.kind, rejected.agent) == ("bad", "pages", "ana")
    assert [problem.key[3:] for problem in rejected.problems] == [("schedule", "every_secs"), ("misfire",)]
    assert all(problem.job == "bad" for problem in rejected.problems)


@pytest.mark.parametrize(
    "content",
    [
        jobs(job("a"), job("a")),
        jobs(job("a b")),
        jobs(job("reload")),
        jobs(job("")),
        jobs(job("5")),
        jobs("- 5"),
        "pollers: {breaker_threshold: 0}",
        "pollers: {jobs: 5}",
        "pollers: 5",
        "- 5",
        "agents: {}",
        "agents: [{id: a, credentials: {telegram: a b}}]",
        "channels: {'': stdout}",
        "nope: 1",
        "a: 1\na: 2\n",
        "[",
        b"\xff",
    ],
)
def test_any_other_fault_refuses_the_boot(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        reading(tmp_path, content).accepted()
    assert all(problem.where.startswith(f"{tmp_path}/pollers.yaml:") for problem in caught.value.problems)


@pytest.mark.parametrize("job_id", ["a", "_x", "9", "A.b-c_9", "x" * 128])
def test_an_id_may_be(tmp_path: Path, job_id: str) -> None:
    assert reading(tmp_path, jobs(job(f"'{job_id}'"))).accepted().jobs[0].id == job_id


@pytest.mark.parametrize("job_id", ["", "-a", ".a", "ä", "a/b", "x" * 129, "reload", "events", "a\\n"])
def test_an_id_may_not_be(tmp_path: Path, job_id: str) -> None:
    (problem,) = reading(tmp_path, jobs(job(f'"{job_id}"'))).refusals
    assert problem.key == ("pollers", "jobs", 0, "id")


@pytest.mark.parametrize("account", ["ana_bot", "ana@gmail.com", "+49123", "ä"])
def test_an_account_may_be(tmp_path: Path, account: str) -> None:
    text = f"agents: [{{id: ana, credentials: {{telegram: '{account}'}}}}]"
    assert reading(tmp_path, text).accepted().agents == {"ana": {"telegram": account}}


@pytest.mark.parametrize("account", ["", "a b", "a*", ">", ".a", "a.", "a..b", "a\\tb"])
def test_an_account_may_not_be_and_is_not_shown(tmp_path: Path, account: str) -> None:
    (problem,) = reading(tmp_path, f'agents: [{{id: ana, credentials: {{telegram: "{account}"}}}}]').refusals
    assert problem.key == ("agents", 0, "credentials", "telegram")
    assert problem.what == "the account on channel 'telegram' cannot be part of a topic"


@pytest.mark.parametrize("route", ["telegram", "telegram.ana@gmail.com", "'*'"])
@pytest.mark.parametrize("sink", ["stdout", "https://x.example/{to}?a=b", "tgram://token/chat"])
def test_a_channel_may_go_to(tmp_path: Path, route: str, sink: str) -> None:
    assert reading(tmp_path, f"channels: {{{route}: '{sink}'}}").accepted().channels == {route.strip("'"): sink}


@pytest.mark.parametrize(
    ("route", "sink"), [("tele gram", "stdout"), ("a.", "stdout"), ("a.*", "stdout"), ("a", "x"), ("a", "https://a b")]
)
def test_a_channel_may_not_go_to(tmp_path: Path, route: str, sink: str) -> None:
    (problem,) = reading(tmp_path, f"channels: {{'{route}': '{sink}'}}").refusals
    assert problem.key == ("channels", route)
    assert sink not in f"{problem}" or sink == "x"


def test_an_instant_that_is_past_is_a_warning_to_those_who_know_the_time(tmp_path: Path) -> None:
    file = written(
        tmp_path, jobs(job("a", schedule="{at: 2026-04-26T15:00:00Z}"), job("b", schedule="{at: 2027-01-01T00:00:00Z}"))
    )
    read = read_config(file, {}, now=datetime(2026, 4, 26, 15, tzinfo=UTC))
    assert read is not None
    assert told(read.problems) == ["3:55: job 'a': 'at' is past (if the job never ran, it runs once, at once)"]
    assert [problem.is_warning for problem in read.accepted().warnings] == [True]
    later = read_config(file, {})
    assert later is not None
    assert later.problems == ()


def test_no_problem_shows_what_came_from_a_variable(tmp_path: Path) -> None:
    fields = {"id": "a", "misfire": '"${SECRET}"', "schedule": '{at: "${SECRET}"}', "paused_on_boot": '"x${SECRET}y"'}
    read = reading(tmp_path, jobs(job(**{"job_id": "a", **fields})), SECRET="hunter2-\n'\"")
    assert len(read.problems) == 3
    assert "hunter2" not in "".join(map(str, read.problems))


def test_a_mistake_is_told_once(tmp_path: Path) -> None:
    read = reading(tmp_path, jobs(job("a", tick_timeout_secs=".nan", misfire='"${NO_SUCH}"', agent="ana, agent: bob")))
    assert len(read.problems) == 3


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "pollers.yaml").mkdir()
    assert told(read_config(tmp_path, {}).problems) == [  # type: ignore[union-attr]
        "1:1: this is a folder (give a file, or a folder that holds the file pollers.yaml)"
    ]
    os.mkfifo(tmp_path / "fifo")
    assert "no regular file" in str(read_config(tmp_path / "fifo", {}).problems[0])  # type: ignore[union-attr]


def test_a_file_of_over_ten_megabytes_is_refused_unparsed(tmp_path: Path) -> None:
    assert told(reading(tmp_path, b"#" * (MAX_BYTES + 1)).problems) == ["1:1: it has more than 10 MB (make it smaller)"]


def test_text_in_another_encoding_is_refused_where_it_begins(tmp_path: Path) -> None:
    content = "\ufeffa: 1\nä: x".encode() + b"\xe4\n"
    assert told(reading(tmp_path, content).problems) == ["2:5: it is not UTF-8 from here on (save it as UTF-8)"]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_the_bytes_only_a_config_error_comes_of_them(content: bytes) -> None:
    _load(content)


@given(st.randoms(use_true_random=False))
def test_whatever_happens_to_a_good_file_only_a_config_error_comes_of_it(chance: Random) -> None:
    content = bytearray(FULL_FILE.encode())
    for _ in range(chance.randint(1, 8)):
        position = chance.randrange(len(content))
        scrap = chance.choice(
            [b"", b"&a ", b"*a", b"- ", b": ", b"[", b"}", b"'", b'"', b"!!x ", b"\t", b"${", b".nan", b"\n"]
        )
        content[position : position + chance.randrange(4)] = scrap
    _load(bytes(content))


def _load(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read = read_config(written(Path(folder), content), {})
        assert read is not None
        assert all(problem.where for problem in read.problems)
        if read.refusals:
            with pytest.raises(ConfigError):
                read.accepted()


@pytest.mark.parametrize("name", ['""', '":memory:"', '"file::memory:"', '"file:/tmp/x.db?mode=memory"'])
def test_a_database_that_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no file"):
        load_config(written(tmp_path, f"pollers:\n  state_db: {name}\n"), {})


def test_a_job_that_would_be_stale_between_two_ticks_is_refused(tmp_path: Path) -> None:
    read = reading(tmp_path, jobs(job("a", stale_after_secs="60"), job("b", stale_after_secs="61")))
    assert told(read.problems) == [
        "3:161: job 'a': a job that is due every 60 s would be stale between two ticks (give it several times its interval)"
    ]
