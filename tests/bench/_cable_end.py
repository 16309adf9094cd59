"""One end of a line under measurement.

`python -m tests.bench._cable_end PORT 0|1 BAUD BYTES_TO_SEND BYTES_TO_RECEIVE`.

BAUD is 0 where nobody names a rate. Prints when it had opened its port, began to send and had received all, in seconds
of the clock that all processes share, and the CPU seconds from the opening to the end.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

from core.sync.links.serial import connect
from core.sync.links.serial.serial_ports import SerialEndpoint
from tests.support.linked_sessions import ONE, OTHER, members

PIECE = 1 << 12


def payload(size: int) -> bytes:
    """What both ends know."""
    return random.Random(size).randbytes(size)


async def _main(path: str, number: int, baud: int, sends: int, receives: int) -> dict[str, float]:
    own, other = (ONE, OTHER) if number == 0 else (OTHER, ONE)
    cpu = time.process_time()
    opened = time.monotonic()
    link = await connect.connect_serial(SerialEndpoint(path, baud or None), own, members(other), timeout_s=60)
    times = {"opened": opened, "ready": time.monotonic()}

    async def send() -> None:
        data = payload(sends)
        times["began"] = time.monotonic()
        for start in range(0, sends, PIECE):
            link.writer.write(data[start : start + PIECE])
            await link.writer.drain()

    async def receive() -> None:
        data = await link.reader.readexactly(receives)
        times["received"] = time.monotonic()
        if data != payload(receives):
            raise RuntimeError("what came is not what went")

    await asyncio.gather(send(), receive())
    # Neither hangs up before the other has all.
    link.writer.write(b"!")
    await link.reader.readexactly(1)
    await link.close()
    times["cpu"] = time.process_time() - cpu
    counters = link.transport.arq.counters
    return {**times, "sent": counters.sent, "again": counters.resent, "damaged": counters.damaged}


if __name__ == "__main__":
    path, *numbers = sys.argv[1:]
    print(json.dumps(asyncio.run(_main(path, *map(int, numbers)))))
