"""A timer that calls back once, however busy the machine is.

Textual lets a timer skip what it is late for. One that fires once and is late at its start, as a process is that has to
wait for a processor, then never fires: a screen would keep its old size for ever.
"""

from __future__ import annotations

from textual.timer import Timer


def never_skipped(timer: Timer) -> Timer:
    """Have a timer fire that was just made, late or not; gives it back."""
    timer._skip = False
    return timer
