"""Dialogs: a question over a screen, answered or left with Esc.

The last line shows the keys of the dialog.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Generic

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from core.errors import FieldlineError
from tui import commands
from tui.command_host import Answer, CommandHost, FooterLine, command_bindings
from tui.commands import Command
from tui.i18n.translate import _, error_text
from tui.layout import Line, wrap_text
from tui.widgets.field import Field
from tui.widgets.lines import LineList, Lines, StaticRows

BOX_COLUMNS, _TITLE_COLUMNS = 68, 70
"""Columns of what stands in a box, and of its title, on the smallest terminal and on any other."""
MOVE_COMMANDS = ("up", "down", "page_up", "page_down")
"""What moves in the list of a dialog while something is typed above it."""


class Dialog(CommandHost, ModalScreen[Answer | None], Generic[Answer]):
    """A box over the screen; `accept` gives the answer, Esc gives None."""

    SCOPES = ("dialog",)
    BINDINGS = [
        *command_bindings("dialog"),
        *(
            Binding(commands.find_command(("list",), name).keys[0], f"move('{name}')", show=False)
            for name in MOVE_COMMANDS
        ),
        *(
            Binding(",".join(command.keys), f"app.command('{command.name}')", show=False)
            for command in (commands.find_command(("everywhere",), name) for name in commands.ALWAYS_AVAILABLE)
            if command.keys
        ),
    ]

    def __init__(self, title: str, accept_label: str = "") -> None:
        """`accept_label` says what Enter does, if it is not the label of the registry."""
        super().__init__()
        self.heading = title
        self._accept_label = accept_label
        self._message = ""

    def body(self) -> ComposeResult:
        """What is in the box, below its title."""
        yield from ()

    def accept(self) -> None:
        """Enter was pressed."""
        self.dismiss(None)

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Answer; a second Enter with the first must not close the screen below."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            titles = wrap_text(self.heading, _TITLE_COLUMNS)
            title = Lines(lambda width, _height: [[(line, "strong")] for line in titles], id="title", classes="to-read")
            title.styles.height = max(1, len(titles))
            yield title
            yield from self.body()
            yield Lines(
                lambda width, height: [[(t, "attention")] for t in wrap_text(self._message, width)][:height], id="said"
            )
        yield FooterLine(self, id="dialog-keys")

    def on_click(self) -> None:
        """Who clicks into a list goes on typing where there is something to type."""
        for field in self.query(Input):
            field.focus()

    def show_message(self, text: str, attention: bool = False) -> None:
        if text != self._message:
            self._message = text
            block = self.query_one("#said", Lines)
            block.styles.height = max(1, len(wrap_text(text, max(1, block.size.width))))
            block.redraw()

    def available_commands(self) -> list[Command]:
        word = self._accept_label
        return [
            Command(c.name, c.keys, word, c.help, c.writes) if c.name == "accept" and word else c
            for c in super().available_commands()
        ]

    def action_command(self, name: str) -> None:
        if self.is_mounted:
            super().action_command(name)
        else:  # typed ahead, before there was anything to answer
            self.call_later(self.action_command, name)

    def do_accept(self) -> None:
        """Answer."""
        self.accept()

    def do_cancel(self) -> None:
        """Give no answer."""
        self.dismiss(None)

    def action_move(self, command: str) -> None:
        """Move in the dialog's list, if it has one, whatever has the focus."""
        for lines in self.query(LineList):
            lines.action_move(command)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_command("accept")


class ConfirmDialog(Dialog[bool]):
    """A question that Enter answers with yes."""

    def __init__(self, title: str, text: str, accept_label: str) -> None:
        super().__init__(title)
        self._text = text
        self._accept_label = accept_label

    def body(self) -> ComposeResult:
        lines = wrap_text(self._text, 68)
        block = Lines(lambda width, height: [[(line, "plain")] for line in lines])
        block.styles.height = len(lines)
        yield block

    def available_commands(self) -> list[Command]:
        return [
            Command(c.name, c.keys, self._accept_label, c.help) if c.name == "accept" else c
            for c in super().available_commands()
        ]

    def accept(self) -> None:
        self.dismiss(True)


