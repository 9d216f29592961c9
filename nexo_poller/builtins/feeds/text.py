"""Text out of the markup that feeds carry in their titles and summaries."""

import re
from urllib.parse import urljoin

from nexo_poller.builtins.html import text_of_html
from nexo_poller.template import LONGEST_MESSAGE

PLAIN = "text/plain"
CLOSING_TAG = re.compile(r"</[a-zA-Z][a-zA-Z0-9]*\s*>")
# RFC 3986, 2, and what RFC 3987 adds; where one of the others appears, it is no reference, and nothing to resolve
REFERENCE = re.compile(r'[^\x00-\x20\x7f<>"{}|\\^`\[\]]+')


def text_of(value: str, content_type: str = PLAIN) -> str:
    """`value` as one line of text, at most 4,096 characters.

    `content_type` is what the feed says of it. Feeds that call HTML plain are common: a closing tag gives it away, and
    `a < b` or `AT&T` do not.
    """
    if content_type != PLAIN or CLOSING_TAG.search(value):
        value = text_of_html(value)
    return " ".join(value.split())[:LONGEST_MESSAGE]


def resolved(link: str, base: str) -> str:
    """`link` as an absolute URL; one that is no URI reference stays as it is."""
    if not REFERENCE.fullmatch(link):
        return link
    try:
        return urljoin(base, link)
    except ValueError:
        return link
