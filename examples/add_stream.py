"""Adds the stream that keeps what jobs send. Whoever runs the NATS server does this once."""

import asyncio
import os

import nats

DAY = 24 * 3600


async def main() -> None:
    client = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    await client.jetstream().add_stream(name="outbound", subjects=["plugin.outbound.>"], duplicate_window=DAY)
    await client.close()


asyncio.run(main())
