"""Noticing that a device was moved.

Netlink's events, and one look at the USB a second.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from core.equipment.apply import apply
from core.equipment.evidence import sysfs_root, usb_snapshot
from core.equipment.inspection import Inspection, Inspector
from core.equipment.location import Location
from core.equipment.place_lookup import Place
from core.equipment.plan import Step
from core.equipment.settings import DEFAULT_INTERVAL_S
from core.errors import FieldlineError

USB_INTERVAL_S = 1.0
DEBOUNCE_S = 0.3
"""A cable that is plugged in changes several things within this time, and an IPv6 address is tentative that long."""
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_RECEIVE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Arrived:
    """This device is at another place than before."""

    location: Location


@dataclass(frozen=True, slots=True)
class Left:
    """This device is no longer at a place."""

    place: bytes


@dataclass(frozen=True, slots=True)
class Inspected:
    """What was read; `is_changed` if something differs from what was read before."""

    inspection: Inspection
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """This device was set up, or could not be."""

    location: Location
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be looked at."""

    problem: FieldlineError


EquipmentEvent = Arrived | Left | Inspected | Applied | Failed


class Surrounding:
    """Says when something about network or USB has changed.

    `poke` says so from outside.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._changed = asyncio.Event()
        self._socket: socket.socket | None = None
        self._ports: tuple[tuple[str, int, int], ...] = ()

    def __enter__(self) -> Self:
        self._ports = usb_snapshot(self._root)
        with suppress(OSError, AttributeError):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self._socket.setblocking(False)
            self._socket.bind((0, _GROUPS))
            asyncio.get_running_loop().add_reader(self._socket, self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def poke(self) -> None:
        """Look again now."""
        self._changed.set()

    def _on_event(self) -> None:
        # What is in the event does not matter, nor whether some were lost: everything is read anew.
        with suppress(OSError):
            while self._socket is not None and self._socket.recv(_RECEIVE_BYTES):
                pass
        self._changed.set()

    async def wait(self, timeout_s: float) -> None:
        """Wait until something has changed and come to rest, or for so long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while (left := end - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(USB_INTERVAL_S, left)):
                    await self._changed.wait()
            ports = usb_snapshot(self._root)
            if self._changed.is_set() or ports != self._ports:
                await asyncio.sleep(DEBOUNCE_S)
                self._changed.clear()
                self._ports = usb_snapshot(self._root)
                return


async def watch(
    inspector: Inspector, surrounding: Surrounding, *, applies: bool = True
) -> AsyncGenerator[EquipmentEvent, None]:
    """Tell where this device is and how it stands there, until cancelled.

    When it is moved, when the store changes (whoever sees that pokes), and every so many seconds. `applies`: on arrival
    set it up where the settings say so.
    """
    before: Location | None = None
    shown: object = None
    last_problem = ""
    while True:
        interval, is_stale = DEFAULT_INTERVAL_S, False
        try:
            place = await inspector.find_place()
            location = place.location
            moved = before is None or _where(before) != _where(location)
            if moved and before is not None and before.place is not None:
                yield Left(before.place)
            if moved and (location.place or location.locality):
                yield Arrived(location)
            before = location
            settings = await inspector.settings()
            interval = settings.interval_s
            if moved and applies and settings.apply_on_arrival and location.place is not None:
                yield Applied(location, tuple(await apply(inspector)))
            inspection, is_stale = await _inspect_unless_moved(inspector, place, surrounding)
            if inspection is not None:
                now = (inspection.location, inspection.states)
                yield Inspected(inspection, now != shown)
                shown, last_problem = now, ""
        except (FieldlineError, OSError) as error:
            problem = error if isinstance(error, FieldlineError) else _system_problem(error)
            if str(problem) != last_problem:
                yield Failed(problem)
            last_problem = str(problem)
        if not is_stale:
            await surrounding.wait(interval)


async def _inspect_unless_moved(
    inspector: Inspector, place: Place, surrounding: Surrounding
) -> tuple[Inspection | None, bool]:
    """What this device has, None if it was moved while that was read.

    A slow command holds up nothing. And whether something has changed meanwhile.
    """
    is_stale = False
    reading = asyncio.create_task(inspector.inspect(place))
    change = asyncio.create_task(surrounding.wait(math.inf))
    try:
        while True:
            await asyncio.wait({reading, change}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return await reading, is_stale or change.done()
            is_stale = True
            if _where((await inspector.find_place()).location) != _where(place.location):
                return None, True
            change = asyncio.create_task(surrounding.wait(math.inf))
    finally:
        for task in (reading, change):
            task.cancel()
        await asyncio.gather(reading, change, return_exceptions=True)


def _system_problem(error: OSError) -> FieldlineError:
    return FieldlineError("The system reports: {why}.", why=error.strerror or type(error).__name__)


def _where(location: Location) -> tuple[bytes | None, bytes | None]:
    return location.place, location.locality


def make_surrounding() -> Surrounding:
    """What this device is surrounded by."""
    return Surrounding(sysfs_root())
