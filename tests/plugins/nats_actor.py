"""A plugin over NATS that does whatever the config of a job says, as a program of its own, without the library.

`script` is the body of an asyncio function, run for the job's tick, with the names below. `TOOLS`, if it is there, is what
it lists as its tools; calling one says with what.
"""

import asyncio
import json
import os
import sys
import textwrap
from typing import Any

import nats

PLUGIN, PREFIX = os.environ["NEXO_POLLER_PLUGIN_ID"], os.environ["PREFIX"]
TASKS = set[Any]()


async def main() -> None:
    client = await nats.connect(os.environ["NEXO_BROKER_URL"], reconnect_time_wait=0.1)

    async def ask(method: str, **params: Any) -> Any:
        """Call the daemon; its whole reply."""
        body = json.dumps({"jsonrpc": "2.0", "id": "c", "method": method, "params": params}).encode()
        return json.loads((await client.request(f"daemon.rpc.{PLUGIN}", body, timeout=20)).data)

    async def tick(message: Any) -> None:
        request = json.loads(message.data)

        async def say(**reply: Any) -> None:
            await message.respond(json.dumps(reply).encode())

        async def reply(**result: Any) -> None:
            await say(jsonrpc="2.0", id=request["id"], result=result)

        names = {**globals(), "ask": ask, "say": say, "reply": reply, "message": message, "tick": request["params"]}
        script = request["params"]["config"]["script"]
        exec("async def act():\n" + textwrap.indent(script.strip(), "    "), names)
        await names["act"]()

    async def tools(message: Any) -> None:
        request = json.loads(message.data)
        listed = json.loads(os.environ["TOOLS"])
        result = listed if request["method"] == "poll_list_tools" else request["params"]
        await message.respond(json.dumps({"id": request["id"], "result": result}).encode())

    async def begin(message: Any) -> None:
        TASKS.add(asyncio.create_task(tick(message)))  # so that several can be under way

    await client.subscribe(f"{PREFIX}.tick", cb=begin)
    if "TOOLS" in os.environ:
        await client.subscribe(f"{PREFIX}.tools", cb=tools)
    await client.flush()
    await asyncio.Event().wait()


sys.stdout.write("a plugin over NATS may print what it likes\n")
asyncio.run(main())
