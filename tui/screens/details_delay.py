"""Details that follow the cursor once it has rested.

So that a key held down writes rows only.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from textual.timer import Timer

from tui.one_shot_timer import never_skipped
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from tui.screens.base import BaseScreen

_BLOCKS = ("#details-title", "#details")


class DetailsDelay:
    """Draws the details of a screen at once, or when the cursor has rested."""

    def __init__(self, screen: BaseScreen) -> None:
        self._screen = screen
        self._rests_at_s = 0.0
        self.timer: Timer | None = None

    def note_moved(self) -> None:
        """Wait from now on: the cursor has moved."""
        self._rests_at_s = monotonic() + self._screen.state.options.details_delay_s

    def redraw(self) -> None:
        """Draw the details when the cursor has rested."""
        if self.timer is not None:
            self.timer.stop()
        if (left_s := self._rests_at_s - monotonic()) > 0:
            self.timer = never_skipped(self._screen.set_timer(left_s, self._redraw_blocks))
        else:
            self._redraw_blocks()

    def _redraw_blocks(self) -> None:
        for name in _BLOCKS:
            self._screen.query_one(name, Lines).redraw()
