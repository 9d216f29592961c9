"""What must not leave this process in a log, an error or an answer, and how it is taken out of a text (O2)."""

import base64
import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from attrs import define, field

MASKED: Final = "***"
SHORTEST_SECRET: Final = 6  # masking shorter ones would hide half of every text and protect nothing
_URL: Final = re.compile(r"""://[^\s"'<>\\]+""")
_AUTHORITY: Final = re.compile(r"://([^/?#]*)")
_CREDENTIAL_NAME: Final = re.compile("password|passwd|secret|token|api_?key|authorization|cookie", re.IGNORECASE)
_CREDENTIAL_HEADERS: Final = ("authorization", "proxy-authorization")


@define(eq=False)
class Mask:
    """Takes every secret out of a text, and the userinfo and query values out of every URL.

    A secret is also found percent-encoded, as JSON has it, and inside base64. Secrets of fewer than 6 characters are
    not looked for. Masking what is masked changes nothing. Takes time in proportion to the text, however many secrets
    there are.
    """

    _secrets: Iterable[str] = field(repr=False)
    _by_prefix: Mapping[str, list[str]] = field(init=False, repr=False)

    @_by_prefix.default
    def _grouped(self) -> Mapping[str, list[str]]:
        forms = {form for secret in self._secrets if len(secret) >= SHORTEST_SECRET for form in _forms(secret)}
        by_prefix: defaultdict[str, list[str]] = defaultdict(list)
        for form in sorted(forms, key=len, reverse=True):  # the longest that fits is the one to hide
            by_prefix[form[:SHORTEST_SECRET]].append(form)
        return dict(by_prefix)

    def __call__(self, text: str) -> str:
        """`text` with `***` for whatever is secret."""
        while (masked := self._masked_once(text)) != text:  # `***` beside what follows it may make up a secret anew
            text = masked
        return text

    def _masked_once(self, text: str) -> str:
        masked = self._without_secrets(text) if self._by_prefix else text
        return _URL.sub(_masked_url, masked) if "://" in masked else masked

    def _without_secrets(self, text: str) -> str:
        kept: list[str] = []
        start = position = 0
        while position <= len(text) - SHORTEST_SECRET:
            candidates = self._by_prefix.get(text[position : position + SHORTEST_SECRET])
            found = candidates and next((secret for secret in candidates if text.startswith(secret, position)), None)
            if not found:
                position += 1
                continue
            kept += (text[start:position], MASKED)
            start = position = position + len(found)
        return "".join((*kept, text[start:]))


def masked_json(value: Any, mask: Callable[[str], str]) -> Any:
    """`value` as JSON can hold it, every string of it masked; what JSON does not know becomes its `str`."""
    match value:
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping():
            return {mask(str(name)): masked_json(inner, mask) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [masked_json(inner, mask) for inner in value]
        case _:
            return mask(str(value))


def masked_config(config: Mapping[str, Any], mask: Callable[[str], str]) -> dict[str, Any]:
    """A job's config as it may be shown: as `masked_json` has it, and nothing under a name that promises a credential."""
    return {
        name: MASKED
        if _CREDENTIAL_NAME.search(name) and isinstance(value, str)
        else masked_config(value, mask)
        if isinstance(value, Mapping)
        else masked_json(value, mask)
        for name, value in config.items()
    }


def fingerprint(account: str) -> str:
    """What stands for an account in logs, audit and metrics: the first 8 bytes of its SHA-256, as 16 hex digits."""
    return hashlib.sha256(account.encode(errors="surrogatepass")).digest()[:8].hex()


def header_values(config: Mapping[str, Any]) -> Iterator[str]:
    """Every value of a `headers` mapping in a job's config, at any depth; of `Authorization` the bare token as well."""
    for key, value in config.items():
        if key.lower() == "headers" and isinstance(value, Mapping):
            yield from _secret_headers(value)
        elif isinstance(value, Mapping):
            yield from header_values(value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Mapping):
                    yield from header_values(item)


def _secret_headers(headers: Mapping[str, Any]) -> Iterator[str]:
    for name, value in headers.items():
        if isinstance(value, str):
            yield value
            if name.lower() in _CREDENTIAL_HEADERS:
                yield value.partition(" ")[2]


def _forms(secret: str) -> Iterator[str]:
    """`secret` as it may stand in a URL, in JSON, in a Python repr, and inside base64."""
    yield secret
    yield quote(secret, safe="", errors="surrogatepass")
    yield quote(secret, safe="/", errors="surrogatepass")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield from _base64_forms(secret.encode(errors="surrogatepass"))


def _base64_forms(secret: bytes) -> Iterator[str]:
    """The characters that `secret` alone decides, at each of the three places that it can have in a group of three."""
    for offset, shared in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(offset) + secret).decode()
        whole = len(encoded) if (offset + len(secret)) % 3 == 0 else len(encoded) - 4 + (offset + len(secret)) % 3
        form = encoded[shared:whole]
        if len(form) >= SHORTEST_SECRET:
            yield form
            yield form.replace("+", "-").replace("/", "_")


def _masked_url(found: re.Match[str]) -> str:
    url, hash_sign, fragment = found[0].partition("#")
    address, question_mark, query = url.partition("?")
    if query:
        query = "&".join(map(_masked_parameter, query.split("&")))
    return f"{_AUTHORITY.sub(_masked_userinfo, address, count=1)}{question_mark}{query}{hash_sign}{fragment}"


def _masked_userinfo(found: re.Match[str]) -> str:
    userinfo, at_sign, host = found[1].rpartition("@")
    return f"://{MASKED if userinfo else ''}{at_sign}{host}"


def _masked_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if not equals:
        return MASKED if name else ""
    return f"{name}={MASKED if value else ''}"
