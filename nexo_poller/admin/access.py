"""Who may call. Pure: what a request says of itself goes in, a refusal or nothing comes out.

Theory of operation. Listening on loopback keeps other machines out, but not the web pages in the operator's browser:

- a page whose own name was made to point here (DNS rebinding) is of one origin with us. Its requests carry its name as
  `Host`, and so only known names are answered;
- any other page can send requests, though not read the answers, for nothing here sends a CORS header. Where they would
  change something they are refused by what browsers add to them and pages cannot leave out: `Origin`, `Sec-Fetch-Site`,
  and a content type that a page may not send elsewhere without asking first;
- whoever can reach the port otherwise must show the token. Where there is none, only connections from this machine are
  answered, for an app that has the admin app in it may listen anywhere. The token comes in a header, or as the cookie
  that the admin page gets for it. The cookie is `SameSite=Strict`, so that no other page's requests carry it, and it
  holds no token: an expiry and its MAC, which needs no memory and outlives a restart of the daemon.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen
from attrs.validators import optional

from nexo_poller.config.binds import LOOPBACK_NAME, TcpBind, is_loopback
from nexo_poller.config.model import AdminSettings
from nexo_poller.config.names import check_token, several_hosts
from nexo_poller.errors import AdminRefused
from nexo_poller.of_type import of_type
from nexo_poller.store.rows import from_ms, to_ms

COOKIE: Final = "nexo_poller_session"
TELLS_TOKENS_APART: Final = 8  # hex digits: enough for the daemons of one host
SESSION_LASTS: Final = timedelta(days=7)
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES: Final = frozenset({"same-origin", "none"})
MAPPED_IPV4: Final = "::ffff:"  # as which IPv4 clients are seen on a socket for both versions
_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:/@\[\]]+))(?::[0-9]{1,5})?")
_SESSION: Final = re.compile(r"(?P<until_ms>[0-9]{1,15})\.(?P<mac>[0-9a-f]{64})")


def _names(hosts: Iterable[str]) -> frozenset[str]:
    return frozenset(map(str.lower, several_hosts(hosts)))


@frozen(kw_only=True)
class Rules:
    """Whom a server answers. `hosts` are its names besides those of loopback, in any case.

    `token` None asks for none, and lets only connections from this machine in.
    `any_address`: every IP address is a name of it, as for a server that listens on all of them. No page can be made
    to have an address for its name, and so rebinding is not helped by it.
    """

    hosts: frozenset[str] = field(default=frozenset(), converter=_names)
    any_address: bool = False
    token: str | None = field(default=None, repr=False, validator=optional([of_type(str), check_token]))

    @property
    def session_cookie(self) -> str:
        """The name of the cookie. Every port of a host gets it, and so each token has a name of its own.

        It tells of the token no more than the cookie beside it does, which is a MAC with the same key.
        """
        return COOKIE if self.token is None else f"{COOKIE}_{_mac(self.token, 'name')[:TELLS_TOKENS_APART]}"


@frozen(kw_only=True)
class Request:
    """What a request says of itself; None: nothing. `is_public`: what it asks for needs no token.

    `client` is the address at the other end of its connection, None for a socket in the file system.
    """

    method: str
    host: str | None
    client: str | None = None
    is_public: bool = False
    has_body: bool = False
    content_type: str | None = None
    origin: str | None = None
    fetch_site: str | None = None
    authorization: str | None = field(default=None, repr=False)
    session: str | None = field(default=None, repr=False)


@frozen
class Refusal:
    """The status of the answer, and why."""

    status: int
    error: str


def rules_for(settings: AdminSettings) -> Rules:
    """The rules of a server with these settings. Raises `AdminRefused` where nothing would keep strangers out."""
    if settings.token is None and not settings.bind.is_private:
        raise AdminRefused(
            f"the admin server must not listen on {settings.bind} without a token: whoever reaches it could steer the "
            "daemon (add `admin: {token: ${file:…}}` to the configuration, or use 127.0.0.1:PORT or unix:PATH)"
        )
    own = settings.bind.host.lower() if isinstance(settings.bind, TcpBind) else LOOPBACK_NAME
    return Rules(
        hosts={own, *settings.hosts},
        any_address=_is_unspecified(own),
        token=settings.token,
    )


def refusal(request: Request, rules: Rules, now: datetime) -> Refusal | None:
    """Why the request is not answered, or None."""
    if rules.token is None and not _is_this_machine(request.client):
        return Refusal(403, "without a token only this machine is answered; set one (token=… in Rules), and show it")
    if not _is_our_name(request.host, rules):
        return Refusal(403, "this host is not answered for; call by 127.0.0.1 or localhost, or list it in admin.hosts")
    if request.method not in SAFE_METHODS and (refused := _refusal_of_change(request)):
        return refused
    if rules.token is not None and not request.is_public and not _shows(request, rules.token, now):
        return Refusal(401, "the token is missing or wrong (Authorization: Bearer <token>)")
    return None


def _refusal_of_change(request: Request) -> Refusal | None:
    if request.origin is not None and not _is_own_origin(request.origin, request.host):
        return Refusal(403, "requests from other sites may change nothing (Origin)")
    if request.fetch_site is not None and request.fetch_site not in OWN_SITES:
        return Refusal(403, "requests from other sites may change nothing (Sec-Fetch-Site)")
    if not _is_json_or_nothing(request):
        return Refusal(415, "the body must be JSON, and be said to be (Content-Type: application/json)")
    return None


def is_token(candidate: str, token: str) -> bool:
    """Whether the two are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(_digest(candidate), _digest(token))


def new_session(token: str, now: datetime) -> str:
    """The value of a cookie that stands for the token for a week."""
    until_ms = to_ms(now + SESSION_LASTS)
    return f"{until_ms}.{_mac(token, f'session {until_ms}')}"


def is_session(candidate: str, token: str, now: datetime) -> bool:
    """Whether `new_session` made this value with this token, not too long ago."""
    found = _SESSION.fullmatch(candidate)
    if found is None or not hmac.compare_digest(found["mac"], _mac(token, f"session {found['until_ms']}")):
        return False
    until = from_ms(int(found["until_ms"]))
    return until is not None and now < until


def _is_this_machine(client: str | None) -> bool:
    return client is None or is_loopback(client.removeprefix(MAPPED_IPV4))


def _is_our_name(host: str | None, rules: Rules) -> bool:
    found = _HOST.fullmatch(host or "")
    if found is None:
        return False
    name = (found["v6"] or found["name"]).lower()
    return is_loopback(name) or name in rules.hosts or (rules.any_address and _is_address(name))


def _is_own_origin(origin: str, host: str | None) -> bool:
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    return found.scheme in ("http", "https") and found.netloc.lower() == (host or "").lower()


def _is_json_or_nothing(request: Request) -> bool:
    if request.content_type is None:
        return not request.has_body
    return request.content_type.partition(";")[0].strip().lower() == "application/json"


def _shows(request: Request, token: str, now: datetime) -> bool:
    scheme, _, credentials = (request.authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return is_token(credentials.strip(), token)
    return request.session is not None and is_session(request.session, token, now)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _mac(token: str, words: str) -> str:
    return hmac.new(token.encode(), f"nexo_poller {words}".encode(), hashlib.sha256).hexdigest()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_unspecified(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_unspecified
