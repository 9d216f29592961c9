"""A histogram in plain numbers."""

from bisect import bisect_left
from typing import Any

from attrs import define, field


@define(eq=False)
class Histogram:
    """How many observations were at most each of `bounds` (rising; beyond the last counts too), and their sum."""

    bounds: tuple[float, ...]
    _counts: list[int] = field(init=False)
    _sum: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self._sum += value

    def add_to(self, family: Any, labels: list[str]) -> None:
        """Add what was observed to a `HistogramMetricFamily`, as the series with these label values."""
        total, cumulated = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), tuple(self._counts), strict=True):
            total += count
            cumulated.append((bound, total))
        family.add_metric(labels, cumulated, self._sum)
