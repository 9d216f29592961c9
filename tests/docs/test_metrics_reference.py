"""docs/reference/metrics.md lists what the code has, in its words."""

from pathlib import Path
from typing import Final

from promql import our_families

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def test_the_reference_lists_every_series_with_type_labels_and_meaning() -> None:
    rows = [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {meaning} |".replace("|  |", "| |")
        for name, kind, labels, meaning in our_families()
    ]
    assert [line for line in PAGE.read_text().splitlines() if line.startswith("| `")] == rows


def test_every_new_metric_is_in_a_base_unit_and_has_our_prefix() -> None:
    names = [name for name, *_ in our_families()]
    assert all(name.startswith("poller_") for name in names)
    assert [name for name in names if name.endswith(("_ms", "_minutes", "_mb"))] == ["poller_latency_ms"]
