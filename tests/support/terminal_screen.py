"""A terminal for tests.

What is on it after the sequences that the painter writes (ECMA-48 and DECSTBM only).
"""

from __future__ import annotations

import re

from rich.cells import cell_len

from tui.terminal.diff_renderer import Cell

_TOKEN = re.compile(r"\x1b\[([\d;]*)([A-Za-z])|([^\x1b])", re.DOTALL)


_ORDER = ("1", "2", "3", "4", "7", "9", "38", "48")
_ENDS = {"22": "12", "23": "3", "24": "4", "27": "7", "29": "9", "39": ("38",), "49": ("48",)}
"""What ends which attributes (ECMA-48, 8.3.117)."""


class Terminal:
    """A screen of cells, each a character and its SGR parameters."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.rows: list[list[Cell]] = [[("?", "7")] * width for _ in range(height)]
        self.x = self.y = 0
        self.style = ""
        self._attributes: dict[str, str] = {}
        self.top, self.bottom = 0, height - 1

    def write(self, data: str) -> None:
        """Carry out sequences and show text.

        Fails on anything that the painter has no business writing.
        """
        position = 0
        for match in _TOKEN.finditer(data):
            assert match.start() == position, f"not understood: {data[position : position + 20]!r}"
            position = match.end()
            arguments, verb, char = match.groups()
            if char is not None:
                self._put(char)
            else:
                getattr(self, f"_{verb}")([int(a) for a in arguments.split(";") if a], arguments)
        assert position == len(data)

    def _put(self, char: str) -> None:
        size = cell_len(char)
        if size == 0:
            before = self.rows[self.y][self.x - 1]
            self.rows[self.y][self.x - 1] = (before[0] + char, before[1])
            return
        assert self.x + size <= self.width, "writes past the right edge"
        self.rows[self.y][self.x] = (char, self.style)
        for extra in range(1, size):
            self.rows[self.y][self.x + extra] = ("", self.style)
        self.x += size

    def _H(self, numbers: list[int], _text: str) -> None:  # noqa: N802
        self.y, self.x = numbers[0] - 1, numbers[1] - 1 if len(numbers) > 1 else 0

    def _C(self, numbers: list[int], _text: str) -> None:  # noqa: N802
        self.x += numbers[0]

    def _K(self, _numbers: list[int], _text: str) -> None:  # noqa: N802
        assert self.style == "", "erases in a colour"
        self.rows[self.y][self.x :] = [(" ", "")] * (self.width - self.x)

    def _m(self, _numbers: list[int], text: str) -> None:
        codes = text.split(";") if text else ["0"]
        while codes:
            code = codes.pop(0)
            if code == "0":
                self._attributes.clear()
            elif code in _ENDS:
                for name in _ENDS[code]:
                    self._attributes.pop(name, None)
            elif code in ("38", "48"):
                size = {"5": 2, "2": 4}[codes[0]]
                self._attributes[code] = ";".join([code, *codes[:size]])
                del codes[:size]
            else:
                number = int(code)
                ink = number in range(30, 38) or number in range(90, 98)
                ground = number in range(40, 48) or number in range(100, 108)
                assert ink or ground or code in "123479", f"not understood: {code}"
                self._attributes["38" if ink else "48" if ground else code] = code
        self.style = ";".join(self._attributes[name] for name in _ORDER if name in self._attributes)

    def _r(self, numbers: list[int], _text: str) -> None:
        self.top, self.bottom = (numbers[0] - 1, numbers[1] - 1) if numbers else (0, len(self.rows) - 1)
        self.x = self.y = 0

    def _M(self, numbers: list[int], _text: str) -> None:  # noqa: N802
        for _ in range(numbers[0] if numbers else 1):
            del self.rows[self.y]
            self.rows.insert(self.bottom, [(" ", self.style)] * self.width)

    def _L(self, numbers: list[int], _text: str) -> None:  # noqa: N802
        for _ in range(numbers[0] if numbers else 1):
            del self.rows[self.bottom]
            self.rows.insert(self.y, [(" ", self.style)] * self.width)
