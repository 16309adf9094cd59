"""What of a terminal's input is let through.

Whatever a person types or pastes, and no flood. Pure.

A megabyte that comes without the marks of a paste would be taken for keys, and carried out one by one for a minute.
"""

from __future__ import annotations

MAX_TYPED_CHARS = 1024
"""Characters that may come without a pause: no person types them, a terminal that does not mark a paste sends them."""
MAX_PASTED_CHARS = 1 << 16
"""Characters of a paste: more than any value that the schema allows."""
BURST_PAUSE_S = 0.2
"""Seconds after which what comes is another burst."""
MAX_PASTE_PAUSE_S = 10.0
"""Seconds without anything after which a paste that nobody ends is over."""
PASTE_START, PASTE_END = "\x1b[200~", "\x1b[201~"


class InputLimiter:
    """Lets a burst through up to a bound, and drops the rest of it."""

    def __init__(self) -> None:
        self._count = 0
        self._received = _PasteMarks()
        self._passed = _PasteMarks()

    def take(self, text: str, waited: float) -> str:
        """What of this text to take, after so many seconds in which nothing came."""
        if waited > BURST_PAUSE_S and not self._received.is_pasting:
            self._count = 0
        self._received.feed(text)
        room = max(
            0, (MAX_PASTED_CHARS if self._passed.is_pasting or PASTE_START in text else MAX_TYPED_CHARS) - self._count
        )
        self._count += len(text)
        taken = text[:room]
        self._passed.feed(taken)
        # Whoever reads on must not wait for an end that was dropped.
        return taken if self._received.is_pasting else taken + self._end_paste()

    def take_idle(self, waited: float) -> str:
        """What to take where nothing has come for so many seconds.

        The end of a paste that has none.
        """
        if not self._passed.is_pasting or waited < MAX_PASTE_PAUSE_S:
            return ""
        self._received = _PasteMarks()
        return self._end_paste()

    def _end_paste(self) -> str:
        if not self._passed.is_pasting:
            return ""
        self._passed = _PasteMarks()
        return PASTE_END


class _PasteMarks:
    """Whether the text seen so far is within a paste; a mark may be cut in two."""

    def __init__(self) -> None:
        self.is_pasting = False
        self._tail = ""

    def feed(self, text: str) -> None:
        seen = self._tail + text
        start, end = seen.rfind(PASTE_START), seen.rfind(PASTE_END)
        if start != end:
            self.is_pasting = start > end
        self._tail = seen[-len(PASTE_START) + 1 :]
