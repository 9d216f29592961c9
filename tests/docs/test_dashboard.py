"""The Grafana dashboard asks for what there is, in expressions that Prometheus understands."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from promql import metrics_in, our_metrics
from promtool import promtool

DASHBOARD: Final = json.loads((Path(__file__).parents[2] / "docs" / "grafana-dashboard.json").read_text())
PANELS: Final[list[dict[str, Any]]] = DASHBOARD["panels"]
EXPRESSIONS: Final = [target["expr"] for panel in PANELS for target in panel["targets"]]
VARIABLES: Final = {"$__rate_interval": "5m", "$kind": ".*"}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("up", {"up"}),
        ('sum by (le, a) (rate(a_b{c="d"}[5m])) > 0', {"a_b"}),
        ("x unless on (job_id) y", {"x", "y"}),
        ("time() - z / 86400", {"z"}),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, found: set[str]) -> None:
    assert metrics_in(expression) == found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_asks_for_metrics_that_exist(expression: str) -> None:
    assert metrics_in(expression)
    assert metrics_in(expression) <= our_metrics()


def test_the_choices_of_every_variable_come_from_a_metric_that_exists() -> None:
    queries = [each["definition"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    assert {query.removeprefix("label_values(").partition(",")[0] for query in queries} <= our_metrics()


def test_every_expression_is_promql(tmp_path: Path) -> None:
    rules = []
    for n, expression in enumerate(EXPRESSIONS):
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)  # noqa: PLW2901 - as Grafana fills them in
        rules.append({"record": f"dashboard:{n}", "expr": expression})
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    code, lines = promtool("check", "rules", "rules.yaml", folder=tmp_path)
    assert (code, lines[1]) == (0, f"  SUCCESS: {len(EXPRESSIONS)} rules found")


def test_every_series_that_we_have_is_on_the_dashboard() -> None:
    shown = set().union(*map(metrics_in, EXPRESSIONS))
    assert {name for name in our_metrics() if not name.endswith(("_bucket", "_sum", "_count"))} <= shown


def test_panels_have_a_title_and_say_what_they_show_and_none_lies_upon_another() -> None:
    assert all(panel["title"] and panel["description"] for panel in PANELS)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    cells = [
        (column, row)
        for place in (panel["gridPos"] for panel in PANELS)
        for column in range(place["x"], place["x"] + place["w"])
        for row in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert all(column < 24 for column, _ in cells)
