"""Turn what a screen shows into statements, one a line. Pure.

For those to whom a screen reader or a braille display reads: no box drawing, no positions, nothing is said twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from tui.glyphs import ASCII_GLYPHS, GLYPHS

_KEPT_GLYPHS = {GLYPHS[name] for name in ("folded", "unfolded", "cleared", "removed")}
_SILENT = {ord(glyph): " " for glyph in GLYPHS.values() if not glyph.isascii() and glyph not in _KEPT_GLYPHS}
"""Glyphs that say what a word beside them says."""
_DRAWN = re.compile("[\u2500-\u259f\u2800-\u28ff]+")
"""Boxes, blocks and dots."""
MAX_RUBBED_OUT = 8
"""So many characters are taken back one by one; of more what is left is said anew."""
_EDITED = re.compile(rf"(^|, ){GLYPHS['edited']} ")
"""The glyph of an edit that is not applied; words behind it say so."""
_GAP = re.compile(r"\s{2,}")


def statement(text: str) -> str:
    """A row as a statement: its columns behind each other.

    Empty if it is only drawn.
    """
    words = (
        _DRAWN.sub("  ", text.translate(_SILENT).replace("→", "->").replace("…", "...")).translate(ASCII_GLYPHS).strip()
    )
    return _EDITED.sub(r"\1", _GAP.sub(", ", words))


@dataclass(frozen=True, slots=True)
class ScreenText:
    """What is to be known of a screen.

    `part` is what it is called and `intro` what stands in it to be read, said when it opens; `row` is the row with the
    cursor, `marked` the rows elsewhere that a person should know of; `typed` is what stands in the line that somebody
    types into, None if there is none, with the cursor before character `at`.
    """

    identity: object = None
    part: str = ""
    intro: tuple[str, ...] = ()
    row: str = ""
    marked: tuple[str, ...] = ()
    typed: str | None = None
    at: int = 0
    message: str = ""


class Narrator:
    """Says what differs from what was said last."""

    def __init__(self) -> None:
        self._last = ScreenText()
        self._is_within_line = False

    def narrate(self, now: ScreenText) -> str:
        """What to write for a screen."""
        was, self._last = self._last, now
        lines: list[str] = []
        if now.identity != was.identity:
            lines += [f"{now.part}:", *now.intro, now.row]
        elif now.row != was.row:
            lines.append(now.row)
        if now.identity == was.identity:
            lines += [line for line in now.intro if line not in was.intro]
        lines += [line for line in now.marked if now.identity != was.identity or line not in was.marked]
        if now.message != was.message:
            lines.append(now.message)
        lines = list(dict.fromkeys(line for line in lines if line))
        if now.typed is not None and was.typed is not None and now.identity == was.identity and not lines:
            return self._echo(was, now)
        if now.typed is None and was.typed is not None and not lines:
            return self.end_line()
        text = self._write(lines)
        if now.typed is not None and (lines or was.typed is None):
            text += f"> {self._begin(now.typed)}"
        return text

    def narrate_all(self, now: ScreenText, parts: Iterable[tuple[str, Iterable[str]]]) -> str:
        """What to write to say all of a screen: each part's name, and its rows."""
        self._last = now
        lines = [f"{now.part}:"]
        for name, rows in parts:
            if spoken := [row for row in rows if row]:
                lines += [f"{name}:", *spoken]
        text = self._write(lines)
        return text if now.typed is None else f"{text}> {self._begin(now.typed)}"

    def end_line(self) -> str:
        """What ends the line that somebody types into."""
        ended, self._is_within_line = self._is_within_line, False
        return "\n" if ended else ""

    def _write(self, lines: list[str]) -> str:
        return self.end_line() + "".join(f"{line}\n" for line in lines) if lines else ""

    def _begin(self, typed: str) -> str:
        self._is_within_line = True
        return _harmless(typed)

    def _echo(self, was: ScreenText, now: ScreenText) -> str:
        """What a key made of the line that is typed into, as a shell echoes it.

        All of it anew if that is shorter.
        """
        before, after = _harmless(was.typed or ""), _harmless(now.typed or "")
        if before == after:
            return "\b" * (was.at - now.at) if now.at < was.at else after[was.at : now.at]
        if after.startswith(before) and was.at == len(before):
            return after[len(before) :]
        if before.startswith(after) and was.at == len(before) < len(after) + MAX_RUBBED_OUT:
            return "\b \b" * (len(before) - len(after))
        return f"{self.end_line()}> {self._begin(after)}"


def _harmless(text: str) -> str:
    return "".join(char if unicodedata.category(char)[0] != "C" else " " for char in text)
