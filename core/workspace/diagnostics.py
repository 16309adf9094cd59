"""Find what is wrong with this installation, and say how to repair it.

Changes nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.device.home import Home
from core.errors import FieldlineError
from core.paths import exists
from core.store.check_note import CHECKED_META_KEY, VERIFIED_META_KEY, LastCheck, damaged_error
from core.store.intake import read_refused
from core.store.queries.chain_faults import read_chain_faults
from core.store.quotas import read_over_limit
from core.timestamps import SECOND_US
from core.values import quote_value
from core.workspace.own_chain import read_doubt

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.sync.links.serial.serial_ports import SerialEndpoint

MIN_FREE_BYTES = 64 << 20
"""Bytes that should be free: the store writes a log beside itself before it writes."""
MAX_CHAIN_FAULTS = 10
"""More are no more news: a thief may make any number. `verify --json` lists all."""
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
MIN_CLOCK_US = 1_735_689_600_000_000
"""2025-01-01, in microseconds since 1970: a clock before that was never set."""

Severity = Literal["good", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check.

    `message` says what is wrong and what to do, None if nothing is.

    `verified_at_us` is when all of the store was last found right (microseconds since 1970 UTC), None if it never was;
    `checked_at_us` when all its changes and facts were last checked, as `serve` does.
    """

    check: str
    severity: Severity
    message: FieldlineError | None = None
    verified_at_us: int | None = None
    checked_at_us: int | None = None


async def check_home(folder: Path) -> AsyncIterator[Finding]:
    """Check what needs no opened store.

    The last finding is a problem if there is none.
    """
    from core import identity

    yield _finding("program", "problem", await asyncio.to_thread(_check_program))
    home = Home(folder)
    yield _finding("home", "problem", await asyncio.to_thread(_check_folder, home))
    yield _finding("privacy", "warning", await asyncio.to_thread(_check_privacy, home))
    if not await asyncio.to_thread(home.store.exists):
        return
    yield _finding("key", "problem", await asyncio.to_thread(_error_of, lambda: identity.load_identity(home.key)))
    yield _finding("settings", "problem", await asyncio.to_thread(_error_of, lambda: _configured_ports(home)))
    yield _finding("disk", "warning", await asyncio.to_thread(_check_disk, home))
    yield _finding("network", "warning", await _check_network())
    yield _finding("port", "warning", await _check_port(folder))
    yield _finding("cable", "warning", await asyncio.to_thread(_error_of, lambda: _check_cables(home)))


async def _verified_at(workspace: DeviceContext) -> int | None:
    """When all of the store was last found right (microseconds since 1970 UTC).

    None if it never was.
    """
    noted = await workspace.store.read_meta(VERIFIED_META_KEY)
    return int(noted) if noted is not None and noted.isdigit() else None


async def read_last_check(workspace: DeviceContext) -> LastCheck | None:
    """Read when all changes and facts were last checked, and what was damaged."""
    return LastCheck.from_bytes(await workspace.store.read_meta(CHECKED_META_KEY))


async def check_store(workspace: DeviceContext) -> AsyncIterator[Finding]:
    """Check the opened store."""
    last = await read_last_check(workspace)
    store = _finding("store", "problem", await _check_integrity(workspace, last))
    checked_at_us = last.at_us if last else None
    yield replace(store, verified_at_us=await _verified_at(workspace), checked_at_us=checked_at_us)
    yield _finding("restored", "warning", await read_doubt(workspace))
    yield _finding("membership", "warning", await _check_membership(workspace))
    yield _finding("refused", "warning", await _check_refused(workspace))
    for finding in (
        *await _check_limits(workspace),
        *await _check_chains(workspace),
        *await _check_scopes(workspace),
    ):
        yield finding
    yield _finding("clock", "warning", await _check_clock(workspace))
    yield _finding("sync", "warning", await _check_backlog(workspace))


def _finding(check: str, state: Severity, message: FieldlineError | None) -> Finding:
    return Finding(check, "good" if message is None else state, message)


