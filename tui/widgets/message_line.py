"""The lines that tell a person what came of a command; they go away by themselves."""

from __future__ import annotations

from functools import partial

from textual.timer import Timer

from tui.layout import Line, cut, fit_line, line_width, wrap_text
from tui.one_shot_timer import never_skipped
from tui.view_models.frame import size_hint
from tui.widgets.lines import Lines

_SCREEN_SHARE = 5
"""One of so many lines of the terminal is for a message at most: at 24 lines four, of which hardly any needs two."""


class MessageLine(Lines):
    """A message, or else what does not fit into the terminal.

    One line; a longer sentence takes more while it is shown, from what is above.
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(self._draw_message, id=id)
        self._message: Line = []
        self._timer: Timer | None = None
        self._count = 1

    def show(self, text: str, role: str, seconds: float) -> None:
        """Show a text for so many seconds, 0 for ever; an empty one removes what is there."""
        line: Line = [(text, role)] if text else []
        if line == self._message:
            return
        self._message = line
        if self._timer is not None:
            self._timer.stop()
        if line and seconds:
            self._timer = never_skipped(self.set_timer(seconds, partial(self.show, "", role, 0)))
        self._fit_height()
        if self.is_mounted:
            self.redraw()

    def on_resize(self) -> None:
        """Take the lines that the message needs in this width."""
        self._fit_height()

    def _fit_height(self) -> None:
        count = len(self._message_lines(*self.app.size))
        if count != self._count:  # all is laid out anew
            self._count = count
            self.styles.height = count

    def _message_lines(self, width: int, height: int) -> list[Line]:
        """The message in the lines that it needs on a screen of this size.

        At most as many as there is room for.
        """
        line: Line = [(" ", "plain"), *(self._message or size_hint(width, height))]
        if line_width(line) <= width:
            return [line]
        text, role = line[-1]
        texts = wrap_text(text, width - 1)
        if len(texts) > (count := max(1, height // _SCREEN_SHARE)):
            texts = [*texts[: count - 1], cut(" ".join(texts[count - 1 :]), width - 1)]
        return [[(" ", "plain"), (text, role)] for text in texts]

    def _draw_message(self, width: int, _height: int) -> list[Line]:
        return [fit_line(line, width) for line in self._message_lines(*self.app.size)]
