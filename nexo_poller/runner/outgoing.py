"""From what a tick wants to send to rows of the outbox, and the audit lines about them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from attrs import frozen

from nexo_poller import audit
from nexo_poller.broker.topics import OUTBOUND, outbound_topic
from nexo_poller.config.model import JobSpec
from nexo_poller.errors import CredentialsMissing, HostError, PermanentError
from nexo_poller.event import delivery_message, message_id, published_message
from nexo_poller.failures import LONGEST_ERROR, describe
from nexo_poller.host import Agents, instance_of
from nexo_poller.masking import Mask
from nexo_poller.poller import Deliver, OutboundDelivery
from nexo_poller.store import Outgoing


@frozen(kw_only=True)
class Sender:
    """Addresses the messages of one claim. Ids are fixed by `store_id`, job, fence and a number (M1)."""

    job: JobSpec
    agents: Agents
    store_id: str
    fence: int
    now: datetime
    mask: Mask

    def everything(
        self, deliver: Sequence[OutboundDelivery], published: Sequence[tuple[str, bytes]], limit: int
    ) -> list[Outgoing]:
        """The messages of a tick, in order. Raises `PermanentError` if one cannot be sent, or there are too many."""
        if len(deliver) + len(published) > limit:
            raise PermanentError(
                f"the tick wants to send {len(deliver) + len(published):,} messages at once; at most {limit:,} may "
                "(send fewer a tick, or raise `max_pending_per_job`)"
            )
        try:
            return [*self._published(published), *self._delivered(deliver, len(published))]
        except PermanentError:
            raise
        except Exception as error:  # still the poller's own values: they must not end the daemon
            what = f"the tick's messages cannot be sent: {type(error).__name__}: {describe(error)}"
            raise PermanentError(what) from error

    def alert(self, text: str, to: Deliver) -> Outgoing:
        """An alert, in a lane of its own, so that it waits for no ordinary message (M3)."""
        delivery = OutboundDelivery(channel=to.channel, recipient=to.to, payload={"text": text})
        return self._addressed(delivery, "alert", lane_mark="!")

    def _published(self, published: Sequence[tuple[str, bytes]]) -> Iterator[Outgoing]:
        for n, (topic, payload) in enumerate(published):
            try:
                message = published_message(topic, payload, id=self._id(n), timestamp=self.now)
            except HostError as error:
                raise PermanentError(f"broker_publish: {error}") from error
            yield Outgoing(message=message, lane=f"{self.job.id}/{topic}")

    def _delivered(self, deliver: Sequence[OutboundDelivery], first: int) -> Iterator[Outgoing]:
        for n, delivery in enumerate(deliver, start=first):
            yield self._addressed(delivery, n, lane_mark="/")

    def _addressed(self, delivery: OutboundDelivery, n: int | str, lane_mark: str) -> Outgoing:
        topic = outbound_topic(delivery.channel, instance_of(self.agents, self.job.agent, delivery.channel))
        message = delivery_message(delivery, topic=topic, id=self._id(n), timestamp=self.now)
        return Outgoing(
            message=message,
            lane=f"{self.job.id}{lane_mark}{topic}",
            not_before=delivery.not_before,
            error=delivery.dead_because and self.mask(delivery.dead_because)[:LONGEST_ERROR],
        )

    def _id(self, n: int | str) -> str:
        return message_id(self.store_id, self.job.id, self.fence, n)


def audit_sent(job: JobSpec, outgoing: Iterable[Outgoing]) -> None:
    """A line of the audit log for every event of the job that was committed."""
    for one in outgoing:
        before, _, rest = one.message.topic.partition(f"{OUTBOUND}.")
        channel, _, account = rest.partition(".")
        if not before and channel:
            audit.used(_use(job, channel), account or None)


def audit_unsent(job: JobSpec, error: CredentialsMissing) -> None:
    """A line of the audit log for an event that found no account."""
    audit.refused(_use(job, error.channel))


def _use(job: JobSpec, channel: str) -> audit.Use:
    topic = f"{OUTBOUND}.{channel}"
    return audit.Use(agent=job.agent, channel=channel, direction="outbound", topic=topic, job_id=job.id)
