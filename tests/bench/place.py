"""A new device's first own place, out of a million facts, over a cable.

The bytes that come before a new device holds all that is current about where it is: the members, the schema and its
place. In the session of a cable of each speed; the line takes ten bits a byte. What the link itself adds, a handshake
of 1.3 kB and a frame's head each 240 bytes, is not in it.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import patch

from core.service import location
from core.service.serial_sync import serial_link_profile
from core.service.session_runner import Link, run_session
from core.sync.events import Event, Progress
from core.sync.location_hint import encode_location_hint
from core.workspace import Workspace
from tests.bench import _bighome
from tests.bench.scale import FACTS, ask

WANTED_S = {9600: 12.0, 115200: 2.0}
KIND, COUNT = "site", 5


async def _arrive(home: Path, joining: Path, place: bytes, rate: int) -> int:
    """Sync until the place is complete; gives the bytes that came."""
    came = 0

    def on_event(event: Event) -> None:
        nonlocal came
        if isinstance(event, Progress) and not came and event.nearby_count and event.received >= event.nearby_count:
            came = event.bytes_in
            taking.cancel()

    async def hint(*_link: object) -> bytes:
        return encode_location_hint([place], [])

    async with await Workspace.open(home, user="Ann") as full, await Workspace.open(joining, user="Ann") as new:
        ends = [await asyncio.open_connection(sock=end) for end in socket.socketpair()]
        profile = serial_link_profile(rate)
        links = [
            SimpleNamespace(peer=peer.identity.device, reader=end[0], writer=end[1], on_event=lambda _event: None)
            for peer, end in zip((new, full), ends, strict=True)
        ]
        with patch.object(location, "make_location_hint", hint):
            giving = asyncio.create_task(run_session(full, cast(Link, links[0]), profile, initiator=False))
            taking = asyncio.create_task(
                run_session(new, cast(Link, links[1]), profile, initiator=True, on_event=on_event)
            )
            await asyncio.gather(giving, taking, return_exceptions=True)
        for _reader, writer in ends:
            writer.close()
    assert came, "the place did not come"
    return came


def _measure(home: Path, folder: Path) -> None:
    sites = ask(home, "list", KIND)
    print(f"  {FACTS:,} facts; the first own {KIND} of {COUNT}, median and slowest")
    for rate, wanted in WANTED_S.items():
        seconds = []
        for site in sites[:: len(sites) // COUNT][:COUNT]:
            joining = folder / f"{rate}-{site['entity']}"
            device = ask(joining, "join", ask(home, "status")["fleet"])["device"]
            ask(home, "admit", device, "--role", "technician", "--name", device[:8])
            came = asyncio.run(_arrive(home, joining, bytes.fromhex(site["entity"]), rate))
            seconds.append(came * 10 / rate)
        seconds.sort()
        print(
            f"  {rate:7} baud: {seconds[COUNT // 2]:5.1f} s, {seconds[-1]:5.1f} s of line time (wanted: {wanted:g} s)"
        )


def run() -> None:
    """Print the line time of a first place."""
    with _bighome.kept(FACTS) as home, tempfile.TemporaryDirectory() as folder:
        if home is not None:
            shutil.copytree(home, Path(folder, "home"))
            _measure(Path(folder, "home"), Path(folder))
