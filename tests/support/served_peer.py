"""A device that serves from a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.service.serial_sync import ServedSerialPort
from core.service.serve_config import ServeConfig
from core.sync.links.serial.serial_ports import parse_serial_endpoint
from core.workspace import Workspace
from tests.cable import Cable
from tests.support.deadlines import DEADLINE_S

LOOPBACK = "127.0.0.1"
CABLE_BAUD = 2_000_000


@contextmanager
def served_peer(home: Path, link: str) -> Iterator[str]:
    """Serve a device over `tcp` or `serial`, and give where it is reached."""
    if link == "tcp":
        with _serving(home, ()) as port:
            yield f"tcp://{LOOPBACK}:{port}"
        return
    with Cable(baud=CABLE_BAUD) as cable:
        ends = [f"{end}?baud={CABLE_BAUD}" for end in cable.ends]
        with _serving(home, (ends[0],)):
            yield f"serial://{ends[1]}"


@contextmanager
def _serving(home: Path, cables: tuple[str, ...]) -> Iterator[int]:
    port = 0
    is_up = threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    def on_listening(host: str, number: int) -> None:
        nonlocal port
        port = number
        is_up.set()

    async def serve() -> None:
        async with await Workspace.open(home, user="Müller") as workspace:
            ports = [ServedSerialPort(workspace, parse_serial_endpoint(cable)) for cable in cables]
            config = ServeConfig(LOOPBACK, 0, is_discovery_on=False, served_endpoints=ports)
            task = asyncio.create_task(workspace.serve(config, on_listening=on_listening, on_event=lambda event: None))
            stop.append((asyncio.get_running_loop(), task))
            await asyncio.wait({task})

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert is_up.wait(DEADLINE_S)
        yield port
    finally:
        for loop, task in stop:
            loop.call_soon_threadsafe(task.cancel)
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
