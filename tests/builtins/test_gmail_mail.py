"""Mails as Gmail shows them, and what is made of them."""

import base64
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from google_fake import mail
from google_fake.mailbox import Mailbox
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.builtins.gmail.mail import LONGEST_HEADER, LONGEST_TEXT, Mail, address_in, mail_from

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "snippet", "payload", "headers", "name", "value", "parts", "mimeType", "body", "data"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


def received(sent: EmailMessage | bytes) -> Mail:
    """A mail after it went through a mailbox."""
    box = Mailbox("ana@example.com", lambda: NOON)
    return mail_from(box.get(box.receive(sent), {"format": ["full"]}))


def raw(headers: str, body: bytes = b"x") -> Mail:
    return received(headers.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)


def message_of(data: str, mime_type: str = "text/plain", content_type: str = "text/plain") -> dict[str, Any]:
    headers = [{"name": "Content-Type", "value": content_type}]
    return {"id": "1", "payload": {"mimeType": mime_type, "headers": headers, "body": {"data": data}}}


def test_a_plain_mail() -> None:
    found = received(mail(subject="Lead", text="Name: Leo\nTel: 1", Date="Sun, 1 Mar 2026 12:00:00 +0000"))
    assert (found.subject, found.sender, found.address) == ("Lead", "Leo <leo@example.org>", "leo@example.org")
    assert (found.text, found.date) == ("Name: Leo\nTel: 1", "Sun, 01 Mar 2026 12:00:00 +0000")
    assert found.snippet == "Name: Leo Tel: 1"


def test_a_snippet_is_text_and_no_html() -> None:
    assert received(mail(text="Tom & 'Jerry' < 3")).snippet == "Tom & 'Jerry' < 3"


def test_of_several_forms_the_plain_one_is_read() -> None:
    both = mail(text="plain")
    both.add_alternative("<p>html</p>", subtype="html")
    assert received(both).text == "plain"


def test_html_alone_is_read_as_text() -> None:
    html = EmailMessage()
    html.set_content(
        "<style>p{}</style><p>Name: <b>Leo</b></p><p>Tel: 1<br>Fax: 2</p><script>x</script>", subtype="html"
    )
    assert received(html).text == "Name: Leo\nTel: 1\nFax: 2"


def test_a_text_that_is_attached_is_not_the_mail() -> None:
    attached = mail(text="the mail")
    attached.add_attachment("the attachment", filename="a.txt")
    inside = EmailMessage()
    inside.add_attachment("only an attachment", filename="b.txt")
    assert received(attached).text == "the mail"
    assert received(inside).text == ""


def test_a_forwarded_mail_inside_a_mail_is_looked_through_to_its_text() -> None:
    outer = EmailMessage()
    outer["Subject"] = "Fwd"
    outer.add_attachment(mail(subject="inner", text="deep"))
    assert received(outer).text == "deep"


def test_a_mail_in_html_is_read_before_those_that_it_brings_along() -> None:
    outer = EmailMessage()
    outer.set_content("<p>the mail</p>", subtype="html")
    outer.add_attachment(mail(text="another mail"))
    listed = EmailMessage()
    listed.set_content("<p>the mail</p>", subtype="html")
    listed.make_mixed()
    footer = EmailMessage()
    footer.set_content("unsubscribe")
    listed.attach(footer)
    assert [received(sent).text for sent in (outer, listed)] == ["the mail", "the mail"]


def test_of_alternatives_the_plain_one_is_read_wherever_it_stands_and_html_if_it_is_blank() -> None:
    last, blank = EmailMessage(), mail(text=" \n")
    last.set_content("<p>html</p>", subtype="html")
    last.add_alternative("plain")
    blank.add_alternative("<p>html</p>", subtype="html")
    assert [received(sent).text for sent in (last, blank)] == ["plain", "html"]


def test_an_attachment_without_a_name_is_one_all_the_same() -> None:
    sent = b"Content-Type: text/plain\r\nContent-Disposition: ATTACHMENT\r\n\r\nattached"
    assert received(sent).text == ""


