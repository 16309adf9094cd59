"""How fast the line to the terminal is, as far as that can be known.

A serial line says so, a network does not.
"""

from __future__ import annotations

import termios

SLOW_BAUD = 19_200
"""Bits a second below which every byte counts: at 9,600 a thousand bytes are a second."""
_BAUD = {
    getattr(termios, f"B{baud}"): baud
    for baud in (50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400)
    if hasattr(termios, f"B{baud}")
}


def is_slow_line(fileno: int) -> bool:
    """Whether the terminal is at the end of a slow serial line."""
    try:
        speed = termios.tcgetattr(fileno)[5]
    except (termios.error, OSError):
        return False
    return 0 < _BAUD.get(speed, SLOW_BAUD) < SLOW_BAUD
