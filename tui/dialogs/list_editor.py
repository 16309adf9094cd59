"""Edit a list of values: add, change and remove one at a time.

A list with commas can be pasted.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from core.errors import FieldlineError
from core.schema import Property
from core.value_codec import Redacted, Scalar, Value
from tui import commands
from tui.commands import Command
from tui.dialogs.base import Dialog
from tui.glyphs import GLYPHS
from tui.i18n.translate import _, language
from tui.layout import Line, wrap_text
from tui.view_models.form import NO_NAMES, format_value, property_help, refusal_text
from tui.widgets.field import Field
from tui.widgets.lines import LineList, Lines, StaticRows

_MAX_LIST_LINES = 12
"""Lines of the list, so that the box fits on the smallest terminal."""


class ListEditor(Dialog[tuple[Value]]):
    """Gives the list in a tuple of one (cleared if nothing is left in it).

    None is no answer.

    The line that is typed into shows the item under the cursor; the last line is for another one.
    """

    SCOPES = ("dialog", "several")  # type: ignore[assignment]  # a longer tuple than the dialog's
    # The field would take some of these keys for itself.
    BINDINGS = [
        Binding(",".join(command.keys), f"command('{command.name}')", show=False, priority=True)
        for command in commands.commands_of("several")
    ]

    def __init__(self, prop: Property, value: Value) -> None:
        super().__init__(prop.label(language()))
        self._prop = prop
        given = value if isinstance(value, tuple) else (value,)
        self._items: list[Scalar] = [item for item in given if item is not None and not isinstance(item, Redacted)]
        self._index = len(self._items)

    def body(self) -> ComposeResult:
        lines = wrap_text(property_help(self._prop), 68)
        if lines:
            block = Lines(lambda width, height: [[(line, "dim")] for line in lines])
            block.styles.height = len(lines)
            yield block
        yield Field("", between=", ")
        yield Lines(lambda width, height: [], classes="gap")
        yield LineList(StaticRows(self._item_rows()), id="items", always=True)

    def on_mount(self) -> None:
        self._show_item(self._index)

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _item_rows(self) -> list[tuple[int, Line]]:
        rows: list[tuple[int, Line]] = []
        for index, item in enumerate(self._items):
            wrong = self._prop.check((item,)) is not None
            glyph, role = (GLYPHS["invalid"], "attention") if wrong else (" ", "plain")
            rows.append((index, [(f"{glyph} ", role), (format_value(self._prop, item, NO_NAMES), role)]))
        return [*rows, (len(rows), [("+ ", "dim"), (_("another one"), "dim")])]

    def _item_text(self, index: int) -> str:
        """What stands in the field for an item; in quotes if it holds a comma itself."""
        return self._prop.edit_text((self._items[index],), language()) if index < len(self._items) else ""

    def _show_item(self, index: int) -> None:
        self._index = index
        lines, field = self.query_one(LineList), self.query_one(Input)
        lines.styles.height = min(len(self._items) + 1, _MAX_LIST_LINES)
        lines.show_rows(StaticRows(self._item_rows()), cursor=index)
        field.value = self._item_text(index)
        field.cursor_position = len(field.value)
        field.focus()
        self._update_hint()

    def _update_hint(self) -> None:
        self.query_one("#dialog-keys", Lines).redraw()

    @property
    def _typed_item(self) -> str | None:
        """What was typed over the current item; None if it is as it was."""
        text = self.query_one(Input).value.strip() if self.is_mounted else ""
        return None if text == self._item_text(self._index) else text

    def available_commands(self) -> list[Command]:
        new, typed = self._index == len(self._items), self._typed_item
        if typed is None:
            word = _("done") if new else _("next")
        else:
            word = _("remove") if not typed else _("add") if new else _("change")
        is_done = new and typed is None
        return [
            Command(c.name, c.keys, word, c.help) if c.name == "accept" else c
            for c in super().available_commands()
            # Nothing stands twice: what ends the list here is what the line does.
            if not (c.name == "done" and is_done)
        ]

    def disabled_reason(self, name: str) -> str | None:
        if name == "remove" and self._index == len(self._items):
            return _("There is nothing on this line.")
        return None

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show while somebody types what would be refused."""
        refusal = ""
        try:
            if self._typed_item:
                self._prop.parse(event.value)
        except FieldlineError as error:
            refusal = refusal_text(error, self._prop)
        self.show_message(refusal)
        self._update_hint()

    # --- editing -----------------------------------------------------------------------------------------------------

    def _keep_item(self) -> bool:
        """Take over what was typed; return whether that is possible."""
        typed = self._typed_item
        if typed is None:
            return True
        try:
            value = self._prop.parse(typed) if typed else ()
        except FieldlineError as error:
            self.show_message(refusal_text(error, self._prop))
            return False
        self._items[self._index : self._index + 1] = value if isinstance(value, tuple) else ()
        return True

    def accept(self) -> None:
        new = self._index == len(self._items)
        if new and self._typed_item is None:
            self.do_done()
        elif self._typed_item is None:
            self._show_item(self._index + 1)
        elif self._keep_item():
            self._show_item(len(self._items))

    def action_move(self, command: str) -> None:
        if self._keep_item():
            self._show_item(self._index)
            super().action_move(command)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        if (at := event.lines.cursor) != self._index:
            if self._typed_item is not None and not self._keep_item():
                at = self._index
            self._show_item(at)

    def do_remove(self) -> None:
        """Take the current item out of the list."""
        del self._items[self._index]
        self.show_message("")
        self._show_item(min(self._index, len(self._items)))

    def do_done(self) -> None:
        """Give the list, if the schema takes it."""
        if not self._keep_item():
            return
        value = tuple(self._items) or None
        if refusal := self._prop.check(value):
            self._show_item(min(len(self._items), self._index))
            self.show_message(refusal_text(refusal, self._prop))
        else:
            self.dismiss((value,))
