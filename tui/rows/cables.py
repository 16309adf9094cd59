"""Cables as the screens show them: offered when one is plugged in, and how the one in use stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from core.errors import FieldlineError
from tui.language.i18n import _, say
from tui.rows.lines import Line, wrapped
from tui.rows.standing import WAITING

if TYPE_CHECKING:
    from core.sync.links.ports import Found
    from core.workspace import Workspace

Use = Literal["free", "meeting", "served"]
"""Who uses a cable: nobody, a meeting of these screens, or the process that serves on this device."""


class Cables:
    """The cables that are plugged in. `came` is told of one that was not there before, `changed` of any difference, and
    `trouble` why they cannot be looked for. `offered` is the target of the last that came, until somebody saw it, and
    `meeting` that of the meeting that is under way.
    """

    def __init__(
        self,
        workspace: Workspace,
        came: Callable[[Found, Use], None],
        changed: Callable[[], None],
        trouble: Callable[[str], None],
    ) -> None:
        self.plugged: list[Found] = []
        self.offered = ""
        self.meeting = ""
        self._trouble = trouble
        self._workspace = workspace
        self._came = came
        self._changed = changed

    async def look(self) -> None:
        """Look once a second, until cancelled."""
        from core.sync.links.ports import parse, present, watch

        try:
            named = [parse(each) for each in await asyncio.to_thread(self._workspace.home.cables)]
        except FieldlineError as error:
            self._trouble(say(error))
            return
        first = True
        async for found in watch(partial(present, named)):
            before = {each.path for each in self.plugged}
            self.plugged = [each for each in found if each.plugged]
            self._changed()
            for each in self.plugged:
                if each.path not in before and not first:
                    use = await self._use(each)
                    self.offered = each.target if use == "free" else self.offered
                    self._came(each, use)
            first = False

    async def _use(self, found: Found) -> Use:
        from core.sync.links.ports import SerialTarget
        from core.workspace.doing import told

        port = str(SerialTarget(found.path))
        if port == self.meeting.partition("?")[0]:
            return "meeting"
        doings = await asyncio.to_thread(told, self._workspace.home.folder)
        return "served" if port in {each.target for each in doings or []} else "free"


def offer_text(name: str, use: Use, at_hand: bool) -> str:
    """What is said when a cable was plugged in; `at_hand` if Enter is all that it takes."""
    if use == "meeting":
        text = _("The cable on {port} is back: the meeting goes on.")
    elif use == "served":
        text = _("Cable on {port}: this device syncs with its other end by itself.")
    elif at_hand:
        text = _("Cable on {port}: press Enter to sync with its other end.")
    else:
        text = _("Cable on {port}: press 5, then Enter to sync with its other end.")
    return text.format(port=name)


def waiting_lines(width: int) -> list[Line]:
    """What is said while nobody answers at the other end of a cable."""
    remedy = _("Plug the cable in there, too, and press 5, then Enter; or run `fieldline serve --serial` there.")
    first: Line = [(_(WAITING), "strong")]
    return [first, *([(line, "plain")] for line in wrapped(remedy, width))]
