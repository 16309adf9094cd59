"""The line that tells a person what came of a command; it goes away by itself."""

from __future__ import annotations

from functools import partial

from textual.timer import Timer

from tui.layout import Line, fit_line
from tui.view_models.frame import size_hint
from tui.widgets.lines import Lines


class MessageLine(Lines):
    """A message, or else what does not fit into the terminal."""

    def __init__(self, *, id: str) -> None:
        super().__init__(self._draw_message, id=id)
        self._message: Line = []
        self._timer: Timer | None = None

    def show(self, text: str, role: str, seconds: float) -> None:
        """Show a text for so many seconds, 0 for ever; an empty one removes what is there."""
        line: Line = [(text, role)] if text else []
        if line == self._message:
            return
        self._message = line
        if self._timer is not None:
            self._timer.stop()
        if line and seconds:
            self._timer = self.set_timer(seconds, partial(self.show, "", role, 0))
        if self.is_mounted:
            self.redraw()

    def _draw_message(self, width: int, _height: int) -> list[Line]:
        return [fit_line([(" ", "plain"), *(self._message or size_hint(*self.app.size))], width)]
