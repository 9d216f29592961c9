"""Where a redirect may lead, and what goes along. Pure."""

import httpx

from nexo_poller.http.errors import RedirectRefused

# what they say is about the document, not about who asks for it
HARMLESS = ("Accept", "Accept-Language", "If-None-Match", "If-Modified-Since")
OF_THE_REQUEST = ("Host", "Content-Length", "Content-Type", "Transfer-Encoding")


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Whether scheme, host and port agree. Usual ports are left out of a netloc, so none has to be filled in."""
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)


def checked_step(old: httpx.Request, new: httpx.Request, own_headers: httpx.Headers) -> httpx.Request:
    """The request to follow a redirect with: `new`, as httpx made it out of `old` and its answer, or what is left of it.

    Another origin gets none of the job's own headers, only `own_headers` and those that say which document is wanted, in
    which form, and what the body is. Going from http to https is a change of origin too.

    Raises:
        RedirectRefused: it leads from https to http, or to neither.
    """
    if new.url.scheme not in ("http", "https") or (old.url.scheme, new.url.scheme) == ("https", "http"):
        raise RedirectRefused(
            f"it redirects from {old.url.scheme} to {new.url.scheme}, where no job is led", request=old
        )
    if same_origin(old.url, new.url):
        return new
    kept = {name: new.headers[name] for name in (*HARMLESS, *OF_THE_REQUEST) if name in new.headers}
    return httpx.Request(
        new.method, new.url, headers={**own_headers, **kept}, stream=new.stream, extensions=new.extensions
    )
