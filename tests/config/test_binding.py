from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from config_folders import KINDS
from poller_files import GOOD_CONFIG, PAGES, PagesConfig, PagesPoller, job, jobs, reading, told

from nexo_poller.config.binding import Provided, bind_jobs, check_reading
from nexo_poller.config.job_config import structure_config
from nexo_poller.config.model import Config, JobSpec, ProviderSettings
from nexo_poller.errors import ConfigError
from nexo_poller.poller import Deliver, Poller
from nexo_poller.schedule import parse_schedule

GOOD = {"url": "https://x.example", "deliver": {"channel": "telegram", "to": "1"}}


def spec(**fields: Any) -> JobSpec:
    schedule = parse_schedule({"every_secs": 60})
    return JobSpec(**{"id": "a", "kind": "pages", "agent": "ana", "schedule": schedule, "config": GOOD, **fields})


def rejections(job_spec: JobSpec, pollers: Any = PAGES, **config: Any) -> list[str]:
    bound, rejected = bind_jobs(Config(jobs=(job_spec,), **config), pollers)
    if bound:
        return []
    return [str(problem) for problem in rejected[0].problems]


def test_a_good_job_is_bound_to_its_poller_and_its_typed_config() -> None:
    ((bound,), rejected) = bind_jobs(Config(jobs=(spec(),)), PAGES)
    assert not rejected
    assert bound.spec == spec()
    assert bound.poller is PAGES["pages"]
    assert bound.config == PagesConfig(url="https://x.example", deliver=Deliver("telegram", "1"))


def test_siblings_of_a_rejected_job_are_bound_and_earlier_rejections_are_kept(tmp_path: Path) -> None:
    config = reading(tmp_path, jobs(job("early", misfire="no"), job("late", config="{}"), job("good"))).accepted()
    bound, rejected = bind_jobs(config, PAGES)
    assert [sibling.spec.id for sibling in bound] == ["good"]
    assert [sibling.id for sibling in rejected] == ["early", "late"]
    assert (rejected[1].kind, rejected[1].agent) == ("pages", "ana")


def test_problems_of_a_config_have_their_place_in_the_file(tmp_path: Path) -> None:
    config = '{url: 5, delivr: {channel: telegram, to: "1"}, pages: 0, <<: {deliver: {channel: telegram}}}'
    text = jobs(job("bad", config=config))
    _, (rejected,) = bind_jobs(reading(tmp_path, text).accepted(), PAGES)
    line = text.split("\n")[2]
    assert told(rejected.problems) == [
        f"3:{line.index('5, delivr') + 1}: job 'bad': 'url' must be text, not the number 5 (put it in quotes)",
        f"3:{line.index('delivr') + 1}: job 'bad': unknown key 'delivr' (remove it; known keys: url, deliver, pages)",
        f"3:{line.index('0, <<') + 1}: job 'bad': 'pages' must be >= 1: 0",
        f"3:{line.index('{channel: telegram}}') + 1}: job 'bad': the key 'to' is missing (add 'to: …')",
    ]


def test_a_missing_config_is_reported_at_the_job(tmp_path: Path) -> None:
    _, (rejected,) = bind_jobs(reading(tmp_path, jobs(job("bad", config=""))).accepted(), PAGES)
    assert told(rejected.problems) == [
        "3:7: job 'bad': the key 'url' is missing (add 'url: …')",
        "3:7: job 'bad': the key 'deliver' is missing (add 'deliver: …')",
    ]


def test_without_a_file_problems_have_no_place() -> None:
    assert rejections(spec(config={**GOOD, "pages": 0})) == ["job 'a': 'pages' must be >= 1: 0"]


def test_a_pollers_own_check_is_heard_at_the_key_it_names(tmp_path: Path) -> None:
    text = jobs(job("a", config=GOOD_CONFIG.replace("}}", "}, pages: 11}")))
    _, (rejected,) = bind_jobs(reading(tmp_path, text).accepted(), PAGES)
    column = text.split("\n")[2].index("11") + 1
    assert told(rejected.problems) == [f"3:{column}: job 'a': too many pages (10 at most)"]
    with pytest.raises(ConfigError) as caught:
        structure_config({**GOOD, "pages": 11}, PAGES["pages"])
    assert caught.value.problems[0].key == ("pages",)


