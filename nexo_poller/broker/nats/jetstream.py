"""Which streams there are, as JetStream's API tells. Source: https://docs.nats.io/reference/reference-protocols/nats_api_reference."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from nexo_poller.broker.nats.connection import PATIENCE_SECS, Connection
from nexo_poller.errors import BrokerUnavailable

NO_JETSTREAM: Final = {10039, 10076}  # not for this account; not on this server


async def streams_over(connection: Connection, pattern: str) -> list[str]:
    """The names of the streams that keep a topic which matches `pattern`, sorted; none without JetStream.

    Raises `BrokerUnavailable` if that cannot be told.
    """
    streams: list[str] = []
    while True:
        page = await ask(connection, "STREAM.NAMES", {"subject": pattern, "offset": len(streams)})
        found = page.get("streams") or []
        streams += found
        if not found or len(streams) >= page["total"]:
            return sorted(streams)


async def ask(connection: Connection, what: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer of JetStream's API; an empty one if there is no JetStream. Raises `BrokerUnavailable`."""
    subject, question = f"$JS.API.{what}", json.dumps(body).encode()
    try:
        message = await connection.aio(connection.client.request, subject, question, timeout=PATIENCE_SECS)
    except NoRespondersError:
        return {}
    except NatsTimeoutError as error:
        raise BrokerUnavailable("JetStream does not answer") from error
    try:
        answer: Any = json.loads(message.data)
    except (ValueError, RecursionError):
        answer = None
    match answer:
        case {"error": {"err_code": code}} if code in NO_JETSTREAM:
            return {}
        case {"error": {"description": description}}:
            raise BrokerUnavailable(f"JetStream: {description}")
        case {"type": str()}:
            return cast(Mapping[str, Any], answer)
        case _:
            raise BrokerUnavailable("somebody else answers what JetStream is asked")