class ConfirmRowsDialog(Dialog[bool]):
    """What is about to be done, line by line; Enter answers with yes."""

    def __init__(self, title: str, rows: Iterable[Line], accept_label: str) -> None:
        super().__init__(title, accept_label)
        self._rows = list(enumerate(rows))

    def body(self) -> ComposeResult:
        lines = LineList(StaticRows(self._rows))
        lines.styles.height = min(len(self._rows), 14)
        yield lines

    def accept(self) -> None:
        self.dismiss(True)


class PromptDialog(Dialog[str]):
    """One line of text.

    `check` may refuse it by a FieldlineError, which is shown so that the text can be corrected; with
    `check_while_typing` at once.
    """

    def __init__(
        self,
        title: str,
        text: str = "",
        help: str = "",
        check: Callable[[str], Awaitable[None]] | None = None,
        accept_label: str = "",
        check_while_typing: bool = False,
    ) -> None:
        super().__init__(title, accept_label or _("go on"))
        self._check_while_typing = check_while_typing
        self._text = text
        self._help = wrap_text(help, 68)
        self._check = check

    def body(self) -> ComposeResult:
        if self._help:
            block = Lines(lambda width, height: [[(line, "dim")] for line in self._help])
            block.styles.height = len(self._help)
            yield block
        yield Field(self._text)

    def accept(self) -> None:
        self.run_task(partial(self._accept_text, self.query_one(Input).value), group="check")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say at once what would be refused."""
        if self._check_while_typing and event.value != self._text:
            self.run_task(partial(self._is_allowed, event.value), group="check")
        else:
            self.show_message("")

    async def _accept_text(self, text: str) -> None:
        if await self._is_allowed(text):
            self.dismiss(text)

    async def _is_allowed(self, text: str) -> bool:
        try:
            if self._check is not None:
                await self._check(text)
        except FieldlineError as error:
            self.show_message(error_text(error))
            return False
        self.show_message("")
        return True


class ChoiceDialog(Dialog[object]):
    """One of several rows."""

    def __init__(self, title: str, rows: Sequence[tuple[Hashable, Line]], selected: Hashable = None) -> None:
        super().__init__(title)
        self._rows = rows
        self._selected_index = next(
            (index for index, (key, _line) in enumerate(rows) if key == selected and selected is not None), 0
        )

    def body(self) -> ComposeResult:
        lines = LineList(StaticRows(self._rows))
        lines.move_to(self._selected_index)
        lines.styles.height = min(len(self._rows), 14)
        yield lines

    def accept(self) -> None:
        self.dismiss(self.query_one(LineList).key)


_CHROME_LINES = 8
"""Lines of a terminal that a question whether to save needs beside what it shows: border, gap, note, keys."""
_MIN_PREVIEW_LINES = 3
"""Lines of what would be saved that stay in sight."""


class SaveDialog(Dialog[str]):
    """What is about to be written, line by line, and an optional note.

    Enter gives the note.
    """

    def __init__(self, title: str, rows: Iterable[Line], warnings: Sequence[str] = ()) -> None:
        super().__init__(title, _("save"))
        self._rows = [(number, line) for number, line in enumerate(rows)]
        self._warnings = [wrap_text(warning, BOX_COLUMNS) for warning in warnings]

    def body(self) -> ComposeResult:
        room = self.app.size.height - _CHROME_LINES - len(wrap_text(self.heading, _TITLE_COLUMNS))
        warnings = self._fitting_warnings(room - _MIN_PREVIEW_LINES)
        lines = LineList(StaticRows(self._rows))
        lines.can_focus = False
        lines.styles.height = min(len(self._rows), 10, max(_MIN_PREVIEW_LINES, room - len(warnings)))
        yield lines
        if warnings:
            block = Lines(lambda width, height: [[(line, "attention")] for line in warnings])
            block.styles.height = len(warnings)
            yield block
        yield Lines(lambda width, height: [], classes="gap")
        yield Lines(lambda width, height: [[(_("Note, if you like:"), "dim")]])
        yield Field("")

    def _fitting_warnings(self, room: int) -> list[str]:
        """The lines of as many warnings as there is room for.

        The field of the note must stay on the screen.
        """
        fitting: list[str] = []
        for count in range(len(self._warnings), -1, -1):
            fitting = [line for warning in self._warnings[:count] for line in warning]
            if left := len(self._warnings) - count:
                fitting.append(_("… and {count} more").format(count=left))
            if len(fitting) <= room:
                break
        return fitting

    def accept(self) -> None:
        self.dismiss(self.query_one(Input).value.strip())
