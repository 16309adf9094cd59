"""What is wrong with this installation, and how to mend it. Looks only; changes nothing."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.errors import FieldlineError
from core.values import quoted
from core.workspace.home import Home

if TYPE_CHECKING:
    from core.sync.links.ports import SerialTarget
    from core.workspace.context import DeviceContext

LEAST_FREE = 64 << 20
"""Bytes that should be free: the store writes a log beside itself before it writes."""
HOUR = 3_600_000_000
OLDEST = 1_735_689_600_000_000
"""2025-01-01, in microseconds since 1970: a clock before that was never set."""

State = Literal["good", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check; `message` says what is wrong and what to do, None if nothing is."""

    check: str
    state: State
    message: FieldlineError | None = None


async def home_checks(folder: Path) -> AsyncIterator[Finding]:
    """What can be looked at without opening the store; the last one is a problem if it cannot be opened."""
    from core import identity

    home = Home(folder)
    yield _found("home", "problem", await asyncio.to_thread(_home, home))
    yield _found("privacy", "warning", await asyncio.to_thread(_privacy, home))
    if not await asyncio.to_thread(home.store.exists):
        return
    yield _found("key", "problem", await asyncio.to_thread(_raised, lambda: identity.load(folder)))
    yield _found("settings", "problem", await asyncio.to_thread(_raised, lambda: _named(home)))
    yield _found("disk", "warning", await asyncio.to_thread(_disk, home))
    yield _found("network", "warning", await _network())
    yield _found("port", "warning", await _port(folder))
    yield _found("cable", "warning", await asyncio.to_thread(_raised, lambda: _cables(home)))


async def store_checks(workspace: DeviceContext) -> AsyncIterator[Finding]:
    """What the opened store tells."""
    yield _found("store", "problem", await _store(workspace))
    yield _found("membership", "warning", await _membership(workspace))
    yield _found("clock", "warning", await _clock(workspace))
    yield _found("sync", "warning", await _sync(workspace))


def _found(check: str, state: State, message: FieldlineError | None) -> Finding:
    return Finding(check, "good" if message is None else state, message)


def _raised(work: Callable[[], object]) -> FieldlineError | None:
    try:
        work()
    except FieldlineError as error:
        return error
    return None


def _home(home: Home) -> FieldlineError | None:
    if not home.store.exists():
        return FieldlineError(
            "There is no device in {path}: run `fieldline init` for a new fleet, or `fieldline join` for one that there"
            " is; or name its folder with --home.",
            path=quoted(str(home.folder)),
        )
    status = home.folder.stat()
    if status.st_uid != os.geteuid():
        return FieldlineError(
            "The folder {path} belongs to another user: run Fieldline as that user.", path=quoted(str(home.folder))
        )
    if not os.access(home.folder, os.W_OK):
        return FieldlineError("Nothing can be written in {path}: check its file system.", path=quoted(str(home.folder)))
    return None


def _privacy(home: Home) -> FieldlineError | None:
    if not home.folder.exists() or not home.folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    return FieldlineError(
        "Others may look into the folder {path}: run `chmod 700 {path}`.", path=quoted(str(home.folder))
    )


def _disk(home: Home) -> FieldlineError | None:
    free, size = shutil.disk_usage(home.folder).free, home.store.stat().st_size
    if free >= max(LEAST_FREE, size // 4):
        return None
    return FieldlineError(
        "Only {free} MB are free where the store of {size} MB is: make room.", free=free >> 20, size=size >> 20
    )


async def _network() -> FieldlineError | None:
    from core.sync.discovery import Discovery

    discovery = Discovery(lambda said: None, lambda name: None)
    try:
        await discovery.start()
    except FieldlineError as error:
        return error
    finally:
        await discovery.close()
    return None


async def _port(folder: Path) -> FieldlineError | None:
    """Whether other devices can call: `fieldline serve` runs, or could."""
    from core.sync.links.causes import why
    from core.workspace.doing import told
    from core.workspace.endpoint import PORT

    if await asyncio.to_thread(told, folder) is not None:
        return None
    try:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), None, PORT)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return FieldlineError(
                "`fieldline serve` does not run for this device, and port {port} is not free: stop what uses it, or"
                " serve with --port.",
                port=PORT,
            )
        return FieldlineError(
            "`fieldline serve` does not run for this device, and port {port} cannot be used here ({why}).",
            port=PORT,
            why=why(error),
        )
    server.close()
    await server.wait_closed()
    return None


def _named(home: Home) -> list[SerialTarget]:
    """The ports that the settings name; raises FieldlineError if these cannot be read."""
    from core.sync.links import ports

    return [ports.parse(each) for each in home.cables()]


def _cables(home: Home) -> None:
    from core.sync.links import ports

    named: list[SerialTarget] = []
    # Why not, the settings' own check tells.
    with suppress(FieldlineError):
        named = _named(home)
    for port in ports.present(named):
        if port.plugged and not os.access(port.path, os.R_OK | os.W_OK):
            raise ports.forbidden(port.path)


async def _store(workspace: DeviceContext) -> FieldlineError | None:
    def quick(path: Path) -> str:
        import sqlite3
        from contextlib import closing

        from core.store.database import told

        with told(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])

    try:
        found = await asyncio.to_thread(quick, workspace.home.store)
    except FieldlineError as error:
        return error
    if found == "ok":
        return None
    return FieldlineError(
        "The store is damaged ({what}): run `fieldline verify`, or restore a copy and sync again.", what=quoted(found)
    )


async def _membership(workspace: DeviceContext) -> FieldlineError | None:
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


async def _clock(workspace: DeviceContext) -> FieldlineError | None:
    now = workspace.clock()
    if now < OLDEST:
        return FieldlineError("The clock of this machine was never set: set it, for instance with `timedatectl`.")
    latest = await workspace.view().log(limit=1)
    if latest and latest[0].at > now + HOUR:
        return FieldlineError(
            "There are changes from {hours} hours in the future: the clock of this machine is slow, or that of device"
            " {device} was fast.",
            hours=(latest[0].at - now) // HOUR,
            device=latest[0].device.hex()[:8],
        )
    return None


async def _sync(workspace: DeviceContext) -> FieldlineError | None:
    from core.workspace.arriving import arriving

    lacking = await arriving(workspace.store)
    if lacking is None:
        return None
    return FieldlineError(
        "The last sync is not complete: {count} changes of device {device} have not come yet. Sync again.",
        count=lacking.missing,
        device=lacking.peer.hex()[:8],
    )