def test_a_poller_that_fails_to_check_rejects_its_jobs_and_no_others() -> None:
    class Broken(PagesPoller):
        kind = "broken"

        def validate(self, config: PagesConfig) -> None:
            raise KeyError("oops")

    config = Config(jobs=(spec(id="a", kind="broken"), spec(id="b")))
    (bound,), (rejected,) = bind_jobs(config, {**PAGES, "broken": Broken()})
    assert bound.spec.id == "b"
    assert list(map(str, rejected.problems)) == [
        "job 'a': the kind 'broken' failed to check this config: KeyError: 'oops' (report it to the author of the kind)"
    ]


def test_an_unknown_kind_is_rejected_with_the_known_ones() -> None:
    assert rejections(spec(kind="page")) == ["job 'a': unknown kind 'page' (known kinds: pages; did you mean 'pages'?)"]
    assert rejections(spec(), pollers={}) == ["job 'a': unknown kind 'pages' (known kinds: none)"]


def test_a_channel_needs_a_binding_only_where_agents_are_listed() -> None:
    assert rejections(spec(), agents=None) == []
    assert rejections(spec(), agents={"ana": {"telegram": "ana_bot"}}) == []
    assert rejections(spec(), agents={"ana": {"telegran": "ana_bot"}}) == [
        "job 'a': agent 'ana' has no account on channel 'telegram' (add 'telegram: <account>' to its credentials; did you mean 'telegran'?)"
    ]
    assert rejections(spec(), agents={"anna": {"telegram": "x"}}) == [
        "job 'a': agent 'ana' is not listed (add it, with its credentials, under agents:; did you mean 'anna'?)"
    ]


def test_failure_to_needs_a_binding_too() -> None:
    job_spec = spec(failure_to=Deliver("sms", "1"))
    assert rejections(job_spec, agents={"ana": {"telegram": "x"}}) == [
        "job 'a': agent 'ana' has no account on channel 'sms' (add 'sms: <account>' to its credentials)"
    ]


def test_the_name_of_a_channel_is_checked_even_without_agents() -> None:
    job_spec = spec(config={**GOOD, "deliver": {"channel": "a.b", "to": "1"}}, failure_to=Deliver("*", "1"))
    assert rejections(job_spec) == [
        "job 'a': '*' cannot be the name of a channel (use A-Z a-z 0-9 _ -)",
        "job 'a': 'a.b' cannot be the name of a channel (use A-Z a-z 0-9 _ -)",
    ]


def test_deliveries_are_found_wherever_a_config_has_them() -> None:
    @frozen
    class Branch:
        to: Deliver

    @frozen
    class Tree:
        many: list[Branch]
        named: dict[str, Branch]

    class TreePoller(Poller[Tree]):
        kind = "tree"
        config_type = Tree

    branch = {"to": {"channel": "sms", "to": "1"}}
    config = {"many": [branch], "named": {"x": branch}}
    _, (rejected,) = bind_jobs(
        Config(jobs=(spec(kind="tree", config=config),), agents={"ana": {}}), {"tree": TreePoller()}
    )
    assert [problem.key for problem in rejected.problems] == [
        ("config", "many", 0, "to", "channel"),
        ("config", "named", "x", "to", "channel"),
    ]


def test_secrets_do_not_show_in_the_problems_of_a_config() -> None:
    problems = rejections(spec(config={**GOOD, "pages": "hunter2-hunter2"}), secrets=frozenset(["hunter2-hunter2"]))
    assert problems == [
        "job 'a': 'pages' must be a whole number, not the text '***' (write it without quotes; ${…} always gives text)"
    ]


