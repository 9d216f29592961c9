from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.config.model import Config, GoogleAccount, JobSpec, ProviderSettings, Settings
from nexo_poller.config.plugins import PluginManifest
from nexo_poller.plan import ReloadPlan, plan
from nexo_poller.poller import Deliver
from nexo_poller.schedule import Every

HOURLY = Every(timedelta(hours=1))
specs = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["rss", "webhook_poll"])).map(
    lambda kinds: [JobSpec(id=job_id, kind=kind, agent="ana", schedule=HOURLY) for job_id, kind in kinds.items()]
)


def planned(running: list[JobSpec], wanted: list[JobSpec]) -> ReloadPlan:
    return plan(Config(jobs=tuple(running)), Config(jobs=tuple(wanted)))


def job(job_id: str = "inbox", **changes: Any) -> JobSpec:
    return JobSpec(**{"id": job_id, "kind": "rss", "agent": "ana", "schedule": HOURLY, **changes})


def test_jobs_come_go_change_and_stay() -> None:
    running = [job("stays"), job("changes"), job("goes")]
    wanted = [job("comes"), job("changes", config={"feed_url": "https://example.org"}), job("stays")]
    assert planned(running, wanted) == ReloadPlan(
        add=("comes",), replace=("changes",), remove=("goes",), keep=("stays",)
    )


def plugin(**changes: Any) -> PluginManifest:
    given = {"id": "acme", "version": "1", "name": "acme", "kinds": ("jira",), "broker_topic_prefix": "plugin.acme"}
    return PluginManifest(**{**given, "folder": Path("/acme"), "path": Path("/acme/nexo-plugin.toml"), **changes})


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ((plugin(),), (plugin(args=("--fast",)),)),
        ((plugin(),), (plugin(env={"KEY": "other"}),)),
        ((plugin(),), (plugin(id="rival"),)),
        ((plugin(),), ()),
        ((), (plugin(),)),
    ],
)
def test_a_job_is_replaced_when_the_plugin_that_owns_its_kind_differs_and_its_neighbours_stay(
    then: tuple[PluginManifest, ...], now: tuple[PluginManifest, ...]
) -> None:
    jobs = (job("issues", kind="jira"), job("feed"))
    assert plan(Config(jobs=jobs, plugins=then), Config(jobs=jobs, plugins=now)) == ReloadPlan(
        add=(), replace=("issues",), remove=(), keep=("feed",)
    )


def test_a_job_stays_when_another_plugin_comes() -> None:
    jobs = (job("issues", kind="jira"),)
    wanted = Config(jobs=jobs, plugins=(plugin(), plugin(id="b", kinds=("linear",))))
    assert plan(Config(jobs=jobs, plugins=(plugin(),)), wanted).keep == ("issues",)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "webhook_poll"},
        {"agent": "bob"},
        {"schedule": Every(timedelta(hours=1), jitter=timedelta(seconds=1))},
        {"config": {"max_per_tick": 7}},
        {"failure_to": Deliver("telegram", "1")},
        {"paused_on_boot": True},
        {"misfire": "skip"},
        {"tick_timeout": timedelta(seconds=9)},
        {"stale_after": timedelta(days=9)},
    ],
)
def test_whatever_is_changed_replaces_the_job(changes: Mapping[str, Any]) -> None:
    assert planned([job()], [evolve(job(), **changes)]).replace == ("inbox",)


def test_extra_and_the_place_in_the_file_replace_nothing() -> None:
    moved = job(extra={"owner": "ops"}, key=("pollers", "jobs", 9))
    assert planned([job(key=("pollers", "jobs", 0))], [moved]).keep == ("inbox",)


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        ({"settings": Settings(default_jitter=timedelta(seconds=1))}, ("plain",)),
        ({"settings": Settings(tick_timeout=timedelta(seconds=1))}, ("plain",)),
        ({"settings": Settings(breaker_threshold=2)}, ("own", "plain")),
        ({"settings": Settings(history_per_job=2)}, ("own", "plain")),
        ({"settings": Settings(max_concurrent_ticks=2, max_delivery_attempts=2)}, ()),
        ({"agents": {"ana": {"telegram": "a"}, "bob": {"telegram": "b"}}}, ("own",)),
    ],
)
def test_a_changed_setting_replaces_just_the_jobs_that_it_affects(
    changes: Mapping[str, Any], replaced: tuple[str, ...]
) -> None:
    own = job("own", tick_timeout=timedelta(seconds=5), schedule=Every(timedelta(hours=1), jitter=timedelta()))
    jobs = (job("plain"), evolve(own, agent="bob"))
    running = Config(jobs=jobs, agents={"ana": {"telegram": "a"}, "bob": {}})
    assert plan(running, evolve(running, **changes)).replace == replaced


def account(agent: str, token: str) -> GoogleAccount:
    path = Path(token)
    return GoogleAccount(id=f"{agent}@g", agent_id=agent, client_id_path=path, client_secret_path=path, token_path=path)


def test_a_changed_google_account_replaces_the_jobs_of_its_agent() -> None:
    jobs = (job("anas"), job("bobs", agent="bob"))
    running = Config(jobs=jobs, google_accounts=(account("ana", "a"), account("bob", "b")))
    wanted = evolve(running, google_accounts=(account("bob", "b"), account("ana", "c")))
    assert plan(running, wanted).replace == ("anas",)


def test_a_changed_provider_replaces_the_jobs_that_ask_it() -> None:
    asks = {"asks": "openai", "asks-another": "ollama", "asks-none": None}
    providers = {name: ProviderSettings(name=name) for name in ("openai", "ollama")}
    running = Config(jobs=tuple(map(job, asks)), providers=providers)
    changed = evolve(running, providers={**providers, "openai": ProviderSettings(name="openai", base_url="http://x")})
    assert plan(running, changed, lambda spec: asks[spec.id]).replace == ("asks",)
    gone = evolve(running, providers={"ollama": providers["ollama"]})
    assert plan(running, gone, lambda spec: asks[spec.id]).replace == ("asks",)


@given(running=specs, wanted=specs)
def test_every_job_has_one_place_in_the_plan_and_carrying_it_out_gives_what_is_wanted(
    running: list[JobSpec], wanted: list[JobSpec]
) -> None:
    made = planned(running, wanted)
    parts = [*made.add, *made.replace, *made.remove, *made.keep]
    assert sorted(parts) == sorted({spec.id for spec in (*running, *wanted)})
    changed = {spec.id: spec for spec in wanted if spec.id in (*made.add, *made.replace)}
    kept = {spec.id: spec for spec in running if spec.id in made.keep}
    assert {**kept, **changed} == {spec.id: spec for spec in wanted}
