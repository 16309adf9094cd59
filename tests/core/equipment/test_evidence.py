"""What this device sees.

Real interfaces in a network of its own, a sysfs that may be missing, events in time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from core.equipment.evidence import list_usb_ports, read_usb_devices, usb_evidence
from tests.support.cli import ROOT
from tests.support.deadlines import DEADLINE_S
from tests.support.equipped import Sysfs

SHOW = (
    "import json; from core.equipment.evidence import read_interfaces as r;"
    "print(json.dumps({i.name: [str(a) for a in i.addresses] for i in r()}))"
)
WATCH = """
import asyncio, pathlib
from core.equipment.evidence import read_interfaces
from core.equipment.watch import Surrounding

async def main():
    with Surrounding(pathlib.Path("/nonexistent")) as surrounding:
        print("watching", flush=True)
        await surrounding.wait(100)
        print([str(a) for i in read_interfaces() for a in i.addresses], flush=True)

asyncio.run(main())
"""


def test_no_usb_at_all_is_nothing_special(tmp_path: Path) -> None:
    assert list_usb_ports(tmp_path) == ()
    assert read_usb_devices(tmp_path) == []


def test_hubs_controllers_and_interfaces_are_no_docks(tmp_path: Path) -> None:
    sysfs = Sysfs(tmp_path)
    sysfs.plug("1-4", "17E9:6006 #A1B2")
    sysfs.plug("usb1", "1d6b:0002 #0000:00:14.0")
    sysfs.plug("1-4:1.0", "17e9:6006")
    sysfs.plug("1-5", "05e3:0610")
    (tmp_path / "bus/usb/devices/1-5/bDeviceClass").write_text("09\n")
    found = read_usb_devices(tmp_path)
    assert [each.port for each in found] == ["1-4", "1-5"]
    assert [(each.value, each.source) for each in usb_evidence(found)] == [("17e9:6006 #A1B2", "usb 1-4")]


def inside(space: str, code: str) -> list[str]:
    return ["ip", "netns", "exec", space, sys.executable, "-c", code]


def test_interfaces_that_lead_somewhere_are_seen(space: str) -> None:
    found = json.loads(subprocess.run(inside(space, SHOW), check=True, capture_output=True, cwd=ROOT).stdout)
    assert found["vA"] == ["10.24.1.5/24", "2001:db8:1::5/64"]
    assert "docker0" not in found
    assert "lo" not in found
    subprocess.run(["ip", "-n", space, "link", "set", "vB", "down"], check=True)
    found = json.loads(subprocess.run(inside(space, SHOW), check=True, capture_output=True, cwd=ROOT).stdout)
    assert "vA" not in found


def test_another_network_is_noticed_by_its_event(space: str) -> None:
    process = subprocess.Popen(inside(space, WATCH), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        subprocess.run(["ip", "-n", space, "addr", "del", "10.24.1.5/24", "dev", "vA"], check=True)
        subprocess.run(["ip", "-n", space, "addr", "add", "10.30.1.5/24", "dev", "vA"], check=True)
        out, _ = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    assert "10.30.1.5/24" in out
    assert "10.24.1.5/24" not in out


def test_the_locality_follows_a_real_network(space: str, tmp_path: Path) -> None:
    calls = [
        *["ip", "netns", "exec", space, sys.executable, "-m", "tui.cli", "--home", str(tmp_path / "K1")],
        "--user",
        "M",
    ]
    env = {**os.environ, "FIELDLINE_SYSFS": str(tmp_path / "none")}

    def ask(*arguments: str) -> dict[str, object]:
        done = subprocess.run([*calls, *arguments, "--json"], check=True, capture_output=True, cwd=ROOT, env=env)
        return dict(json.loads(done.stdout))

    ask("init", "--fleet", "Nord")
    ask("new", "locality", "code=241", "subnet=10.24.1.0/24")
    ask("new", "locality", "code=242", "subnet=10.30.1.0/24")
    assert ask("place")["locality"] == "locality:241"
    subprocess.run(["ip", "-n", space, "addr", "del", "10.24.1.5/24", "dev", "vA"], check=True)
    subprocess.run(["ip", "-n", space, "addr", "add", "10.30.1.5/24", "dev", "vA"], check=True)
    found = ask("place")
    assert (found["locality"], found["place"]) == ("locality:242", None)
