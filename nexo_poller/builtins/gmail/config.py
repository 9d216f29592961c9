"""The keys of kind `gmail`."""

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from attrs import Factory, frozen

from nexo_poller.builtins.gmail.extract import pattern_problems
from nexo_poller.builtins.gmail.mail import Mail, in_lower_case
from nexo_poller.errors import Problem
from nexo_poller.poller import Deliver
from nexo_poller.template import render

ALLOWED: Final = re.compile(r"[^\s@]*@[^\s@]+")
NEWER_THAN: Final = re.compile(r"[1-9][0-9]*[dmy]")  # https://support.google.com/mail/answer/7190
MOST_PER_TICK: Final = 500
LONGEST_DELAY_MS: Final = 3_600_000
OWN_FIELDS: Final = ("subject", "from", "snippet", "date", "id")


@frozen(kw_only=True)
class GmailConfig:
    """What a job watches, and what it makes of a mail.

    `query` is as in Gmail's search box; `newer_than` (`1d`, `2m`, `1y`) keeps a new job from old mail. At most
    `max_per_tick` mails are looked at in one tick, and their messages are sent `dispatch_delay_ms` apart.
    `sender_allowlist` has addresses (`ana@example.org`) and whole domains (`@example.org`); empty: everybody. `extract`
    maps a name to a pattern whose first group becomes the field of that name; a mail that lacks one of `require_fields`
    is passed over. Template fields: subject, from, snippet, date, id, and the extracted ones.
    """

    # the addresses of Google's APIs are the operator's, not the job's (O1)
    allow_private_networks: ClassVar[bool] = True
    # a mail of the 25 MB that may be sent to Gmail, all of it text, in base64
    max_body_bytes: ClassVar[int] = 36 * 2**20

    query: str
    message_template: str
    deliver: Deliver
    newer_than: str | None = None
    max_per_tick: int = 20
    dispatch_delay_ms: int = 1000
    sender_allowlist: tuple[str, ...] = ()
    extract: Mapping[str, str] = Factory(dict)
    require_fields: tuple[str, ...] = ()
    mark_read_on_dispatch: bool = True

    @property
    def search(self) -> str:
        """The whole query."""
        return f"({self.query}) newer_than:{self.newer_than}" if self.newer_than else self.query

    def allows(self, mail: Mail) -> bool:
        """Whether who wrote the mail may."""
        domain = mail.address[mail.address.rfind("@") :]
        allowed = set(map(in_lower_case, self.sender_allowlist))
        return not allowed or (bool(mail.address) and not allowed.isdisjoint({mail.address, domain}))

    def text(self, mail: Mail, extracted: Mapping[str, str]) -> str | None:
        """The message about a mail; None if it lacks a required field."""
        own = {"subject": mail.subject, "from": mail.sender, "snippet": mail.snippet, "date": mail.date, "id": mail.id}
        fields = {**extracted, **own}
        if not all(fields.get(name, "").strip() for name in self.require_fields):
            return None
        return render(self.message_template, fields)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with these keys."""
        for key, what, remedy in self._blanks():
            yield Problem(key=key, what=what, remedy=remedy)
        if self.newer_than is not None and not NEWER_THAN.fullmatch(self.newer_than):
            yield Problem(key=("newer_than",), what=f"newer_than is '{self.newer_than}'", remedy="write 1d, 2m or 1y")
        for name, value, least, most in (
            ("max_per_tick", self.max_per_tick, 1, MOST_PER_TICK),
            ("dispatch_delay_ms", self.dispatch_delay_ms, 0, LONGEST_DELAY_MS),
        ):
            if not least <= value <= most:
                yield Problem(key=(name,), what=f"{name} is {value}", remedy=f"use {least} to {most}")
        for index, entry in enumerate(self.sender_allowlist):
            if not ALLOWED.fullmatch(entry):
                remedy = "write ana@example.org, or @example.org for everybody there"
                yield Problem(key=("sender_allowlist", index), what=f"'{entry}' is no address", remedy=remedy)
        yield from pattern_problems(self.extract)
        for name in self.extract.keys() & set(OWN_FIELDS):
            yield Problem(key=("extract", name), what=f"every mail has a field '{name}'", remedy="choose another name")
        for index, name in enumerate(self.require_fields):
            if name not in self.extract and name not in OWN_FIELDS:
                remedy = f"extract it, or require one of {', '.join((*OWN_FIELDS, *self.extract))}"
                yield Problem(key=("require_fields", index), what=f"nothing gives a field '{name}'", remedy=remedy)

    def _blanks(self) -> Iterator[tuple[tuple[str, ...], str, str]]:
        if not self.query.strip():
            yield ("query",), "query is blank, so all of the mail would match", "say what to look for: is:unread"
        if not self.message_template.strip():
            yield ("message_template",), "message_template is blank", "name fields in braces, such as {subject}"
        for name in ("channel", "to"):
            if not getattr(self.deliver, name).strip():
                yield ("deliver", name), f"deliver.{name} is blank", "say where messages go"
