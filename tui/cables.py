"""Cables as the screens show them: offered when one is plugged in, and how the one in use stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.i18n import _, ngettext, number

if TYPE_CHECKING:
    from core.sync.links.ports import Found
    from core.workspace.cables import Standing


class Cables:
    """The cables that are plugged in. `came` is told of one that was not there before, `changed` of any difference."""

    def __init__(self, came: Callable[[Found], None], changed: Callable[[], None]) -> None:
        self.plugged: list[Found] = []
        self._came = came
        self._changed = changed

    async def look(self) -> None:
        """Look once a second, until cancelled."""
        from core.sync.links.ports import watch

        first = True
        async for found in watch():
            before = {each.path for each in self.plugged}
            self.plugged = [each for each in found if each.plugged]
            self._changed()
            for each in self.plugged:
                if each.path not in before and not first:
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
