"""Log records: one line each, nothing secret, nothing that a terminal obeys."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_poller.logs import configure_logging, escape

SECRET = 'hunter"2\n'
HOSTILE = "\x1b[2J\r\nfake\x9b31m\u202e\u2028\x7f\ud800\x00"
log = logging.getLogger("nexo_poller.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def mask(text: str) -> str:
    return text.replace(SECRET, "***")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def machine(level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(mask, level, stream)
    return stream


def human(level: str = "info") -> Terminal:
    stream = Terminal()
    configure_logging(mask, level, stream)
    return stream


def caught(error: Exception) -> Exception:
    """`error` with a traceback."""
    try:
        raise error
    except type(error) as raised:
        return raised


def only_record(stream: io.StringIO) -> Any:
    (line,) = stream.getvalue().splitlines()
    return json.loads(line)


def test_a_record_is_a_json_line_where_no_one_watches() -> None:
    stream = machine()
    log.warning("tick of %s took %d ms", "inbox", 17, extra={"fields": {"job_id": "inbox", "ms": 17}})
    record = only_record(stream)
    assert record.pop("time").endswith("Z")
    assert record == {
        "level": "warning",
        "logger": "nexo_poller.test",
        "message": "tick of inbox took 17 ms",
        "fields": {"job_id": "inbox", "ms": 17},
    }


def test_a_record_is_a_sentence_on_a_terminal() -> None:
    stream = human()
    log.warning("tick of %s failed", "inbox", extra={"attempt": 2})
    assert stream.getvalue().endswith("WARNING nexo_poller.test: tick of inbox failed attempt=2\n")


@pytest.mark.parametrize("open_stream", [machine, human])
def test_secrets_are_masked_in_message_fields_and_exception(open_stream: Any) -> None:
    stream = open_stream()
    errors = caught(ExceptionGroup("both", [ValueError(f"bad key {SECRET}"), OSError(SECRET)]))
    log.error(
        "cannot use %s", SECRET, exc_info=errors, extra={"fields": {SECRET: [SECRET], "deep": {"in": OSError(SECRET)}}}
    )
    assert "hunter" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 5
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("open_stream", [machine, human])
def test_one_record_is_one_line_whatever_is_in_it(open_stream: Any) -> None:
    stream = open_stream()
    log.error("title: %s", HOSTILE, exc_info=caught(ValueError(HOSTILE)), extra={"fields": {HOSTILE: HOSTILE}})
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert text[:-1] == escape(text[:-1])


@given(st.text())
def test_escaped_text_is_one_printable_line(text: str) -> None:
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1
    assert escape(escaped) == escaped
    assert "\x1b" not in escaped


def test_an_exception_says_what_and_where_to_people() -> None:
    stream = human()
    log.error("tick failed", exc_info=caught(KeyError("guid")))
    assert f"tick failed (KeyError: 'guid' at {__file__}:" in stream.getvalue()
    assert "Traceback" not in stream.getvalue()


def test_an_exception_is_told_whole_to_machines() -> None:
    stream = machine()
    log.error("tick failed", exc_info=caught(KeyError("guid")))
    assert only_record(stream)["exception"].startswith("Traceback (most recent call last):\n")


def test_values_that_json_does_not_know_become_text() -> None:
    stream = machine()
    log.info("odd", extra={"fields": {"nan": float("nan"), "set": {1}, "type": int, 3: None}})
    assert only_record(stream)["fields"] == {"nan": "nan", "set": [1], "type": "<class 'int'>", "3": None}


def test_levels_below_the_chosen_one_are_left_out() -> None:
    stream = machine("warning")
    log.info("chatter")
    assert stream.getvalue() == ""


def test_libraries_that_log_whole_urls_are_kept_quiet() -> None:
    stream = machine("debug")
    logging.getLogger("httpx").info("HTTP Request: GET https://x.example/?token=s3cret")
    assert stream.getvalue() == ""


def test_warnings_of_python_become_records() -> None:
    stream = machine()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging(mask, "info", stream)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "old ways" in only_record(stream)["message"]


def test_a_record_that_cannot_be_formatted_is_named_without_its_parts() -> None:
    stream = machine()
    log.info("%d apples", SECRET)
    assert "could not be written" in stream.getvalue()
    assert "hunter" not in stream.getvalue()
