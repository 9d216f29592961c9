"""Any document to a feed."""

from nexo_poller.builtins.feeds.feed import Document, Feed, NoFeed
from nexo_poller.builtins.feeds.jsonfeed import parse_json_feed
from nexo_poller.builtins.feeds.markup import parse_markup

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_feed(document: Document) -> Feed:
    """The feed in `document`: RSS 0.9x-2.0, RDF, Atom, CDF or JSON Feed. Raises `NoFeed` if it is none.

    What is malformed costs what it costs, minutes at the worst: call it where it can be killed.
    """
    beginning = document.content[:1024].removeprefix(BYTE_ORDER_MARK).lstrip()
    if not beginning:
        raise NoFeed(document)
    if beginning.startswith((b"{", b"[")):
        return parse_json_feed(document)
    return parse_markup(document)
