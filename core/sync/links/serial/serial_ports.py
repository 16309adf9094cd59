"""Serial ports: list them, open one, and say what is wrong with it.

Linux: UARTs and USB adapters, CDC-ACM, and this machine's own USB gadget side (`ttyGS0`). An open port is a descriptor
that does not block. Those of a gadget hang for as long as no host is attached if they are opened in any other way.
"""

from __future__ import annotations

import asyncio
import errno
import grp
import os
import termios
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import Refused
from core.sync.links.causes import LinkError, used_up, why
from core.values import quote_value

if TYPE_CHECKING:
    from serial import Serial

DEFAULT_BAUD = 115200
"""The rate that two ends begin with, in bits a second."""

MIN_BAUD, MAX_BAUD = 300, 4_000_000
"""What Linux has names for; slower lines carry no handshake in time."""
PORT_LIST_INTERVAL_S = 1.0
"""A plug shows within a second, and a look costs a millisecond or two."""

# What comes and goes, by the names that Linux gives: these are offered when they appear.
_REMOVABLE_PREFIXES = ("ttyUSB", "ttyACM", "ttyGS", "ttyXRUSB")
_GADGET_PATTERN = "ttyGS*"


class PortError(LinkError):
    """The port cannot be used, or not any more."""


class PortAbsent(PortError):
    """The port is not there; it may come back."""


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """The port at `path`, at `baud` bits a second; None: what both ends agree on."""

    path: str
    baud: int | None = None

    def __str__(self) -> str:
        """Write it as people do."""
        return f"serial://{self.path}" + (f"?baud={self.baud}" if self.baud else "")


@dataclass(frozen=True, slots=True, order=True)
class SerialPortInfo:
    """A port that is there.

    `label` is what it calls itself; `is_plugged` whether it comes and goes, or the settings name it, at `baud` bits a
    second if they say so. `device` is where a path leads that is another name.
    """

    path: str
    label: str
    is_removable: bool
    baud: int | None = None
    device: str = ""

    @property
    def name(self) -> str:
        """The short name: ttyUSB0."""
        return (self.device or self.path).rpartition("/")[2]

    @property
    def endpoint(self) -> str:
        """What to give to `sync`."""
        return str(SerialEndpoint(self.path, self.baud))


def parse_serial_endpoint(text: str) -> SerialEndpoint:
    """Parse `serial:///dev/NAME[?baud=N]`, or the same without `serial://`.

    Raises Refused.
    """
    path, question, query = text.removeprefix("serial://").partition("?")
    name, equals, number = query.partition("=")
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise Refused("{target} names no serial port: write serial:///dev/ttyUSB0.", target=quote_value(text))
    if not question:
        return SerialEndpoint(path)
    if name != "baud" or not equals:
        raise Refused("{target} asks for something unknown: only ?baud=N is known.", target=quote_value(text))
    if not (number.isascii() and number.isdigit() and len(number) < 9 and MIN_BAUD <= int(number) <= MAX_BAUD):
        raise Refused(
            "{baud} is no rate for a cable: it is between {slowest} and {fastest} bits a second, mostly {usual}.",
            baud=quote_value(number),
            slowest=MIN_BAUD,
            fastest=MAX_BAUD,
            usual=DEFAULT_BAUD,
        )
    return SerialEndpoint(path, int(number))


