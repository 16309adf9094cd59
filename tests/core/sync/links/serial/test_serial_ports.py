"""Serial ports: names, opening, errors, and those that come and go."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from core.errors import Refused
from core.sync.links.serial import serial_ports
from core.sync.links.serial.serial_ports import (
    PortAbsent,
    PortError,
    SerialEndpoint,
    SerialPortInfo,
    list_serial_ports,
    open_port,
    parse_serial_endpoint,
    port_absent_error,
    watch_serial_ports,
)
from tests.cable import Cable

NOBODY = 65534


@pytest.fixture
def cable() -> Iterator[Cable]:
    with Cable(baud=4_000_000) as cable:
        yield cable


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("serial:///dev/ttyUSB0", SerialEndpoint("/dev/ttyUSB0")),
        ("serial:///dev/ttyUSB0?baud=9600", SerialEndpoint("/dev/ttyUSB0", 9600)),
        ("/dev/ttyGS0?baud=3000000", SerialEndpoint("/dev/ttyGS0", 3_000_000)),
        ("/dev/serial/by-id/usb-A_B-if00", SerialEndpoint("/dev/serial/by-id/usb-A_B-if00")),
    ],
)
def test_a_port_is_named(text: str, target: SerialEndpoint) -> None:
    assert parse_serial_endpoint(text) == target


@pytest.mark.parametrize(
    "text",
    ["", "serial://", "serial://ttyUSB0", "ttyUSB0", "serial:///", "/dev/", "/dev/a\n", "/dev/a\0b"]
    + [f"/dev/ttyS0?{query}" for query in ("", "baud", "baud=", "baud=x", "baud=²", "baud=0", "baud=-1", "bits=8")]
    + ["/dev/ttyS0?baud=9600&baud=1", "/dev/ttyS0?baud=9999999", "/dev/ttyS0?baud=" + "9" * 5000],
)
def test_what_names_no_port_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_serial_endpoint(text)
    assert len(str(caught.value)) < 250


@given(st.text())
def test_nothing_that_is_typed_breaks_it(text: str) -> None:
    for start in ("", "serial://", "serial:///dev/x?baud="):
        try:
            target = parse_serial_endpoint(start + text)
        except Refused:
            continue
        assert target.path.startswith("/")


def test_an_open_port_passes_bytes_and_does_not_wait(cable: Cable) -> None:
    one, other = map(open_port, cable.ends)
    try:
        with pytest.raises(BlockingIOError):
            os.read(one.descriptor, 1)
        os.write(one.descriptor, b"\r\n\0\xff\x11\x13\x03")
        os.set_blocking(other.descriptor, True)
        got = b""
        while len(got) < 7:
            got += os.read(other.descriptor, 7)
        assert got == b"\r\n\0\xff\x11\x13\x03"
    finally:
        one.close()
        other.close()


def test_a_port_has_one_user(cable: Cable) -> None:
    path = cable.ends[0]
    port = open_port(path)
    with pytest.raises(PortError, match=r"in use by another program.*fuser"):
        open_port(path)
    port.close()
    port.close()
    open_port(path).close()


def test_the_rate_is_set_and_read_back(cable: Cable) -> None:
    port = open_port(cable.ends[0], 9600)
    try:
        assert (port.baud, termios.tcgetattr(port.descriptor)[5]) == (9600, termios.B9600)
        port.set_baud(921600)
        with pytest.raises(BlockingIOError):
            os.read(port.descriptor, 1)
        assert (port.baud, termios.tcgetattr(port.descriptor)[5]) == (921600, termios.B921600)
        port.set_baud(250_000)
        assert port.baud == 250_000
        with pytest.raises(PortError, match="does not take"):
            port.set_baud(-5)
        assert port.baud == 250_000
    finally:
        port.close()


def test_a_driver_that_keeps_its_rate_is_noticed(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    port = open_port(cable.ends[0])
    try:
        monkeypatch.setattr(serial_ports, "_driver_baud", lambda descriptor: 115200)
        with pytest.raises(PortError, match="does not take 921600 bits"):
            port.set_baud(921600)
        with pytest.raises(BlockingIOError):
            os.read(port.descriptor, 1)
        assert port.baud == 115200
    finally:
        port.close()


def test_a_port_that_vanished_is_an_error_and_comes_back(cable: Cable) -> None:
    path = cable.ends[1]
    port = open_port(path)
    cable.unplug()
    with pytest.raises(PortAbsent, match=r"gone: plug the cable in again\."):
        port.set_baud(9600)
    port.close()
    with pytest.raises(PortAbsent, match="There is no port"):
        open_port(path)
    cable.plug()
    open_port(path).close()
    assert "gone" in str(port_absent_error(path))


def test_a_port_that_vanishes_while_it_is_opened_is_an_error(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    flush, path = termios.tcflush, cable.ends[1]

    def pulled(descriptor: int, queue: int) -> None:
        cable.unplug()
        flush(descriptor, queue)

    with monkeypatch.context() as patch:
        patch.setattr(termios, "tcflush", pulled)
        with pytest.raises(PortAbsent, match="gone"):
            open_port(path)
    cable.plug()
    open_port(path).close()


def test_what_is_no_serial_port_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    for path in (str(file), str(tmp_path), "/dev/null"):
        with pytest.raises(PortError, match="not a serial port") as caught:
            open_port(path)
        assert str(caught.value).startswith(path)
    assert file.read_text() == "text"


@pytest.mark.parametrize(
    ("group", "mode", "remedy"),
    [
        (1, 0o660, "usermod -aG daemon "),
        (1, 0o600, "docs/cable.md"),
        (NOBODY, 0o060, "usermod"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a port to others")
def test_a_port_that_is_forbidden_is_an_error(cable: Cable, group: int, mode: int, remedy: str) -> None:
    # The device itself: where temporary files are may be closed to others.
    device = Path(cable.ends[0]).resolve()
    os.chown(device, 0, group)
    device.chmod(mode)
    assert remedy in error_for_nobody(str(device), "This user may not open")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may close a folder to others")
def test_a_port_behind_a_folder_that_is_closed_is_an_error(cable: Cable, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "port").symlink_to(Path(cable.ends[0]).resolve())
    text = error_for_nobody(str(closed / "port"), "This user may not enter the folder")
    folder = Path(text.removeprefix("This user may not enter the folder ").partition(",")[0])
    # That of the tests themselves may be closed, too.
    assert folder in closed.parents or folder == closed
    assert not folder.stat().st_mode & 0o001


def error_for_nobody(path: str, match: str) -> str:
    """The error for somebody without any rights who opens a port."""
    if not Path("/").stat().st_mode & 0o001:
        pytest.skip("nobody but root may enter /")
    os.seteuid(NOBODY)
    try:
        with pytest.raises(PortError, match=match) as caught:
            open_port(path)
    finally:
        os.seteuid(0)
    return str(caught.value)


def listed(name: str, product: str | None = None) -> ListPortInfo:
    port = ListPortInfo(f"/dev/{name}")
    port.product = product
    return port


def test_ports_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [listed("ttyUSB0", "FT232R\x1b[31m USB UART"), listed("ttyS0"), listed("ttyS1"), listed("ttyACM3")]
    monkeypatch.setattr(list_ports, "comports", lambda: found)
    (tmp_path / "ttyGS0").touch()
    for name, kind in (("ttyS0", "4"), ("ttyS1", "0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(f"{kind}\n")
    listing = list_serial_ports(devices=tmp_path, classes=tmp_path)
    assert [(port.name, port.label, port.is_removable) for port in sorted(listing, key=lambda port: port.name)] == [
        ("ttyACM3", "", True),
        ("ttyGS0", "USB gadget", True),
        ("ttyS0", "", False),
        ("ttyUSB0", "FT232R[31m USB UART", True),
    ]
    assert all(parse_serial_endpoint(port.endpoint) == SerialEndpoint(port.path) for port in listing)


def test_a_port_with_two_names_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device, link = tmp_path / "ttyUSB0", tmp_path / "usb-FTDI_FT232R_USB_UART_A1-if00-port0"
    device.touch()
    link.symlink_to(device)
    port = ListPortInfo(str(device))
    port.product = "FT232R"
    monkeypatch.setattr(list_ports, "comports", lambda: [port])
    (found,) = list_serial_ports([SerialEndpoint(str(link), 9600)], tmp_path, tmp_path)
    assert (found.name, found.label, found.is_removable) == ("ttyUSB0", "FT232R", True)
    assert found.endpoint == f"serial://{link}?baud=9600"


@pytest.mark.parametrize("path", ["/dev/" + "a" * 300, "/dev/null/x", "/proc/self/mem/../x", "/dev/ttyNONE7"])
def test_what_the_settings_name_and_is_not_there_is_passed_over(path: str) -> None:
    assert path not in {port.path for port in list_serial_ports([SerialEndpoint(path)])}


def test_this_machine_can_be_asked() -> None:
    assert all(port.path.startswith("/dev/") for port in list_serial_ports())


async def test_ports_that_come_and_go_are_noticed() -> None:
    usb, acm = (
        SerialPortInfo("/dev/ttyUSB0", "", is_removable=True),
        SerialPortInfo("/dev/ttyACM0", "", is_removable=True),
    )
    listings = [[], [], [usb], [usb], [usb, acm], [acm], [acm], []]
    looks = iter(listings)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    seen = []
    async for found in (watching := watch_serial_ports(lambda: next(looks), sleep)):
        seen.append(found)
        if len(seen) == 5:
            break
    await watching.aclose()
    assert seen == [[], [usb], [usb, acm], [acm], []]
    assert slept == [1.0] * (len(listings) - 1)
