"""Which metrics a PromQL expression reads."""

import re
from typing import Final

from nexo_poller.runner.prometheus import PrometheusMetrics

# What may hold a name that is no metric: strings, selectors, ranges, and the labels of a grouping.
NO_METRICS: Final = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)'
)
NAME: Final = re.compile(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)\b(?!\s*\()")
KEYWORDS: Final = {"and", "or", "unless", "bool", "offset"}


def metrics_in(expression: str) -> set[str]:
    return set(NAME.findall(NO_METRICS.sub(" ", expression))) - KEYWORDS


def our_families() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and help of every series that the library has, in the order of the code."""
    families = PrometheusMetrics().collect()
    return [
        (
            f"{family.name}_total" if family.type == "counter" else family.name,
            family.type,
            tuple(family._labelnames),
            family.documentation,
        )
        for family in families
    ]


def our_metrics() -> set[str]:
    """The names that an expression may have."""
    names = set()
    for name, kind, _, _ in our_families():
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names
