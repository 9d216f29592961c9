"""Whether every link of the built site leads somewhere: `python docs/links.py build/site`."""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from selectolax.lexbor import LexborHTMLParser


def broken(site: Path) -> Iterator[str]:
    """Every link within the site, an image's or a style's too, whose file or whose anchor is not there, and its page."""
    for page in sorted(site.rglob("*.html")):
        for element in _read(page).css("[href], [src]"):
            link = element.attributes.get("href") or element.attributes.get("src") or ""
            if not _leads_somewhere(site, page, link):
                yield f"{page.relative_to(site)}: {link}"


def _leads_somewhere(site: Path, page: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = page.parent.joinpath(unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_file() or not target.is_relative_to(site.resolve()):
        return False
    return not parts.fragment or target.suffix != ".html" or unquote(parts.fragment) in _anchors(target)


@cache
def _anchors(page: Path) -> frozenset[str]:
    return frozenset(element.attributes["id"] or "" for element in _read(page).css("[id]"))


def _read(page: Path) -> LexborHTMLParser:
    return LexborHTMLParser(page.read_text())


if __name__ == "__main__":
    found = [*broken(Path(sys.argv[1]).resolve())]
    print("\n".join(found))
    sys.exit(bool(found))
