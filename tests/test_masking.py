import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.masking import Mask, fingerprint, header_values, masked_json

secrets = st.lists(st.text(min_size=6, max_size=20), max_size=4)
starry = st.lists(st.text(alphabet="*ab", min_size=6, max_size=9), max_size=4)


def test_a_secret_becomes_stars_and_the_rest_stays() -> None:
    assert Mask(["s3cret-token"])("login with s3cret-token failed") == "login with *** failed"


def test_of_two_secrets_that_fit_the_longer_is_hidden() -> None:
    assert Mask(["hunter", "hunter2-the-long"])("x hunter2-the-long y hunter3") == "x *** y ***3"


def test_a_secret_of_five_characters_is_not_looked_for() -> None:
    assert Mask(["abcde"])("abcde") == "abcde"


@pytest.mark.parametrize(
    "form",
    [
        quote("pä ss/w\n\"rd'", safe=""),
        json.dumps("pä ss/w\n\"rd'"),
        json.dumps("pä ss/w\n\"rd'", ensure_ascii=False),
        repr("pä ss/w\n\"rd'"),
    ],
)
def test_a_secret_is_found_in_other_spellings(form: str) -> None:
    assert "ss" not in Mask(["pä ss/w\n\"rd'"])(form)


@given(before=st.binary(max_size=7), secret=st.text(min_size=8, max_size=20), after=st.binary(max_size=7))
def test_a_secret_is_found_inside_base64(before: bytes, secret: str, after: bytes) -> None:
    text = base64.b64encode(before + secret.encode(errors="replace") + after).decode()
    masked = Mask([secret.encode(errors="replace").decode()])(text)
    assert "***" in masked
    assert len(masked) <= len(text) - 3


@given(text=st.text(), secrets=secrets)
def test_no_secret_is_left(text: str, secrets: list[str]) -> None:
    masked = Mask(secrets)(text + "".join(secrets) + text)
    assert not any(secret in masked for secret in secrets)


@given(
    text=st.text(alphabet="*ab:/?=&@#c. ") | st.from_regex(r"([a-z]+://[ab:@/?&=#]{1,30} ?){1,3}"),
    secrets=starry,
)
def test_masking_what_is_masked_changes_nothing(text: str, secrets: list[str]) -> None:
    mask = Mask(secrets)
    assert mask(mask(text)) == mask(text)


def test_stars_that_make_up_a_secret_with_what_follows_are_masked_too() -> None:
    assert Mask(["secret", "***abc"])("secretabcabc!") == "***!"


@given(text=st.text(alphabet=st.characters(exclude_characters=":")))
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert Mask(["\x00never\x00"])(text.replace("\x00", "")) == text.replace("\x00", "")


def test_a_url_keeps_its_host_its_path_and_the_names_of_its_parameters() -> None:
    url = "GET https://ana:pw@example.com:8080/a@b?token=abc&page=&flag&q=a=b#part failed"
    assert Mask([])(url) == "GET https://***@example.com:8080/a@b?token=***&page=&***&q=***#part failed"


def test_urls_inside_json_leave_it_json() -> None:
    text = json.dumps({"url": json.dumps({"inner": "https://u:p@h/?a=b"}), "n": 1})
    assert json.loads(json.loads(Mask([])(text))["url"]) == {"inner": "https://***@h/?a=***"}


def test_the_repr_of_a_mask_tells_nothing() -> None:
    assert "s3cret-token" not in repr(Mask(["s3cret-token"]))


def test_a_fingerprint_is_sixteen_hex_digits_of_sha256() -> None:
    assert fingerprint("ana_bot") == "dad14bf1c51c05a8"


def test_header_values_are_found_at_any_depth_and_tokens_alone_too() -> None:
    config = {
        "url": "https://example.com",
        "headers": {"Authorization": "Bearer abcdef", "X-Key": "k", "X-Number": 5},
        "steps": [{"Headers": {"Cookie": "session=1"}}, "headers"],
    }
    assert list(header_values(config)) == ["Bearer abcdef", "abcdef", "k", "session=1"]


def test_every_string_of_a_value_is_masked_and_what_json_does_not_know_becomes_text() -> None:
    value = {"s3cret-token": ["s3cret-token", {"n": 1}], "odd": (float("inf"), OSError("s3cret-token"), None, True)}
    assert masked_json(value, Mask(["s3cret-token"])) == {"***": ["***", {"n": 1}], "odd": ["inf", "***", None, True]}
