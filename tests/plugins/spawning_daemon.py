"""A daemon that does nothing but have a plugin; `fork` as its second argument leaves copies of its descriptors behind."""

import os
import sys
import time
from pathlib import Path

import trio
from programs import Programs, impolite

from nexo_poller.plugins.process import spawned


async def main() -> None:
    source = impolite(sys.argv[2]) if sys.argv[2] != "polite" else "print('ready', flush=True); input()"
    async with spawned(Programs(Path(sys.argv[1])).python(source), {}) as child:
        ready = await child.receive_line() or b""
        if sys.argv[3:] == ["fork"] and os.fork() == 0:
            time.sleep(1_000)  # noqa: ASYNC251 - this copy is no trio program any more
        print(ready.decode(), flush=True)  # noqa: T201 - the test reads our stdout
        await trio.sleep_forever()


trio.run(main)
