"""Say what the screens show, for those who have it read out (`--plain`).

The screens, their keys and their cursor are the same; only what is drawn becomes statements, once a key is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from textual.app import App
from textual.driver import Driver
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from tui.glyphs import GLYPHS
from tui.i18n.translate import N_, _
from tui.layout import Line
from tui.terminal.key_sequencer import COMMAND_GROUP, REFRESH_GROUP
from tui.terminal.statements import Narrator, ScreenText, statement
from tui.widgets.lines import LineList, Lines

AnyApp = TypeVar("AnyApp", bound=App[Any])

REST_S = 0.05
"""Seconds for which nothing is drawn before something is said: half a screen is no statement."""
MAX_RESTS = 40
"""So often is waited for what a key still reads."""
_ROW_COLUMNS = 160
"""Columns in which a row is laid out: more than it needs, so that nothing of it is cut off."""
_PARTS = {
    "first": N_("Status"),
    "list": N_("List"),
    "found": N_("List"),
    "items": N_("List"),
    "details": N_("Details"),
    "news": N_("New here"),
    "message": N_("Message"),
    "keys": N_("Keys"),
    "dialog-keys": N_("Keys"),
}
"""Parts of a screen that are named when all of it is said; what stands between them belongs to the one before."""


class ScreenReader:
    """Says what an application shows, once it is at rest."""

    def __init__(self, app: App[Any], write: Callable[[str], None]) -> None:
        self._app = app
        self._write = write
        self._narrator = Narrator()
        self._timer: Timer | None = None
        self._rests = 0

    def note_drawn(self) -> None:
        """Something is drawn: say soon what it is."""
        self._rests = 0
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._app.set_timer(REST_S, self._speak_when_at_rest)

    def _speak_when_at_rest(self) -> None:
        groups = (COMMAND_GROUP, REFRESH_GROUP)
        is_busy = any(each.group in groups and not each.is_finished for each in self._app.workers)
        if is_busy and self._rests < MAX_RESTS:
            self._rests += 1
            self._timer = self._app.set_timer(REST_S, self._speak_when_at_rest)
            return
        self._timer = None
        self.speak()

    def speak(self) -> None:
        """Say what is new."""
        now = read_screen(self._app.screen) if self._app.screen_stack else ScreenText()
        # What has no name stands between two dialogs only.
        if now.part and (lines := self._narrator.narrate(now)):
            self._write(lines)

    def speak_all(self) -> None:
        """Say all that is shown, part by part."""
        screen = self._app.screen
        self._write(self._narrator.narrate_all(read_screen(screen), _parts(screen)))


def speaking_app(app: type[AnyApp]) -> type[AnyApp]:
    """An application of a class that draws nothing, but says what it shows."""

    class Speaking(app):  # type: ignore[misc, valid-type]
        __module__ = app.__module__  # beside which Textual looks for the styles

        driver_class: type[Driver]

        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            self.driver_class = _silent(self.driver_class)
            self._reader = ScreenReader(self, self._write)

        def do_redraw(self) -> None:
            """Say all that the screen shows."""
            self._reader.speak_all()

        def _display(self, screen: Screen[Any], renderable: Any) -> None:
            super()._display(screen, None)
            if renderable is not None and not self._batch_count:
                if isinstance(painted := getattr(self, "painted", None), asyncio.Event):
                    painted.set()
                self._reader.note_drawn()

        def _write(self, text: str) -> None:
            if self._driver is not None and hasattr(self._driver, "speak"):
                self._driver.speak(text)

    return Speaking


def _silent(driver: type[Driver]) -> type[Driver]:
    """A driver by which nothing that Textual writes goes to the terminal."""

    class Silent(driver):  # type: ignore[misc, valid-type]
        def write(self, data: str) -> None:
            pass

        def speak(self, text: str) -> None:
            """Write a text as it is."""
            super().write(text)
            self.flush()

    return Silent


def read_screen(screen: Screen[Any]) -> ScreenText:
    """What is to be known of a screen as it is now."""
    shown = [each for each in screen.query(Lines) if each.region.height and each.region.width]
    titles = [each for each in shown if each.has_class("to-read")]
    lists = [each for each in screen.query(LineList) if each.region.height]
    focused = next((each for each in lists if each.has_focus), lists[0] if lists else None)
    field = screen.focused if isinstance(screen.focused, Input) else None
    part, intro = _name_and_intro(screen, titles, shown)
    identity = (id(screen), part, getattr(screen.app, "viewed_at_us", None))
    if focused is not None and len(focused.source) > 1:
        part += f", {len(focused.source)}"
    return ScreenText(
        identity=identity,
        part=part,
        intro=intro,
        row=_current_row(focused, shown),
        marked=tuple(_marked_rows(shown)),
        typed=None if field is None else ("*" * len(field.value) if field.password else field.value),
        at=0 if field is None else field.cursor_position,
        message=" ".join(_rows_of(shown, ("message", "said"))),
    )


def _name_and_intro(screen: Screen[Any], titles: list[Lines], shown: list[Lines]) -> tuple[str, tuple[str, ...]]:
    """What a screen is called, and what is to be read in it before its rows."""
    if (heading := getattr(screen, "heading", None)) is not None and isinstance(heading, str):
        frame = ("title", "said", "dialog-keys", "help-more", "gap")
        between = [each for each in shown if each.id not in frame]
        return statement(heading), tuple(row for each in between for row in _texts(each) if row)
    tab = getattr(screen, "TAB", "")
    name = _part_names().get(tab, "")
    banner = "".join(_rows_of(shown, ("places",))) if getattr(screen.app, "viewed_at_us", None) is not None else ""
    breadcrumb = screen.breadcrumb() if hasattr(screen, "breadcrumb") else ""
    intro = (banner, *(row for each in titles if each.id != "too-small" for row in _texts(each)))
    return statement(breadcrumb) or name, tuple(row for row in intro if row)


def _current_row(focused: LineList | None, shown: list[Lines]) -> str:
    """The row with the cursor.

    Where there is no list, as on the map, what the details are of.
    """
    if focused is None:
        return next(iter(_rows_of(shown, ("details-title", "details"))), "")
    return _row(focused, focused.cursor) if len(focused.source) else ""


def _part_names() -> dict[str, str]:
    return {
        "here": _("Here"),
        "fleet": _("Fleet"),
        "inbox": _("Inbox"),
        "history": _("History"),
        "sync": _("Sync"),
        "members": _("Devices"),
    }


def _row(lines: LineList, index: int) -> str:
    return _text(lines.source.line(index, _ROW_COLUMNS))


def _texts(lines: Lines) -> list[str]:
    """The rows of a block as statements."""
    return [_text(line) for line in lines.drawn_lines()]


def _text(line: Line) -> str:
    return statement("".join(text for text, _role in line))


def _rows_of(shown: list[Lines], names: tuple[str, ...]) -> list[str]:
    return [row for each in shown if each.id in names for row in _texts(each) if row]


def _marked_rows(shown: list[Lines]) -> Iterator[str]:
    """Rows of details that a person should know of.

    A candidate that is chosen, or why a value is refused.
    """
    for each in shown:
        for line in each.drawn_lines() if each.id == "details" else ():
            spans = [(text, role) for text, role in line if text.strip()]
            is_chosen = bool(spans) and spans[0][0].lstrip().startswith(GLYPHS["cursor"])
            if is_chosen or (spans and all(role == "attention" for _shown, role in spans)):
                yield _text(line)


def _parts(screen: Screen[Any]) -> Iterator[tuple[str, list[str]]]:
    """The parts of a screen from the top to the bottom: their names and their rows."""
    name = ""
    rows: list[str] = []
    for widget in _blocks(screen):
        if widget.id in _PARTS:
            if name:
                yield name, rows
            name, rows = _(_PARTS[widget.id]), []
        rows = [*rows, *(_list_rows(widget) if isinstance(widget, LineList) else _texts(widget))]
        name = name or _("Status")
    if name:
        yield name, rows


def _blocks(screen: Screen[Any]) -> list[Any]:
    found: list[Widget] = [
        each
        for each in screen.query("*")
        if isinstance(each, Lines | LineList) and each.region.height and each.region.width
    ]
    return sorted(found, key=lambda each: (each.region.y, each.region.x))


def _list_rows(lines: LineList) -> list[str]:
    """The rows of a list that are in sight, the current one with a mark."""
    top = round(lines.scroll_y)
    seen = range(top, min(top + lines.size.height, len(lines.source)))
    return [("> " if index == lines.cursor else "") + _row(lines, index) for index in seen]
