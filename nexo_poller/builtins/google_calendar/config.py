"""The keys of kind `google_calendar`."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from attrs import frozen

from nexo_poller.errors import Problem
from nexo_poller.poller import Deliver


@frozen(kw_only=True)
class CalendarConfig:
    """The keys of kind `google_calendar`. Template fields: summary, start, end, location, status, organizer, html_link, id.

    `on_expired` says what happens when Google no longer knows from where to tell differences: `pause` the job, or
    `reset`, which takes the present as the new beginning and sends nothing of what happened in between.
    """

    # the addresses of Google's APIs are the operator's, not the job's (O1)
    allow_private_networks: ClassVar[bool] = True

    deliver: Deliver
    calendar_id: str = "primary"
    skip_cancelled: bool = True
    message_template: str = "📅 {summary} — {start}\n{html_link}"
    on_expired: Literal["pause", "reset"] = "pause"

    def problems(self) -> Iterator[Problem]:
        """What is wrong with these keys."""
        for key, text in (
            (("calendar_id",), self.calendar_id),
            (("message_template",), self.message_template),
            (("deliver", "channel"), self.deliver.channel),
            (("deliver", "to"), self.deliver.to),
        ):
            if not text.strip():
                yield Problem(key=key, what=f"{'.'.join(key)} is blank", remedy="write something, or leave it out")
