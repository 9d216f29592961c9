"""The counters of pollers, as a scrape shows them."""

import re
from typing import Any

import pytest
from attrs import evolve
from daemon import job
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from scrape import families, family_names

from nexo_poller.runner.prometheus import PrometheusMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> PrometheusMetrics:
    return PrometheusMetrics(registry)


def counts(metrics: PrometheusMetrics) -> list[float]:
    """The values of the pollers' own counters."""
    own = [family for family in families(metrics.registry) if not family.name.startswith("poller_")]
    return [sample.value for family in own for sample in family.samples]


def test_a_label_value_that_is_no_text_is_counted_as_its_text(
    metrics: PrometheusMetrics, registry: CollectorRegistry
) -> None:
    labels: Any = {"board": 7, "open": None}
    metrics.custom("jira_issues_total", labels)
    assert registry.get_sample_value("jira_issues_total", {"board": "7", "open": "None"}) == 1
    assert "jira_issues" in family_names(registry)


def test_a_name_with_and_without_total_is_one_family(metrics: PrometheusMetrics, registry: CollectorRegistry) -> None:
    metrics.custom("jira_issues", {"board": "a"})
    metrics.custom("jira_issues_total", {"board": "a"})
    metrics.custom("jira_issues_total_total", {"board": "b"})
    assert registry.get_sample_value("jira_issues_total", {"board": "a"}) == 2
    assert registry.get_sample_value("jira_issues_total", {"board": "b"}) == 1
    assert family_names(registry).count("jira_issues") == 1


def test_other_labels_for_a_known_name_are_refused_and_both_sets_are_told(
    metrics: PrometheusMetrics, registry: CollectorRegistry
) -> None:
    metrics.custom("jira_issues", {"board": "a"})
    with pytest.raises(
        ValueError, match=re.escape("labels ['board'] before, and now with ['board', 'user']; a metric has one set")
    ):
        metrics.custom("jira_issues_total", {"board": "a", "user": "b"})
    assert registry.get_sample_value("jira_issues_total", {"board": "a"}) == 1


@pytest.mark.parametrize("name", ["poller_ticks_total", "poller_ticks", "poller_of_mine"])
def test_our_own_names_are_refused(name: str, metrics: PrometheusMetrics, registry: CollectorRegistry) -> None:
    before = family_names(registry)
    with pytest.raises(ValueError, match=f"'{name}' would be among the runner's own; use another prefix"):
        metrics.custom(name, {})
    assert family_names(registry) == before


def test_the_prefix_that_the_daemon_gives_to_the_names_of_plugins_is_none_of_our_own(
    metrics: PrometheusMetrics, registry: CollectorRegistry
) -> None:
    metrics.custom("poller_plugin_calls", {})
    assert registry.get_sample_value("poller_plugin_calls_total") == 1


@pytest.mark.parametrize("name", ["", "_total", "no metric", "a-b", "7up", "__name", "a\n", "x" * 129])
def test_a_name_that_prometheus_cannot_take_is_refused(name: str, metrics: PrometheusMetrics) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a metric; use 1 to 128 of A-Z"):
        metrics.custom(name, {})


@pytest.mark.parametrize("labels", [{"a b": "x"}, {"__name__": "x"}, {"": "x"}, {f"l{n}": "" for n in range(17)}])
def test_labels_that_prometheus_cannot_take_are_refused(labels: dict[str, str], metrics: PrometheusMetrics) -> None:
    with pytest.raises(ValueError, match=r"cannot have the labels .* use at most 16"):
        metrics.custom("jira_issues", labels)


def test_a_long_value_is_cut_and_control_characters_are_replaced(
    metrics: PrometheusMetrics, registry: CollectorRegistry
) -> None:
    metrics.custom("seen", {"title": "x" * 5_000})
    metrics.custom("seen", {"title": "a\nb\rc\x00d\x1be\u2028f\ud800"})
    metrics.skipped(evolve(job(), agent="an\ra"))
    assert registry.get_sample_value("seen_total", {"title": "x" * 128}) == 1
    assert registry.get_sample_value("seen_total", {"title": "a?b?c?d?e?f?"}) == 1
    assert [
        sample.labels["agent"] for family in families(registry) for sample in family.samples if "agent" in sample.labels
    ]


@given(name=st.text(max_size=20), labels=st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4))
def test_whatever_is_counted_the_scrape_can_be_parsed(name: str, labels: dict[str, str]) -> None:
    metrics = PrometheusMetrics()
    try:
        metrics.custom(name, labels)
    except ValueError:
        return
    assert counts(metrics) == [1]


@given(values=st.lists(st.text(max_size=20), max_size=5))
def test_whatever_the_values_the_scrape_can_be_parsed_and_nothing_is_lost(values: list[str]) -> None:
    metrics = PrometheusMetrics()
    for value in values:
        metrics.custom("seen", {"title": value})
    assert sum(counts(metrics)) == len(values)
