"""Cables as the screens show them: offered when one is plugged in, and how the one in use stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from tui.language.i18n import _, ngettext, number, say

if TYPE_CHECKING:
    from core.sync.links.ports import Found
    from core.workspace import Workspace
    from core.workspace.cables import Standing


class Cables:
    """The cables that are plugged in. `came` is told of one that was not there before, `changed` of any difference, and
    `trouble` why they cannot be looked for. `offered` is the target of the last that came, until somebody saw it.
    """

    def __init__(
        self,
        workspace: Workspace,
        came: Callable[[Found], None],
        changed: Callable[[], None],
        trouble: Callable[[str], None],
    ) -> None:
        self.plugged: list[Found] = []
        self.offered = ""
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
                    self.offered = each.target
                    self._came(each)
            first = False


def standing_text(standing: Standing) -> str:
    """How a cable stands, in a line."""
    if standing.pulled:
        return _("the cable was pulled: it goes on when it is back")
    if not standing.joined:
        return _("waiting for the other end: plug it in there and start a meeting, or run `fieldline serve --serial`")
    text = _("{baud} bit/s, carries {rate}").format(baud=number(standing.baud), rate=number(standing.rate))
    if standing.corrected:
        text += " · " + ngettext("{count} frame corrected", "{count} frames corrected", standing.corrected)
    return text
