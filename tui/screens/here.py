"""Here: the place where this device is, chosen by hand and remembered on this device."""

from __future__ import annotations

from textual.app import ComposeResult

from core.records import Record
from tui.forms import NOBODY, Names, form_line, label_width, references, rows_of
from tui.i18n import _, language
from tui.lines import Line, wrapped
from tui.screens.form import Form
from tui.screens.page import Page, bindings
from tui.widgets.text import Lines


class Here(Page):
    """What is configured at this place."""

    PLACE = "here"
    SCOPES = ("here",)
    BINDINGS = bindings("here")

    def __init__(self) -> None:
        super().__init__()
        self._record: Record | None = None
        self._names: Names = NOBODY
        self._path = ""

    def body(self) -> ComposeResult:
        yield Lines(self._lines, id="whole")

    def where(self) -> str:
        return self._path or _("Here")

    def heading(self) -> tuple[Line, Line]:
        kind = self.desk.schema.kind(self._record.kind) if self._record else None
        return [(kind.label(language()), "plain")] if kind else [], []

    async def update(self) -> None:
        self._record, self._path = None, ""
        if (entity := self.desk.here) is not None:
            view, schema = self.desk.view, self.desk.schema
            record = await view.record(entity, schema)
            called = await view.names(references(record), schema)
            self._names = Names({e: name.title for e, name in called.items()}, self.desk.names.devices)
            self._path = await self.desk.path(entity)
            self._record = record

    def _lines(self, width: int, height: int) -> list[Line]:
        indent = ("  ", "plain")
        if self._record is None:
            text = _(
                "Which place this device is at has not been chosen. Go to Fleet (2), put the cursor on the place and "
                "press c: it then stands here, and is remembered on this device only. Finding the place by subnet and "
                "docking station comes later."
            )
            return [[], *([indent, (line, "plain")] for line in wrapped(text, min(width - 6, 90)))]
        rows = rows_of(self._record, self.desk.schema, self.desk.drafts.get(self._record.entity))
        label = label_width(rows, 80)
        lines = [[indent, *form_line(row, width - 2, label, self._names, self.desk.when)] for row in rows]
        if len(lines) > height:
            lines = [*lines[: height - 1], [indent, (_("… Enter shows all of it"), "dim")]]
        return lines

    # --- commands ----------------------------------------------------------------------------------------------------

    def cannot(self, name: str) -> str | None:
        if self._record is None and name != "choose":
            return _("No place is chosen yet: c goes to Fleet to choose one.")
        return None

    def do_open(self) -> None:
        """Open the form."""
        if self._record:
            self.app.push_screen(Form(self._record.entity))

    def do_choose(self) -> None:
        """Go to Fleet to choose."""
        self.app.switch_mode("fleet")

    def do_history_of(self) -> None:
        """The changes of this place."""
        if self._record:
            self.desk.show_history(self._record.entity, None, self._path)