class SerialPort:
    """An open port that no other program gets.

    `descriptor` is for `loop.add_reader`, `os.read` and `os.write`. After a hang-up, reading gives b"" or raises
    OSError: then close it, and raise or report `port_absent_error(path)`.
    """

    def __init__(self, path: str, serial: Serial) -> None:
        self.path = path
        self._serial = serial
        self.descriptor: int = serial.fileno()
        _make_hangup_visible(self.descriptor)

    @property
    def is_gadget(self) -> bool:
        """Whether it is USB all the way to the other end.

        Then any rate may be set, and none matters.
        """
        return fnmatch(Path(self.path).resolve().name, _GADGET_PATTERN)

    @property
    def baud(self) -> int:
        """The rate that it is set to, in bits a second."""
        return int(self._serial.baudrate)

    def set_baud(self, baud: int) -> None:
        """Set the rate at once, also for what is still in its buffer.

        Raises PortError if refused.
        """
        before = self.baud
        try:
            self._serial.baudrate = baud
            _make_hangup_visible(self.descriptor)
        except (OSError, ValueError, OverflowError, termios.error):
            baud_taken = False
        else:
            baud_taken = _driver_baud(self) in (baud, None)
        if not baud_taken:
            # A port that is gone raises this instead.
            _driver_baud(self)
            with suppress(OSError, ValueError, termios.error):
                self._serial.baudrate = before
                _make_hangup_visible(self.descriptor)
            raise PortError(
                "{port} does not take {baud} bits a second: try ?baud={usual}.",
                port=self.path,
                baud=baud,
                usual=DEFAULT_BAUD,
            )

    def supported_bauds(self, rates: Sequence[int]) -> tuple[int, ...]:
        """List the rate that it has, and keeps, and the higher ones that it takes."""
        before, taken = self.baud, [self.baud]
        for rate in rates:
            if rate > before:
                with suppress(PortError):
                    self.set_baud(rate)
                    taken.append(rate)
        self.set_baud(before)
        return tuple(taken)

    def unsent_bytes(self) -> int:
        """Count the bytes that the driver has not sent yet, as far as it says."""
        try:
            return int(self._serial.out_waiting)
        except (OSError, termios.error):
            return 0

    def discard_output(self) -> None:
        """Throw away what the driver has not sent yet."""
        with suppress(OSError, termios.error):
            self._serial.reset_output_buffer()

    def close(self) -> None:
        """Close the port. What is still in its buffer may be lost."""
        # Else closing waits, for up to half a minute, until a line that may be dead has taken it.
        self.discard_output()
        with suppress(OSError):
            self._serial.close()


def open_port(path: str, baud: int = DEFAULT_BAUD) -> SerialPort:
    """Open a port for this program alone.

    Raises PortError, PortAbsent if there is none.
    """
    import serial

    port = None
    try:
        port = serial.Serial(path, baud, timeout=0, exclusive=True)
        return SerialPort(path, port)
    except (OSError, ValueError, OverflowError) as error:
        raise _open_error(path, baud, error) from None
    except termios.error:
        # It was there, and is gone before all is set.
        if port is not None:
            port.close()
        raise port_absent_error(path) from None


def port_absent_error(path: str) -> PortError:
    """Make the error for a port that was open and is gone."""
    return PortAbsent("{port} is gone: plug the cable in again.", port=path)


def _make_hangup_visible(descriptor: int) -> None:
    """Have reads block.

    As pyserial sets ports, b"" means nothing came as well as gone.
    """
    settings = termios.tcgetattr(descriptor)
    settings[6][termios.VMIN] = 1
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)


def _driver_baud(port: SerialPort) -> int | None:
    """Read the rate that the driver has set; None if it has no name.

    Raises PortAbsent.
    """
    try:
        code = termios.tcgetattr(port.descriptor)[5]
    except termios.error:
        raise port_absent_error(port.path) from None
    names = (name for name in dir(termios) if name[0] == "B" and name[1:].isdigit())
    return next((int(name[1:]) for name in names if getattr(termios, name) == code), None)


