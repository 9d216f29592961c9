"""What the signatures of public names speak of, though nobody needs to import it."""

from generating.api import described


def markdown(*paths: str) -> str:
    """A heading and a docstring for each of these, such as `nexo_poller.store.Claim`."""
    return described(paths)
