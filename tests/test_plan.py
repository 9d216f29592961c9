from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.config.model import JobSpec
from nexo_poller.plan import ReloadPlan, plan
from nexo_poller.poller import Deliver
from nexo_poller.schedule import Every

HOURLY = Every(timedelta(hours=1))
specs = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["rss", "webhook_poll"])).map(
    lambda kinds: [JobSpec(id=job_id, kind=kind, agent="ana", schedule=HOURLY) for job_id, kind in kinds.items()]
)


def job(job_id: str = "inbox", **changes: Any) -> JobSpec:
    return JobSpec(id=job_id, kind="rss", agent="ana", schedule=HOURLY, **changes)


def test_jobs_come_go_change_and_stay() -> None:
    running = [job("stays"), job("changes"), job("goes")]
    wanted = [job("comes"), job("changes", config={"feed_url": "https://example.org"}), job("stays")]
    assert plan(running, wanted) == ReloadPlan(add=("comes",), replace=("changes",), remove=("goes",), keep=("stays",))


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
    ],
)
def test_whatever_is_changed_replaces_the_job(changes: Mapping[str, Any]) -> None:
    assert plan([job()], [evolve(job(), **changes)]).replace == ("inbox",)


def test_extra_and_the_place_in_the_file_replace_nothing() -> None:
    moved = job(extra={"owner": "ops"}, key=("pollers", "jobs", 9))
    assert plan([job(key=("pollers", "jobs", 0))], [moved]).keep == ("inbox",)


@given(running=specs, wanted=specs)
def test_every_job_has_one_place_in_the_plan_and_carrying_it_out_gives_what_is_wanted(
    running: list[JobSpec], wanted: list[JobSpec]
) -> None:
    made = plan(running, wanted)
    parts = [*made.add, *made.replace, *made.remove, *made.keep]
    assert sorted(parts) == sorted({spec.id for spec in (*running, *wanted)})
    changed = {spec.id: spec for spec in wanted if spec.id in (*made.add, *made.replace)}
    kept = {spec.id: spec for spec in running if spec.id in made.keep}
    assert {**kept, **changed} == {spec.id: spec for spec in wanted}