def _open_error(path: str, baud: int, error: Exception) -> PortError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return PortAbsent(
            "There is no port {port}: plug the cable in, and see `fieldline peers` for the ports that there are.",
            port=path,
        )
    if number in (errno.EACCES, errno.EPERM):
        return port_forbidden_error(path)
    if used_up(error):
        return PortError("This device could not open {port}: {why}. Close other programs.", port=path, why=why(error))
    if number in (errno.EBUSY, errno.EAGAIN):
        return PortError(
            "{port} is in use by another program: close that first (`sudo fuser -v {port}` names it).", port=path
        )
    if isinstance(error, ValueError | OverflowError):
        return PortError(
            "{port} does not take {baud} bits a second: try ?baud={usual}.", port=path, baud=baud, usual=DEFAULT_BAUD
        )
    return PortError("{port} is not a serial port, or nothing is behind it: see `fieldline peers`.", port=path)


def port_forbidden_error(path: str) -> PortError:
    """Make the error for somebody who may not open a port that is there."""
    if closed := _closed_above(path):
        return PortError(
            "This user may not enter the folder {folder}, and so not reach {port}: name the port by another path.",
            folder=closed,
            port=path,
        )
    group = ""
    with suppress(OSError, KeyError):
        status = Path(path).stat()
        # A group that has no right itself, or is that of the administrator, is no remedy.
        group = grp.getgrgid(status.st_gid).gr_name if status.st_mode & 0o060 == 0o060 and status.st_gid else ""
    if not group:
        return PortError("This user may not open {port}: docs/cable.md has the udev rule that allows it.", port=path)
    return PortError(
        "This user may not open {port}: run `sudo usermod -aG {group} $USER`, then log in again.",
        port=path,
        group=group,
    )


def _closed_above(path: str) -> str:
    """Find the first folder on the way to a path that this user may not enter.

    Empty if none.
    """
    for way in (Path(path), Path(os.path.realpath(path))):
        for folder in reversed(way.parents):
            if not os.access(folder, os.X_OK, effective_ids=True):
                return str(folder)
    return ""


def list_serial_ports(
    configured: Sequence[SerialEndpoint] = (), devices: Path = Path("/dev"), classes: Path = Path("/sys/class/tty")
) -> list[SerialPortInfo]:
    """List the ports that there are, in order, with those that settings name.

    Takes a millisecond or two.
    """
    from serial.tools import list_ports

    found = {
        port.device: SerialPortInfo(
            port.device, _clean_label(port.product or port.description), _is_removable(port.device)
        )
        for port in list_ports.comports()
        if _has_chip(classes / port.name)
    }
    for path in devices.glob(_GADGET_PATTERN):
        found[str(path)] = SerialPortInfo(str(path), _clean_label("USB gadget"), is_removable=True)
    for each in configured:
        # A name that stays is another name of one that is listed.
        device = os.path.realpath(each.path)
        if os.access(device, os.F_OK):
            listed = found.pop(device, None)
            label, device = (listed.label, device) if listed is not None else ("", "")
            found[each.path] = SerialPortInfo(each.path, label, True, each.baud, device)
    return sorted(found.values())


def _clean_label(text: str | None) -> str:
    # A device says this of itself: it is shown on a terminal.
    return "".join(letter for letter in (text or "")[:60] if letter.isprintable()).replace("n/a", "").strip()


def _is_removable(path: str) -> bool:
    return path.rpartition("/")[2].startswith(_REMOVABLE_PREFIXES)


def _has_chip(folder: Path) -> bool:
    """Say whether there is a chip.

    Linux lists built-in ports by the dozen, absent ones as type 0.
    """
    try:
        return (folder / "type").read_text().strip() != "0"
    except OSError:
        return True


async def watch_serial_ports(
    list_ports: Callable[[], Sequence[SerialPortInfo]] = list_serial_ports,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    interval_s: float = PORT_LIST_INTERVAL_S,
) -> AsyncGenerator[list[SerialPortInfo], None]:
    """Yield the ports that there are, now and on every change.

    Polls until it is closed.
    """
    last: list[SerialPortInfo] | None = None
    while True:
        found = list(await asyncio.to_thread(list_ports))
        if found != last:
            last = found
            yield found
        await sleep(interval_s)
