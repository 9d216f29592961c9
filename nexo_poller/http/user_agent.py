"""How this library introduces itself to servers."""

from importlib.metadata import PackageNotFoundError, version


def user_agent() -> str:
    """`nexo-poller/<version>`; without the version where it is run from a source tree."""
    try:
        return f"nexo-poller/{version('nexo-poller')}"
    except PackageNotFoundError:
        return "nexo-poller"
