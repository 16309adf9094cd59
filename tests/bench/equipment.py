"""Wanted against actual of twelve properties, and the cost of idle watching.

CPU of this process alone, and of the tools that it runs beside it. Prints figures; nothing is asserted.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from core.equipment.inspection import Inspector
from core.equipment.watch import make_surrounding, watch
from core.schema_toml import parse_schema_file
from core.workspace import Workspace

PROPERTIES = 12
RUNS = 20
IDLE_S = 20.0
USB_DEVICES = 20

SCHEMA = """name = "bench"
[kinds.locality]
key = "code"
[kinds.locality.properties.code]
required = true
[kinds.locality.properties.subnet]
type = "ip-network"
no_overlap = true
[kinds.place]
key = "name"
within = "locality"
parent = "locality"
[kinds.place.properties.name]
required = true
[kinds.place.properties.locality]
type = "reference"
refers_to = "locality"
[kinds.place.properties.docking_station]
unique = true
"""


def run() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_run(Path(folder)))


def _usb(folder: Path) -> None:
    for number in range(USB_DEVICES):
        device = folder / "bus" / "usb" / "devices" / f"1-{number}"
        device.mkdir(parents=True)
        for name, value in (("idVendor", "17e9"), ("idProduct", "6006"), ("serial", f"S{number}")):
            (device / name).write_text(value)


async def _run(folder: Path) -> None:
    names = [f"p{number}" for number in range(PROPERTIES)]
    schema = SCHEMA + "".join(f"[kinds.place.properties.{name}]\n" for name in names)
    _usb(folder / "sys")
    os.environ["FIELDLINE_SYSFS"] = str(folder / "sys")
    home = folder / "K1"
    workspace = await Workspace.init(
        home, user="bench", fleet_name="bench", schema=parse_schema_file(schema), device_name="K1"
    )
    async with workspace:
        made = await workspace.create("locality", {"code": "1", "subnet": "10.0.0.0/8"})
        from core.value_codec import Ref

        values = {name: f"value {name}" for name in names}
        await workspace.create(
            "place", {"name": "1", "locality": Ref(made.entity), "docking_station": "17e9:6006 #S7", **values}
        )
        for kind, read in (
            ("files", '{{ file = "{name}.conf", pattern = "^v=(.*)$" }}'),
            ("commands", '{{ command = ["cat", "{name}.conf"] }}'),
        ):
            rules = []
            for name in names:
                (home / f"{name}.conf").write_text(f"v=value {name}\n")
                rules.append(f"[equipment.{name}]\nread = {read.format(name=name)}\n")
            (home / "settings.toml").write_text('name = "K1"\n' + "".join(rules))
            await _measure(workspace, kind)
        await _idle(workspace)


async def _measure(workspace: Workspace, kind: str) -> None:
    inspector = Inspector(workspace)
    await inspector.inspect()
    own, wall = [], []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(RUNS):
        cpu, start = time.process_time(), time.perf_counter()
        await inspector.inspect()
        own.append(time.process_time() - cpu)
        wall.append(time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    tools = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / RUNS
    print(
        f"{PROPERTIES} properties by {kind}: {statistics.median(own) * 1000:.1f} ms of CPU"
        f" (most {max(own) * 1000:.1f}), beside it the tools {tools * 1000:.1f} ms;"
        f" {statistics.median(wall) * 1000:.1f} ms until it is there"
    )


async def _idle(workspace: Workspace) -> None:
    (workspace.home.folder / "settings.toml").write_text('name = "K1"\n')
    surrounding = make_surrounding()

    async def follow() -> None:
        async for _event in watch(Inspector(workspace), surrounding):
            pass

    with surrounding:
        task = asyncio.create_task(follow())
        await asyncio.sleep(2.0)
        cpu, start = time.process_time(), time.perf_counter()
        await asyncio.sleep(IDLE_S)
        used, passed = time.process_time() - cpu, time.perf_counter() - start
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    print(
        f"watching with {USB_DEVICES} USB devices, nothing happens: {used / passed * 100:.3f} % of a core"
        f" ({used * 1000:.1f} ms in {passed:.0f} s)"
    )
