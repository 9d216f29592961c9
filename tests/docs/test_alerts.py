"""The alert rules are clean, ask for what there is, and each is tried, firing and silent."""

from pathlib import Path
from typing import Any, Final

from promql import metrics_in, our_metrics
from promtool import promtool
from ruamel.yaml import YAML

DOCS: Final = Path(__file__).parents[2] / "docs"
RULES: Final[list[dict[str, Any]]] = YAML(typ="safe").load(DOCS / "alerts.yaml")["groups"][0]["rules"]
CASES: Final[list[dict[str, Any]]] = [
    case for test in YAML(typ="safe").load(DOCS / "alerts_test.yaml")["tests"] for case in test["alert_rule_test"]
]


def test_promtool_finds_the_rules_clean() -> None:
    code, lines = promtool("check", "rules", "alerts.yaml", folder=DOCS)
    assert (code, lines[1]) == (0, f"  SUCCESS: {len(RULES)} rules found")


def test_promtool_sees_every_alert_fire_and_keep_silent_as_the_cases_say() -> None:
    code, lines = promtool("test", "rules", "alerts_test.yaml", folder=DOCS)
    assert (code, lines) == (0, ["Unit Testing:  alerts_test.yaml", "  SUCCESS", ""])


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires = {case["alertname"] for case in CASES if case["exp_alerts"]}
    silent = {case["alertname"] for case in CASES if not case["exp_alerts"]}
    assert fires == silent == {rule["alert"] for rule in RULES}


def test_alerts_ask_for_metrics_that_exist() -> None:
    assert set().union(*(metrics_in(rule["expr"]) for rule in RULES)) <= our_metrics()
