"""Watch for cables: one that is plugged in is offered on the screens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from core.errors import FieldlineError
from tui.i18n.translate import _, error_text
from tui.layout import Line, wrap_text
from tui.view_models.cable_status import WAITING_TEXT

if TYPE_CHECKING:
    from core.sync.links.serial.serial_ports import SerialPortInfo
    from core.workspace import Workspace

CableUse = Literal["free", "meeting", "served"]
"""Who uses a cable: nobody, a sync from these screens, or the process that serves on this device."""


class CableMonitor:
    """The cables that are plugged in.

    `offered_target` is the endpoint of the last one that was plugged in, until it was seen on Sync; `active_target`
    that of the sync that is under way. Both are empty if there is none.
    """

    def __init__(
        self,
        workspace: Workspace,
        on_plugged: Callable[[SerialPortInfo, CableUse], None],
        on_change: Callable[[], None],
        on_error: Callable[[str], None],
    ) -> None:
        """Begin without cables.

        Args:
            workspace: this device, whose settings name ports.
            on_plugged: called with a cable that was not there before, and who uses it.
            on_change: called after each look.
            on_error: called with a sentence if ports cannot be looked for.
        """
        self.plugged: list[SerialPortInfo] = []
        self.offered_target = ""
        self.active_target = ""
        self._on_error = on_error
        self._workspace = workspace
        self._on_plugged = on_plugged
        self._on_change = on_change

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        from core.sync.links.serial.serial_ports import list_serial_ports, parse_serial_endpoint, watch_serial_ports

        try:
            named = [parse_serial_endpoint(each) for each in await asyncio.to_thread(self._workspace.home.served_ports)]
        except FieldlineError as error:
            self._on_error(error_text(error))
            return
        first = True
        async for found in watch_serial_ports(partial(list_serial_ports, named)):
            before = {each.path for each in self.plugged}
            self.plugged = [each for each in found if each.is_removable]
            self._on_change()
            for each in self.plugged:
                if each.path not in before and not first:
                    use = await self._use_of(each)
                    self.offered_target = each.endpoint if use == "free" else self.offered_target
                    self._on_plugged(each, use)
            first = False

    async def _use_of(self, found: SerialPortInfo) -> CableUse:
        from core.service.service_status import read_status
        from core.sync.links.serial.serial_ports import SerialEndpoint

        port = str(SerialEndpoint(found.path))
        if port == self.active_target.partition("?")[0]:
            return "meeting"
        doings = await asyncio.to_thread(read_status, self._workspace.home.folder)
        return "served" if port in {each.endpoint for each in doings or []} else "free"


def cable_offer_text(name: str, use: CableUse, at_hand: bool) -> str:
    """The sentence for a cable that was plugged in.

    `at_hand` if Enter is all that it takes.
    """
    if use == "meeting":
        text = _("The cable on {port} is back: the sync goes on.")
    elif use == "served":
        text = _("Cable on {port}: this device syncs with its other end by itself.")
    elif at_hand:
        text = _("Cable on {port}: press Enter to sync with its other end.")
    else:
        text = _("Cable on {port}: press 5, then Enter to sync with its other end.")
    return text.format(port=name)


def cable_waiting_lines(width: int) -> list[Line]:
    """The lines that stand there while nobody answers at the other end of a cable."""
    remedy = _("Plug the cable in there, too, and press 5, then Enter; or run `fieldline serve --serial` there.")
    first: Line = [(_(WAITING_TEXT), "strong")]
    return [first, *([(line, "plain")] for line in wrap_text(remedy, width))]
