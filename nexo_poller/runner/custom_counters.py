"""The counters of pollers themselves: what they may be called, and how many there may be.

A scrape fails whole if one line of it is wrong, so everything is checked where it is counted: every metric has one set
of labels, no name means two things, and values are text that Prometheus can take.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import Factory, define

NAME: Final = re.compile("[a-zA-Z_][a-zA-Z0-9_]{0,127}")
SUFFIX: Final = re.compile("(_total)+$")  # Prometheus adds it to the name of every counter, once
OUR_PREFIX: Final = "poller_"
PLUGINS_PREFIX: Final = "poller_plugin_"  # which the daemon puts before the names that plugins have
PROMETHEUS_PREFIX: Final = "__"
MOST_SERIES: Final = 1_000  # a poller that puts an id into a label must not fill the memory
MOST_LABELS: Final = 16
LONGEST_VALUE: Final = 128  # characters, as of a job's id
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def label_value(value: object) -> str:
    """`value` as text of at most 128 characters; control characters, and what UTF-8 cannot hold, become `?`."""
    return _UNPRINTABLE.sub("?", str(value)[:LONGEST_VALUE])


@define(eq=False)
class CustomCounters:
    """Counters by family (a name without `_total`) and label values. Series beyond the 1,000th are not counted."""

    _labels: dict[str, tuple[str, ...]] = Factory(dict)
    _counts: dict[tuple[str, tuple[str, ...]], int] = Factory(dict)

    def add(self, name: str, labels: Mapping[str, object]) -> None:
        """Add one. Raises `ValueError` for a name that is not for pollers, or labels other than at the first time."""
        family, names = _family(name), tuple(sorted(labels))
        known = self._labels.get(family)
        if known is None:
            _check_labels(name, names)
        elif known != names:
            raise ValueError(
                f"the metric '{name}' was counted with the labels {list(known)} before, and now with {list(names)}; "
                "a metric has one set of labels: use the same ones, or another name"
            )
        key = (family, tuple(label_value(labels[label]) for label in names))
        if key in self._counts or len(self._counts) < MOST_SERIES:
            self._labels[family] = names
            self._counts[key] = self._counts.get(key, 0) + 1

    def families(self) -> Iterator[Any]:
        """One Prometheus family each."""
        from prometheus_client.core import CounterMetricFamily

        families: dict[str, Any] = {}
        for (name, values), count in list(self._counts.items()):
            if name not in families:
                families[name] = CounterMetricFamily(name, "Counted by a poller.", labels=self._labels[name])
            families[name].add_metric(values, count)
        yield from families.values()


def _family(name: str) -> str:
    family = SUFFIX.sub("", name)
    if not NAME.fullmatch(family) or family.startswith(PROMETHEUS_PREFIX):
        raise ValueError(
            f"'{name}' cannot be the name of a metric; use 1 to 128 of A-Z a-z 0-9 _, and begin with no digit and no __"
        )
    if family.startswith(OUR_PREFIX) and not family.startswith(PLUGINS_PREFIX):
        raise ValueError(f"the metric '{name}' would be among the runner's own; use another prefix than {OUR_PREFIX}")
    return family


def _check_labels(name: str, labels: tuple[str, ...]) -> None:
    wrong = [label for label in labels if not NAME.fullmatch(label) or label.startswith(PROMETHEUS_PREFIX)]
    if wrong or len(labels) > MOST_LABELS:
        raise ValueError(
            f"the metric '{name}' cannot have the labels {list(wrong or labels)}; use at most {MOST_LABELS}, each of "
            "1 to 128 of A-Z a-z 0-9 _, and begin with no digit and no __"
        )