@pytest.mark.parametrize(
    "charset", ["utf-8", "iso-8859-1", "windows-1252", "iso-2022-jp", "utf-16", "koi8-r", "gb18030"]
)
def test_every_charset_is_read(charset: str) -> None:
    text = {"iso-2022-jp": "こんにちは", "koi8-r": "привет", "gb18030": "你好"}.get(charset, "für ä ö ü")
    part = b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert received(part + base64.b64encode(text.encode(charset))).text.lstrip("\ufeff") == text


def test_what_gmail_has_made_utf_8_is_read_as_such_whatever_it_says() -> None:
    data = base64.urlsafe_b64encode("für".encode()).decode()
    assert mail_from(message_of(data, content_type="text/plain; charset=iso-8859-1")).text == "für"


@pytest.mark.parametrize(
    "content_type", ["text/plain; charset=x-unknown", "text/plain; charset=", "?;;=", 'a; charset="\udcff"']
)
def test_a_charset_that_nobody_knows_is_guessed(content_type: str) -> None:
    data = base64.urlsafe_b64encode(b"caf\xe9").decode()
    assert mail_from(message_of(data, content_type=content_type)).text == "caf\ufffd"


def test_encoded_words_of_a_header_are_read_and_broken_ones_shown_as_they_are() -> None:
    found = raw("Subject: =?utf-8?b?w7xiZXI=?= =?iso-8859-1?q?_f=FCr?=\nFrom: =?utf-8?q?J=C3=B6?= <jo@example.org>")
    assert (found.subject, found.sender) == ("über für", "Jö <jo@example.org>")
    assert raw("Subject: =?nope?q?x?=").subject == "=?nope?q?x?="
    assert raw("Subject: =?utf-8?b?!!!?=").subject == "=?utf-8?b?!!!?="


def test_a_header_cannot_bring_lines_of_its_own() -> None:
    assert raw("Subject: =?utf-8?b?eApCY2M6IHk=?=").subject == "x Bcc: y"
    assert raw("Subject: one\n two").subject == "one two"
    assert len(raw(f"Subject: {'x' * 100_000}").subject) == LONGEST_HEADER


def test_a_header_cannot_turn_the_text_around_or_bring_what_no_answer_could_carry() -> None:
    assert raw("Subject: \u202egnp.exe\x1b[2J").subject == "gnp.exe[2J"
    assert raw("Subject: a =?utf-7?q?+2AA-?= b").subject.encode() == b"a b"


def test_of_several_headers_of_one_name_the_first_counts() -> None:
    assert raw("Subject: a\nSubject: b").subject == "a"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("ana@good.example", "ana@good.example"),
        ("Ana <Ana@Good.Example>", "ana@good.example"),
        ('"Acme, Inc." <x@y.example>', "x@y.example"),
        ('"ana@good.example" <thief@bad.example>', "thief@bad.example"),
        ("ana@good.example <thief@bad.example>", "thief@bad.example"),
        ("=?utf-8?q?ana=40good=2Eexample?= <thief@bad.example>", "thief@bad.example"),
        ('"ana@good.example\\" <b@good.example>" <thief@bad.example>', "thief@bad.example"),
        ("ana@good.example\xa0<thief@bad.example>", "thief@bad.example"),
        ('"Ana (Sales)" <ana@good.example>', "ana@good.example"),
        ("Ana (Sales) <ana@good.example>", "ana@good.example"),
        ("thief@bad.example (ana@good.example)", "thief@bad.example"),
        ('ana@good.example (") <thief@bad.example> (")', "thief@bad.example"),
        ("thief@bad.example (x <ana@good.example>", ""),
        (f"ana@good.example{' ' * 3000}<thief@bad.example>", ""),
        ("Doe, Ana <ana@good.example>", "ana@good.example"),
        ("thief@bad.example, Ana <ana@good.example>", ""),
        ("group: thief@bad.example; <ana@good.example>", ""),
        ("boss@ban\u212a.example", "boss@ban\u212a.example"),
        *((header, "") for header in ("", "Ana", "<>", "a@b@c.example", "=?utf-8?b?YW5hQGdvb2QuZXhhbXBsZQ==?=")),
        *(
            (header, "")
            for header in ("a@x.example, b@x.example", "<a@x.example> <b@x.example>", "group: a@x.example;")
        ),
        *(
            (header, "")
            for header in ("b@x.example (c) x", "ana@good.example)b@x.example", '"a"@x.example', '"ana@good.example')
        ),
    ],
)
def test_a_sender_is_the_one_address_that_gmail_would_answer_to(header: str, address: str) -> None:
    assert address_in(header) == address