def _error_of(work: Callable[[], object]) -> FieldlineError | None:
    try:
        work()
    except FieldlineError as error:
        return error
    return None


def _check_program() -> FieldlineError | None:
    from core.workspace.installed_files import changed_files

    changed = changed_files()
    if not changed:
        return None
    return FieldlineError(
        "The program is not as it was installed ({path}, {count} in all): install Fieldline again, by itself.",
        path=quote_value(str(changed[0])),
        count=len(changed),
    )


def _check_folder(home: Home) -> FieldlineError | None:
    if not exists(home.store):
        return FieldlineError(
            "There is no device in {path}: run `fieldline init` for a new fleet, or `fieldline join` for one that there"
            " is; or name its folder with --home.",
            path=quote_value(str(home.folder)),
        )
    status = home.folder.stat()
    if status.st_uid != os.geteuid():
        return FieldlineError(
            "The folder {path} belongs to another user: run Fieldline as that user.", path=quote_value(str(home.folder))
        )
    if not os.access(home.folder, os.W_OK):
        return FieldlineError(
            "Nothing can be written in {path}: check its file system.", path=quote_value(str(home.folder))
        )
    try:
        # What a user may do does not tell: a file may be marked as one that nobody changes.
        os.close(os.open(home.store, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return FieldlineError(
            "{path} cannot be written ({why}), so nothing can be saved: check its rights and marks (`lsattr`).",
            path=quote_value(str(home.store)),
            why=error.strerror or "?",
        )
    return None


def _check_privacy(home: Home) -> FieldlineError | None:
    if not exists(home.folder) or not home.folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    return FieldlineError(
        "Others may look into the folder {path}: run `chmod 700 {path}`.", path=quote_value(str(home.folder))
    )


def _check_disk(home: Home) -> FieldlineError | None:
    free, size = shutil.disk_usage(home.folder).free, home.store.stat().st_size
    if free >= max(MIN_FREE_BYTES, size // 4):
        return None
    return FieldlineError(
        "Only {free} MB are free where the store of {size} MB is: make room.", free=free >> 20, size=size >> 20
    )


async def _check_network() -> FieldlineError | None:
    from core.sync.discovery.browser import PeerBrowser

    discovery = PeerBrowser(lambda announcement: None, lambda name: None)
    try:
        await discovery.start()
    except FieldlineError as error:
        return error
    finally:
        await discovery.close()
    return None


async def _check_port(folder: Path) -> FieldlineError | None:
    """Whether other devices can call: `fieldline serve` runs, or could."""
    from core.service.endpoint import DEFAULT_PORT
    from core.service.service_status import read_status
    from core.sync.links.causes import why

    if await asyncio.to_thread(read_status, folder) is not None:
        return None
    try:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), None, DEFAULT_PORT)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return FieldlineError(
                "`fieldline serve` does not run for this device, and port {port} is not free: stop what uses it, or"
                " serve with --port.",
                port=DEFAULT_PORT,
            )
        return FieldlineError(
            "`fieldline serve` does not run for this device, and port {port} cannot be used here ({why}).",
            port=DEFAULT_PORT,
            why=why(error),
        )
    server.close()
    await server.wait_closed()
    return None


def _configured_ports(home: Home) -> list[SerialEndpoint]:
    """The ports that the settings name; raises FieldlineError if these cannot be read."""
    from core.sync.links.serial import serial_ports

    return [serial_ports.parse_serial_endpoint(each) for each in home.served_ports()]


def _check_cables(home: Home) -> None:
    from core.sync.links.serial import serial_ports

    named: list[SerialEndpoint] = []
    # Why not, the settings' own check tells.
    with suppress(FieldlineError):
        named = _configured_ports(home)
    for port in serial_ports.list_serial_ports(named):
        if port.is_removable and not os.access(port.path, os.R_OK | os.W_OK):
            raise serial_ports.port_forbidden_error(port.path)


async def _check_integrity(workspace: DeviceContext, last: LastCheck | None) -> FieldlineError | None:
    """Look for damage in a part of the store.

    What the last check of all found counts until it is repaired.
    """
    from core.store.spot_check import find_damage

    try:
        found = await workspace.store.run(find_damage)
    except FieldlineError as error:
        return error
    found = found or (last.damage if last else None)
    if found is None:
        return None
    return damaged_error(found)


async def _check_membership(workspace: DeviceContext) -> FieldlineError | None:
    membership = await workspace.membership()
    own = workspace.identity.device
    member = membership.members.get(own)
    if member is None or member.state == "pending":
        return FieldlineError(
            "This device is not admitted, as far as it knows: let an admin run `fieldline admit {device} --role ROLE`,"
            " then sync.",
            device=own.hex(),
        )
    if member.state == "revoked":
        return FieldlineError("This device was revoked: what is written here has no effect. Ask an admin.")
    if not any(m.role == "admin" and m.state == "active" for m in membership.members.values()):
        return FieldlineError("The fleet has no admin any more: nobody can be admitted or revoked.")
    return None


async def _check_refused(workspace: DeviceContext) -> FieldlineError | None:
    refused = await workspace.store.run(read_refused)
    if refused is None or refused.at_us < workspace.clock() - DAY_US:
        return None
    return FieldlineError(
        "In the last 24 hours changes were refused because nobody ever admitted their devices, the last of device"
        " {device}; {count} so far. Find out who brings them: a bundle, or a device that runs another program.",
        device=refused.device.hex()[:8],
        count=refused.count,
    )


async def _check_limits(workspace: DeviceContext) -> list[Finding]:
    """A finding for each device that has more changes than are kept of it."""
    from core.workspace.chain_report import limit_message

    fleet, membership = workspace.store.fleet, await workspace.membership()
    beyond = await workspace.store.run(lambda connection: read_over_limit(connection, fleet))
    found = [Finding("limits", "warning", limit_message(each, membership)) for each in beyond[:MAX_CHAIN_FAULTS]]
    return found or [Finding("limits", "good")]


async def _check_chains(workspace: DeviceContext) -> list[Finding]:
    """A finding for each fault of a device's chain, as far as a person wants to read."""
    from core.workspace.chain_report import fault_message

    faults = await workspace.store.run(read_chain_faults)
    membership = await workspace.membership()
    found = [Finding("chains", "warning", fault_message(fault, membership)) for fault in faults[:MAX_CHAIN_FAULTS]]
    return found or [Finding("chains", "good")]


async def _check_scopes(workspace: DeviceContext) -> list[Finding]:
    """A finding for each device that said something outside its scope."""
    from core.workspace.scope_report import scope_messages

    messages = list((await scope_messages(workspace)).values())
    found = [Finding("scopes", "warning", message) for message in messages[:MAX_CHAIN_FAULTS]]
    return found or [Finding("scopes", "good")]


async def _check_clock(workspace: DeviceContext) -> FieldlineError | None:
    now = workspace.clock()
    if now < MIN_CLOCK_US:
        return FieldlineError("The clock of this machine was never set: set it, for instance with `timedatectl`.")
    latest = await workspace.view().log(limit=1)
    if latest and latest[0].at_us > now + HOUR_US:
        return FieldlineError(
            "There are changes from {hours} hours in the future: the clock of this machine is slow, or that of device"
            " {device} was fast.",
            hours=(latest[0].at_us - now) // HOUR_US,
            device=latest[0].device.hex()[:8],
        )
    return None


async def _check_backlog(workspace: DeviceContext) -> FieldlineError | None:
    from core.service.transfer_backlog import read_backlog

    backlog = await read_backlog(workspace.store)
    if backlog is None:
        return None
    return FieldlineError(
        "The last sync is not complete: {count} changes of device {device} have not come yet. Sync again.",
        count=backlog.missing_count,
        device=backlog.peer.hex()[:8],
    )