def test_a_check_finds_at_once_what_a_boot_would_find_one_after_the_other(tmp_path: Path) -> None:
    text = jobs(
        job("cron", schedule="{cron: x}", config="{url: 5}"),
        job("a space", kind="pagse"),
        job("unset", config='{url: "${NO_SUCH}", pages: 0}'),
        job("good"),
        job("unbound", failure_to='{channel: sms, to: "1"}'),
        "- 5",
    )
    read = reading(tmp_path, f"{text}agents: [{{id: ana, credentials: {{telegram: x}}}}]\nbreaker: 1\n")
    found = check_reading(read, PAGES)
    assert [(problem.where.rsplit(":")[-2], problem.job, problem.key[3:]) for problem in found] == [
        ("3", "cron", ("schedule", "cron")),
        ("3", "cron", ("config",)),
        ("3", "cron", ("config", "url")),
        ("4", "a space", ("id",)),
        ("4", "a space", ("kind",)),
        ("5", "unset", ("config",)),
        ("5", "unset", ("config", "url")),
        ("5", "unset", ("config", "pages")),
        ("7", "unbound", ("failure_to", "channel")),
        ("8", None, ()),
        ("10", None, ()),
    ]


def test_a_check_of_a_good_file_finds_nothing(tmp_path: Path) -> None:
    assert check_reading(reading(tmp_path, jobs(job("a"), job("b"))), PAGES) == ()


NEEDS_GOOGLE_AND_A_MODEL = spec(kind="ask", config={"provider": "anthropic", "deliver": GOOD["deliver"]})


def test_a_job_whose_kind_acts_for_its_agent_needs_an_account_there() -> None:
    bound = {"ana": {"telegram": "ana_bot"}}
    providers = {"anthropic": ProviderSettings(name="anthropic", api_flavor="anthropic_messages")}
    assert rejections(NEEDS_GOOGLE_AND_A_MODEL, KINDS, agents=bound, providers=providers) == [
        (
            "job 'a': the kind 'ask' needs an account on channel 'google', and agent 'ana' has none "
            "(add 'google: <account>' to its credentials under agents:)"
        )
    ]
    with_google = {"ana": {**bound["ana"], "google": "a@b"}}
    assert rejections(NEEDS_GOOGLE_AND_A_MODEL, KINDS, agents=with_google, providers=providers) == []
    assert len(rejections(NEEDS_GOOGLE_AND_A_MODEL, KINDS, providers=providers)) == 1


def test_an_agent_that_is_not_there_rejects_a_job_that_delivers_nothing() -> None:
    @frozen
    class Nothing:
        pass

    class Quiet(Poller[Nothing]):
        kind = "quiet"
        config_type = Nothing

    assert rejections(spec(kind="quiet", agent="bbo", config={}), {"quiet": Quiet()}, agents={"bob": {}}) == [
        "job 'a': agent 'bbo' is not listed (add it, with its credentials, under agents:; did you mean 'bob'?)"
    ]


def test_a_provider_that_is_not_listed_rejects_the_job_that_asks_it() -> None:
    agents = {"ana": {"telegram": "x", "google": "a@b"}}
    providers = {"antropic": ProviderSettings(name="antropic")}
    assert rejections(NEEDS_GOOGLE_AND_A_MODEL, KINDS, agents=agents, providers=providers) == [
        (
            "job 'a': the provider 'anthropic' of language models is not listed "
            "(there are antropic; add it under providers:; did you mean 'antropic'?)"
        )
    ]


def test_what_an_embedder_brings_along_the_configuration_need_not_have() -> None:
    provided = Provided(has_credentials=True, llm_providers=["anthropic"])
    bound, rejected = bind_jobs(Config(jobs=(NEEDS_GOOGLE_AND_A_MODEL,)), KINDS, provided)
    assert ([job.spec.id for job in bound], rejected) == (["a"], [])


def test_a_kind_that_fails_to_name_its_provider_rejects_its_job_alone() -> None:
    class Clumsy(PagesPoller):
        kind = "clumsy"

        def llm_provider(self, config: PagesConfig) -> str | None:
            raise KeyError("llm")

    bound, (rejected,) = bind_jobs(Config(jobs=(spec(kind="clumsy"), spec(id="b"))), {**PAGES, "clumsy": Clumsy()})
    assert [job.spec.id for job in bound] == ["b"]
    assert "the kind 'clumsy' failed to name its provider: KeyError" in str(rejected.problems[0])