def test_an_address_in_an_encoded_word_is_a_name_and_no_address() -> None:
    assert raw("From: =?utf-8?q?ana=40good=2Eexample?=").address == ""
    assert raw("From: =?utf-8?q?x_=3Cana=40good=2Eexample=3E?=").address == ""


def test_a_mail_with_two_senders_has_no_address_that_could_be_trusted() -> None:
    assert raw("From: ana@good.example\nFrom: thief@bad.example").address == ""


@pytest.mark.parametrize("data", ["!!!", "YQ", "YWI", "=", "Y", "é", 7, None, ["x"]])
def test_a_body_that_is_no_base64_is_empty_or_what_can_be_read_of_it(data: Any) -> None:
    assert mail_from(message_of(data)).text in ("", "a", "ab")


def test_a_mail_of_ten_megabytes_is_read_as_far_as_it_is_looked_at() -> None:
    assert received(mail(text="word " * 2_000_000)).text == ("word " * 20_000)[:LONGEST_TEXT]


def test_a_long_text_is_not_misread_for_being_cut_within_a_character() -> None:
    data = base64.urlsafe_b64encode(("x" + "ä" * 400_000).encode()).decode()
    assert mail_from(message_of(data, content_type="text/plain; charset=iso-8859-1")).text == "x" + "ä" * 99_999


@pytest.mark.parametrize("codec", ["punycode", "idna", "unicode_escape", "raw_unicode_escape", "hex", "rot13"])
def test_what_is_no_charset_of_mails_is_not_used_as_one(codec: str) -> None:
    data = base64.urlsafe_b64encode(b"\x1b\\d6162-").decode()
    assert mail_from(message_of(data, content_type=f"text/plain; charset={codec}")).text == "\x1b\\d6162-"


def test_no_halves_of_characters_come_out_of_a_mail() -> None:
    data = base64.urlsafe_b64encode(b"\x00+2AA-").decode()
    assert mail_from(message_of(data, content_type="text/plain; charset=utf-7")).text.encode() == b"\x00?"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00\xff\xfe",
        b"Content-Type: text/plain; charset=" + b"(" * 1900 + b"\r\n\r\nx",
        b"Content-Type: text/plain; " + b"a=b;" * 10_000 + b"\r\n\r\nx",
        b"Subject",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n\r\nlost",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=",
    ],
)
def test_a_broken_mail_is_a_mail_all_the_same(sent: bytes) -> None:
    assert received(sent).id


def test_parts_within_parts_without_end_are_looked_at_so_far() -> None:
    part: dict[str, Any] = {"mimeType": "text/plain", "body": {"data": "eA=="}}
    for _ in range(5_000):
        part = {"mimeType": "multipart/mixed", "parts": [part]}
    assert mail_from({"id": "1", "payload": part}).text == ""


@given(ANYTHING)
def test_whatever_comes_nothing_is_raised(message: Any) -> None:
    found = mail_from(message if isinstance(message, dict) else {"payload": message})
    assert len(found.text) <= LONGEST_TEXT


@given(st.binary(max_size=300))
def test_whatever_is_mailed_nothing_is_raised(sent: bytes) -> None:
    assert "\n" not in received(sent).subject
