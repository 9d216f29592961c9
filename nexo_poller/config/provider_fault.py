"""What keeps a provider of language models from being asked, as far as its settings tell."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from nexo_poller.config.model import ApiFlavor, ProviderSettings
from nexo_poller.errors import Problem

SDKS: Final[Mapping[ApiFlavor, str]] = {"openai_compat": "openai", "anthropic_messages": "anthropic"}


def provider_fault(provider: ProviderSettings) -> Problem | None:
    """The first thing that is wrong. The SDK is looked for, not imported."""
    sdk = SDKS[provider.api_flavor]  # called like its maker, whose address it has
    if provider.base_url is None and not provider.name.startswith(sdk):
        return Problem(
            what=f"the provider '{provider.name}' has no base_url, so that its key would be sent to {sdk}",
            remedy=f"add its base_url, be it {sdk}'s",
        )
    if find_spec(sdk) is None:
        return Problem(
            what=f"the provider '{provider.name}' is asked through the package {sdk}, which is not installed",
            remedy='pip install "nexo-poller[llm]"',
        )
    return None
