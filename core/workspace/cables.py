"""Cables: meeting whoever is at the other end of one, once or whenever there is something new."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from core.errors import FieldlineError
from core.sync.links import serial
from core.sync.links.arq import BITS
from core.sync.links.ports import USUAL, Absent, PortError, SerialTarget
from core.sync.links.transport import Cable
from core.sync.run import PIECE
from core.workspace import doing
from core.workspace.meeting import TCP, Carrier, Met, Told, allowed, meet, now

if TYPE_CHECKING:
    from core.workspace.context import DeviceContext
    from core.workspace.ways import OnLink

NAME = "serial"

PATIENCE = 120.0
"""Seconds that one waits for the other end: before it begins, and whenever nothing comes, as from a pulled cable."""

AGAIN, AFTER_TROUBLE = 300.0, 10.0
"""Seconds after which the other end is called though nothing is new: it may be another device by now."""

LOOK_SECONDS = 0.5
LEAST_BATCH, LEAST_PIECE = 1 << 12, 1 << 10


def carrier(rate: int) -> Carrier:
    """How much to use at once of a line of so many bits a second: commits about once a second, progress more often."""
    a_second = rate // 10
    piece = min(PIECE, max(LEAST_PIECE, a_second // 8))
    batch_bytes = min(TCP.batch_bytes, max(LEAST_BATCH, a_second))
    return Carrier(NAME, batch_bytes=batch_bytes, piece=piece, patience=PATIENCE)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a cable that is in use stands: whether there is a session on it, whether it is `pulled` and waited for, its
    rate in bits a second and what it carries just now, how many frames were mended or had to be sent again, which
    device is at the other end, and whether nothing comes from there any more.
    """

    joined: bool
    pulled: bool
    baud: int
    rate: int
    corrected: int
    peer: bytes | None = None
    silent: bool = False


_in_use: WeakValueDictionary[str, Cable] = WeakValueDictionary()


def standing(target: str) -> Standing | None:
    """How the cable of this target (`serial:///dev/…`) stands that this process uses; None if it uses none there."""
    cable = _in_use.get(target.removeprefix("serial://").partition("?")[0])
    if cable is None or cable.closed.done():
        return None
    arq = cable.arq
    corrected = arq.counters.again + arq.counters.mended
    joined, carries = cable.opened.done(), int(arq.rate * BITS)
    return Standing(joined, cable.away, cable.baud, carries, corrected, cable.peer, cable.silent)


def _note(cable: Cable) -> None:
    _in_use[cable.path] = cable


async def sync(
    workspace: DeviceContext,
    target: SerialTarget,
    *,
    modes: tuple[str, ...],
    timeout: float | None,
    told: Told,
) -> Met:
    """Meet the device at the other end once, when there is one, and again if that is started anew in the middle.

    `timeout` is how many seconds it may not be there or be silent. Raises FieldlineError if it came to nothing; what
    had been saved by then stays.
    """
    # What a meeting begins with is read now, not while the line waits.
    await workspace.store.cells()
    began = now()
    patience = PATIENCE if timeout is None else timeout
    in_vain: float | None = None
    while True:
        try:
            link = await serial.connect(target, workspace.identity, allowed(workspace), timeout=patience, told=_note)
        except PortError as error:
            if isinstance(error, Absent) or not _is_served(workspace, target):
                raise
            raise PortError(
                "`fieldline serve` on this device has {port}: it syncs with the other end by itself.", port=target.path
            ) from None
        except serial.Restarted:
            # Whatever it is that begins and never gets to a link is not waited for longer than one that is not there.
            in_vain = now() if in_vain is None else in_vain
            if now() - in_vain > patience:
                raise
            continue
        in_vain = None
        try:
            return await meet(
                workspace,
                link,
                carrier(link.rate),
                initiator=link.initiator,
                modes=modes,
                began=began,
                timeout=patience,
                told=told,
            )
        except FieldlineError:
            if not link.restarted:
                raise
        finally:
            await link.close()


def _is_served(workspace: DeviceContext, target: SerialTarget) -> bool:
    """Whether the process that serves on this device has this port."""
    port = str(SerialTarget(target.path))
    return any(each.target == port and each.state != "failing" for each in doing.told(workspace.home.folder) or ())


class CablePort:
    """A port that is served: answers whoever calls, and calls when something was saved here, when it was plugged in,
    and now and then. Two that serve the same cable are quiet when they hold the same.
    """

    def __init__(self, workspace: DeviceContext, target: SerialTarget) -> None:
        self._workspace = workspace
        self._place = target
        self._root = b""
        self._common: bytes | None = None
        """What both ends held after the last meeting."""
        self._call = asyncio.Event()
        self._absent = False
        self.carrier = carrier(target.baud or USUAL)

    @property
    def target(self) -> str:
        """What people call it."""
        return f"serial://{self._place.path}"

    def holds(self, root: bytes) -> None:
        """This device holds this now."""
        if root not in (self._root, self._common):
            self._call.set()
        self._root = root

    async def run(self, on_link: OnLink) -> None:
        """Hand over each link that comes about, until cancelled; raises FieldlineError if there is none to be had.

        That a port is not there is told once; from then on it is waited for.
        """
        while True:
            try:
                link = await self._connect()
            except serial.Restarted:
                continue
            try:
                self.carrier = carrier(link.rate)
                met = await on_link(link, link.initiator)
            finally:
                await link.close()
            self._common = met.root if met is not None else None
            if met is None or met.root == self._root:
                self._call.clear()

    async def _connect(self) -> serial.SerialLink:
        pause = AFTER_TROUBLE if self._common is None else AGAIN
        again = asyncio.get_running_loop().call_later(pause, self._call.set)
        try:
            while True:
                try:
                    link = await serial.connect(
                        self._place, self._workspace.identity, allowed(self._workspace), call=self._call, told=_note
                    )
                except Absent:
                    if not self._absent:
                        self._absent = True
                        raise
                    self._call.set()
                    await asyncio.sleep(LOOK_SECONDS)
                else:
                    self._absent = False
                    return link
        finally:
            again.cancel()
