"""HTML as the text that a reader would see."""

import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser

LONGEST_MARKUP: Final = 65_536  # more than a message shows, and lexbor's time grows with the square of the depth
# Browsers open these anew in every paragraph after the one that left them open. ⚗ 60 KB of them become gigabytes.
FORMATTING: Final = re.compile(
    r"<(/?)(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/>])", re.IGNORECASE
)
INVISIBLE: Final = "script, style, template"
SEPARATE: Final = (
    "address, article, aside, blockquote, br, dd, div, dl, dt, figcaption, figure, footer, h1, h2, h3, h4, h5, h6, header, "
    "hr, li, main, nav, ol, p, pre, section, table, td, th, tr, ul"
)


def text_of_html(markup: str) -> str:
    """The text in 65,536 characters of `markup`, from its body on; what a browser would not put on one line is on several."""
    body = LexborHTMLParser(FORMATTING.sub(r"<\1q", _beginning(markup))).body
    if body is None:  # a frameset
        return ""
    for node in body.css(INVISIBLE):
        node.decompose()
    for node in body.css(SEPARATE):
        node.insert_before("\n")
        node.insert_after("\n")
    return body.text()


def _beginning(markup: str) -> str:
    """From the body on, for the styles in a head may be longer; no half of a tag at its end."""
    markup = markup[max(0, markup.lower().find("<body")) :]
    beginning = markup[:LONGEST_MARKUP]
    tag = beginning.rfind("<")
    return beginning[:tag] if len(markup) > LONGEST_MARKUP and tag > beginning.rfind(">") else beginning
