"""Whether the SDK of a provider is installed."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from nexo_poller.config.model import ApiFlavor, ProviderSettings
from nexo_poller.errors import Problem

SDKS: Final[Mapping[ApiFlavor, str]] = {"openai_compat": "openai", "anthropic_messages": "anthropic"}


def missing_sdk(provider: ProviderSettings) -> Problem | None:
    """What is wrong if it is not. The SDK is looked for, not imported."""
    sdk = SDKS[provider.api_flavor]
    if find_spec(sdk) is not None:
        return None
    return Problem(
        what=f"the provider '{provider.name}' is asked through the package {sdk}, which is not installed",
        remedy='pip install "nexo-poller[llm]"',
    )
