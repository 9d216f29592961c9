"""What Prometheus reads from a registry."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families


def scraped(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def families(registry: CollectorRegistry) -> Iterable[Metric]:
    """As prometheus-client's own parser understands them; raises `ValueError` for what it does not."""
    return text_string_to_metric_families(scraped(registry))


def family_names(registry: CollectorRegistry) -> list[str]:
    return [family.name for family in families(registry)]
