"""The alert rules are clean, ask for what there is, and each is tried, firing and silent."""

import re
import shlex
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


def test_the_commands_of_the_page_find_the_rules_clean_and_every_case_as_it_says() -> None:
    commands = re.findall("^(promtool .*)$", (DOCS / "reference" / "metrics.md").read_text(), re.MULTILINE)
    check, test = (promtool(*shlex.split(command)[1:], folder=DOCS.parent) for command in commands)
    assert (check[0], check[1][1]) == (0, f"  SUCCESS: {len(RULES)} rules found")
    assert (test[0], test[1][1:]) == (0, ["  SUCCESS", ""])


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires = {case["alertname"] for case in CASES if case["exp_alerts"]}
    silent = {case["alertname"] for case in CASES if not case["exp_alerts"]}
    assert fires == silent == {rule["alert"] for rule in RULES}


def test_alerts_ask_for_metrics_that_exist() -> None:
    assert set().union(*(metrics_in(rule["expr"]) for rule in RULES)) <= our_metrics()
