"""Text out of the markup that feeds carry in their titles and summaries."""

import re
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from nexo_poller.template import LONGEST_MESSAGE

LONGEST_MARKUP = 65_536  # more than a message shows, and lexbor's time grows with the square of the depth
PLAIN = "text/plain"
CLOSING_TAG = re.compile(r"</[a-zA-Z][a-zA-Z0-9]*\s*>")
INVISIBLE = "script, style, template"
SEPARATE = (
    "address, article, aside, blockquote, br, dd, div, dl, dt, figcaption, figure, footer, h1, h2, h3, h4, h5, h6, header, "
    "hr, li, main, nav, ol, p, pre, section, table, td, th, tr, ul"
)
# RFC 3986, 2, and what RFC 3987 adds; where one of the others appears, it is no reference, and nothing to resolve
REFERENCE = re.compile(r'[^\x00-\x20\x7f<>"{}|\\^`\[\]]+')


def text_of(value: str, content_type: str = PLAIN) -> str:
    """`value` as one line of text, at most 4,096 characters.

    `content_type` is what the feed says of it. Feeds that call HTML plain are common: a closing tag gives it away, and
    `a < b` or `AT&T` do not.
    """
    if content_type != PLAIN or CLOSING_TAG.search(value):
        value = _rendered(_beginning(value))
    return " ".join(value.split())[:LONGEST_MESSAGE]


def _beginning(markup: str) -> str:
    """At most `LONGEST_MARKUP` of it, and no half of a tag at its end."""
    beginning = markup[:LONGEST_MARKUP]
    tag = beginning.rfind("<")
    return beginning[:tag] if len(markup) > LONGEST_MARKUP and tag > beginning.rfind(">") else beginning


def _rendered(markup: str) -> str:
    body = LexborHTMLParser(markup).body
    if body is None:  # a frameset
        return ""
    for node in body.css(INVISIBLE):
        node.decompose()
    for node in body.css(SEPARATE):  # what a browser would not put on one line
        node.insert_before(" ")
        node.insert_after(" ")
    return body.text()


def resolved(link: str, base: str) -> str:
    """`link` as an absolute URL; one that is no URI reference stays as it is."""
    if not REFERENCE.fullmatch(link):
        return link
    try:
        return urljoin(base, link)
    except ValueError:
        return link
