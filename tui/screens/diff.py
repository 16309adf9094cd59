"""What differs between two moments, or all that one change did: entity by entity, old and new of each property."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from textual.app import ComposeResult

from core.device.display_names import is_hidden
from core.store.queries.log import LogEntry, without_author
from core.value_codec import Value
from tui.command_host import command_bindings
from tui.dialogs.base import PromptDialog
from tui.dialogs.text_viewer import TextViewer, wrap_value
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line, fit, fit_pair
from tui.screens.list_screen import ListScreen
from tui.view_models.form import STATE_GLYPHS, DisplayNames, format_value, value_references
from tui.view_models.log import entity_label
from tui.widgets.lines import LineList, Lines

ValueDifference = tuple[bytes, str, Value, Value]
_LABEL_COLUMNS = 24


class DiffRows:
    """The rows: entities as headings, and their properties; names are read when they come into sight."""

    def __init__(self, page: DiffScreen, found: Sequence[ValueDifference]) -> None:
        self._screen = page
        self._rows: list[bytes | ValueDifference] = []
        for each in found:
            if not self._rows or each[0] != self._entity_at(-1):
                self._rows.append(each[0])
            self._rows.append(each)

    def difference_at(self, index: int) -> ValueDifference | None:
        """The difference on a line, None for a heading."""
        row = self._rows[index] if 0 <= index < len(self._rows) else None
        return None if isinstance(row, bytes) else row

    def _entity_at(self, index: int) -> bytes:
        row = self._rows[index]
        return row if isinstance(row, bytes) else row[0]

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> tuple[bytes, str]:
        row = self._rows[index]
        return (row, "") if isinstance(row, bytes) else (row[0], row[1])

    def is_skipped(self, index: int) -> bool:
        return isinstance(self._rows[index], bytes)

    def line(self, index: int, width: int) -> Line:
        row = self._rows[index]
        return self._screen.entity_heading(row) if isinstance(row, bytes) else self._screen.difference_line(row, width)

    def needs_load(self, first: int, last: int) -> bool:
        return any(self._entity_at(index) not in self._screen.kinds for index in range(first, last + 1))

    async def load(self, first: int, last: int) -> None:
        await self._screen.load_names([self._rows[index] for index in range(first, last + 1)])


class DiffScreen(ListScreen):
    """Old and new values, as they were said at a moment (microseconds since 1970 UTC; None is now)."""

    TAB = "history"
    SCOPES = ("differences", "listing")
    BINDINGS = command_bindings("differences")
    AUTO_FOCUS = "LineList"

    def __init__(self, timestamp_us: int | None) -> None:
        super().__init__()
        self._timestamp_us = timestamp_us
        self._all_differences: list[ValueDifference] = []
        self._shown_count: int | None = None
        self._filter_text = ""
        self.kinds: dict[bytes, str | None] = {}
        self._entity_names: dict[bytes, str] = {}

    def compared_text(self) -> str:
        """What is compared."""
        raise NotImplementedError

    async def read_differences(self) -> Sequence[ValueDifference]:
        """The differences, those of one entity behind each other."""
        raise NotImplementedError

    def body(self) -> ComposeResult:
        yield Lines(self._empty_lines, id="nothing")
        yield LineList(id="list")

    def _empty_lines(self, width: int, height: int) -> list[Line]:
        text = _("Nothing is different: Esc goes back.") if self._shown_count == 0 else ""
        if text and self._filter_text:
            text = _("Nothing that differs mentions this: Esc shows all.")
        return [[("   " + text, "plain")]]

    async def reload_content(self) -> None:
        if self._shown_count is not None:
            return  # the past stays as it is
        every = await self.read_differences()
        # Many differences take a while, and meanwhile somebody may press keys.
        found = await asyncio.to_thread(lambda: [each for each in every if not is_hidden(each[0], each[1])])
        await self._show_rows(found, found)

    async def _show_rows(self, found: list[ValueDifference], some: list[ValueDifference]) -> None:
        """Show some of the differences, with the cursor on the one that it was on."""
        source, cursor = await asyncio.to_thread(self._make_rows, some, self.lines.key)
        first = max(0, cursor - self.size.height)
        await source.load(first, min(len(source), cursor + self.size.height) - 1)
        # All at once: this may be cancelled and begun anew at every await before.
        self._all_differences, self._shown_count = found, len(some)
        self.query_one("#nothing").display = not some
        self.lines.display = bool(some)
        self.lines.show_rows(source, cursor=cursor)

    def _make_rows(self, some: list[ValueDifference], key: object) -> tuple[DiffRows, int]:
        source = DiffRows(self, some)
        places = range(len(source)) if key is not None else ()
        return source, next((index for index in places if source.key(index) == key), 0)

    async def _apply_filter(self, text: str) -> None:
        """Show only what mentions the words, all without any."""
        found, words = self._all_differences, text.casefold().split()
        some = found
        if words:
            entities = {each[0] for each in found} | {
                e for each in found for v in each[2:] for e in value_references(v)
            }
            called = {e: path.strip() for e, path in (await self.state.breadcrumbs_of(entities)).items()}
            kinds = {e: name.kind for e, name in (await self.state.view.names(entities, self.state.schema)).items()}
            some = await asyncio.to_thread(self._matching, found, words, called, kinds)
        self._filter_text = text
        await self._show_rows(found, some)
        self.redraw()

    def _matching(
        self,
        found: Sequence[ValueDifference],
        words: Sequence[str],
        called: Mapping[bytes, str],
        kinds: Mapping[bytes, str | None],
    ) -> list[ValueDifference]:
        names = DisplayNames({**called}, self.state.names.devices)
        some = []
        for each in found:
            prop = self.state.schema.property(kinds.get(each[0]), each[1])
            values = [format_value(prop, value, names) for value in each[2:] if value is not None]
            told = " ".join([called.get(each[0], ""), prop.label(language()), each[1], *values]).casefold()
            if all(word in told for word in words):
                some.append(each)
        return some

    async def load_names(self, rows: Sequence[bytes | ValueDifference]) -> None:
        """Learn what the entities of these rows are called, and those that the values refer to."""
        entities = {row if isinstance(row, bytes) else row[0] for row in rows}
        refs = {e for row in rows if not isinstance(row, bytes) for value in row[2:] for e in value_references(value)}
        view, schema = self.state.workspace.view(self._timestamp_us), self.state.schema
        names = await view.names((entities | refs) - self.kinds.keys(), schema)
        known = {entity: name.title for entity, name in names.items()}
        for entity in entities & names.keys():
            if schema.kind(names[entity].kind).is_known:
                known[entity] = await self.state.breadcrumb_of(entity)
            else:
                known[entity] = entity_label(entity, names[entity], schema, self.state.names)
        # All at once, as above.
        self._entity_names |= known
        self.kinds |= {entity: name.kind for entity, name in names.items()}

    def breadcrumb(self) -> str:
        return _("History")

    def heading(self) -> tuple[Line, Line]:
        title: Line = [(self.compared_text(), "plain")]
        if self._shown_count is None:
            return title, [(_("comparing …"), "plain")]
        count = ngettext("{count} difference", "{count} differences", self._shown_count)
        if not self._filter_text:
            return title, [(count, "plain")]
        return title, [(_("filter: {filter}").format(filter=self._filter_text), "strong"), (f" · {count}", "plain")]

    def entity_heading(self, entity: bytes) -> Line:
        """The line over an entity's properties."""
        return [(self._entity_names.get(entity, entity.hex()[:8]), "strong")]

    def difference_line(self, each: ValueDifference, width: int) -> Line:
        """Old and new of a property."""
        entity, name, old, new = each
        prop = self.state.schema.property(self.kinds.get(entity), name)
        names = DisplayNames(self._entity_names, self.state.names.devices)
        before = format_value(prop, old, names) if old is not None else STATE_GLYPHS["absent"]
        before, after = fit_pair(before, format_value(prop, new, names), width - _LABEL_COLUMNS - 7)
        label = "  " + fit(prop.label(language()), _LABEL_COLUMNS) + "  "
        return [(label, "plain"), (before, "dim"), (" → ", "plain"), (after, "plain")]

    # --- commands ----------------------------------------------------------------------------------------------------

    def redraw_details(self) -> None:
        self.query_one("#keys", Lines).redraw()

    def screen_disabled_reason(self, name: str) -> str | None:
        if name == "find":
            return None if self._all_differences else _("There is nothing to look through.")
        return _("There is nothing on this line.") if name != "back" and not self._shown_count else None

    def clipboard_text(self) -> str:
        """The new value."""
        source = self.lines.source
        row = source.difference_at(self.lines.cursor) if isinstance(source, DiffRows) else None
        if row is None:
            return ""
        prop = self.state.schema.property(self.kinds.get(row[0]), row[1])
        return (
            row[3]
            if isinstance(row[3], str)
            else format_value(prop, row[3], DisplayNames(self._entity_names, self.state.names.devices))
        )

    def do_find(self) -> None:
        """Ask for words, and show only what mentions them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self.run_task(partial(self._apply_filter, " ".join(text.split())), group="sift")

        help_text = _("Words in a property, a value, or the name of something or of what it is below.")
        self.open_dialog(PromptDialog(_("Show only"), self._filter_text, help_text, accept_label=_("show")), chosen)

    def do_whole(self) -> None:
        """Both values in full."""
        source = self.lines.source
        row = source.difference_at(self.lines.cursor) if isinstance(source, DiffRows) else None
        if row is None:
            return
        entity, name, old, new = row
        prop = self.state.schema.property(self.kinds.get(entity), name)
        names = DisplayNames(self._entity_names, self.state.names.devices)

        def draw(width: int) -> list[Line]:
            before: list[Line] = (
                [[(line, "dim")] for line in wrap_value(prop, old, names, width)] if old is not None else []
            )
            after: list[Line] = [[(line, "plain")] for line in wrap_value(prop, new, names, width)]
            return [
                [(_("before"), "strong")],
                *(before or [[(_("not configured"), "dim")]]),
                [],
                [(_("after"), "strong")],
                *after,
            ]

        self.open_dialog(TextViewer(f"{self._entity_names.get(entity, '')} › {prop.label(language())}", draw))

    def do_back(self) -> None:
        """Show all differences again; then back to the log."""
        if self._filter_text:
            self.run_task(partial(self._apply_filter, ""), group="sift")
        else:
            self.go_back()

    async def do_history_of(self) -> None:
        """The changes of this property."""
        key = self.lines.key
        if isinstance(key, tuple):
            entity, name = key
            prop = self.state.schema.property(self.kinds.get(entity), name)
            of = f"{await self.state.breadcrumb_of(entity)} › {prop.label(language())}"
            self.go_back()
            self.state.show_history(entity, name, of)


class TimeDiffScreen(DiffScreen):
    """Two moments compared, the earlier first; None is now."""

    def __init__(self, start_us: int, end_us: int | None) -> None:
        super().__init__(end_us)
        self._start_us = start_us

    def compared_text(self) -> str:
        when = self.state.dates
        other = _("now") if self._timestamp_us is None else when.full(self._timestamp_us)
        return _("From {one} to {other}").format(one=when.full(self._start_us), other=other)

    async def read_differences(self) -> Sequence[ValueDifference]:
        workspace = self.state.workspace
        return await workspace.view(self._start_us).differences(workspace.view(self._timestamp_us))


class ChangeDiffScreen(DiffScreen):
    """All that one change did to what its author saw."""

    def __init__(self, entry: LogEntry) -> None:
        super().__init__(entry.moment_us)
        self._entry = entry

    def compared_text(self) -> str:
        entry, desk = self._entry, self.state
        device = desk.names.device(entry.device)
        return _("{when} · {user} on {device}").format(
            when=desk.dates.full(entry.at_us), user=entry.user, device=device
        )

    async def read_differences(self) -> Sequence[ValueDifference]:
        edits = without_author(self._entry, await self.state.view.fact_diffs(self._entry.change))
        order = {entity: place for place, entity in enumerate(dict.fromkeys(edit.entity for edit in edits))}
        known = await self.state.view.names(order, self.state.schema)
        edits.sort(key=lambda e: (order[e.entity], self.state.schema.kind(known[e.entity].kind).rank(e.property)))
        return [(edit.entity, edit.property, edit.old, edit.new) for edit in edits]
