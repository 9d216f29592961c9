"""What a server sent in place of what was asked for, in words for an error message. Pure."""

import re

from nexo_poller.template import without_unwanted

LOOKED_AT_BYTES = 4096
SHOWN = 80
PAGE_TITLE = re.compile(r"<title[^<>]*>([^<]+)", re.IGNORECASE)


def what_came(content_type: str, body: bytes) -> str:
    """Its type, size, title (of a page) and first characters: `text/html, 512 bytes, the page 'Sign in', beginning …`."""
    if not body:
        return "an empty body"
    beginning = body[:LOOKED_AT_BYTES].decode("utf-8", "replace")
    title = PAGE_TITLE.search(beginning)
    facts = [
        _shown(content_type) or "no content type",
        f"{len(body):,} bytes",
        *([f"the page '{_shown(title[1])}'"] if title else []),
        f"beginning '{_shown(beginning)}'",
    ]
    return ", ".join(facts)


def _shown(text: str) -> str:
    shown = without_unwanted(" ".join(text.split()))
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
