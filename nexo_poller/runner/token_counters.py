"""What language models cost, by provider and model."""

from collections.abc import Mapping
from typing import Any

from attrs import Factory, define

from nexo_poller.runner.custom_counters import MOST_SERIES, label_value


@define(eq=False)
class TokenCounters:
    """Tokens by provider, model, and what they were for. Series beyond the 1,000th are not counted."""

    _counts: dict[tuple[str, str, str], int] = Factory(dict)

    def add(self, provider: str, model: str, usage: Mapping[str, int]) -> None:
        """Add `usage`, in which `input_tokens` count as `input`. Raises `ValueError` for a negative number."""
        for name, tokens in usage.items():
            if tokens < 0:
                raise ValueError(f"provider '{provider}' says that it used {tokens} {name}")
            key = (label_value(provider), label_value(model), label_value(name.removesuffix("_tokens")))
            if key in self._counts or len(self._counts) < MOST_SERIES:
                self._counts[key] = self._counts.get(key, 0) + tokens

    def family(self) -> Any:
        """The Prometheus family."""
        from prometheus_client.core import CounterMetricFamily

        tokens = CounterMetricFamily(
            "poller_llm_tokens",
            "Tokens that language models took in and gave out.",
            labels=["provider", "model", "token"],
        )
        for key, count in list(self._counts.items()):
            tokens.add_metric(key, count)
        return tokens
