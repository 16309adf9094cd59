"""What of a terminal's input is let through: whatever a person types or pastes, and no flood. Pure.

A megabyte that comes without the marks of a paste would be taken for keys, and carried out one by one for a minute.
"""

from __future__ import annotations

MOST_TYPED = 1024
"""Characters that may come without a pause: no person types them, a terminal that does not mark a paste sends them."""
MOST_PASTED = 1 << 16
PAUSE = 0.2
"""Seconds after which what comes is another burst."""
LONGEST_PASTE = 10.0
"""Seconds without anything after which a paste that nobody ends is over."""
START, END = "\x1b[200~", "\x1b[201~"


class Gate:
    """Lets a burst through up to a bound, and drops the rest of it."""

    def __init__(self) -> None:
        self._count = 0
        self._came = _Marks()
        self._let = _Marks()

    def let(self, text: str, waited: float) -> str:
        """What of this text to take, after so many seconds in which nothing came."""
        if waited > PAUSE and not self._came.pasting:
            self._count = 0
        self._came.see(text)
        room = max(0, (MOST_PASTED if self._let.pasting or START in text else MOST_TYPED) - self._count)
        self._count += len(text)
        taken = text[:room]
        self._let.see(taken)
        # Whoever reads on must not wait for an end that was dropped.
        return taken if self._came.pasting else taken + self._ended()

    def idle(self, waited: float) -> str:
        """What to take where nothing has come for so many seconds: the end of a paste that has none."""
        if not self._let.pasting or waited < LONGEST_PASTE:
            return ""
        self._came = _Marks()
        return self._ended()

    def _ended(self) -> str:
        if not self._let.pasting:
            return ""
        self._let = _Marks()
        return END


class _Marks:
    """Whether the text seen so far is within a paste; a mark may be cut in two."""

    def __init__(self) -> None:
        self.pasting = False
        self._tail = ""

    def see(self, text: str) -> None:
        seen = self._tail + text
        start, end = seen.rfind(START), seen.rfind(END)
        if start != end:
            self.pasting = start > end
        self._tail = seen[-len(START) + 1 :]
