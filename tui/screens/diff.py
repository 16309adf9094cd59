"""What differs between two times, or all that one change did.

Entity by entity, old and new of each property.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from textual.app import ComposeResult

from core.fleet_secrets import is_secret
from core.schema import in_schema_order
from core.store.queries.fact_diffs import without_author
from core.store.queries.log import LogEntry
from tui.command_host import command_bindings
from tui.dialogs.base import PromptDialog
from tui.dialogs.text_viewer import TextViewer, before_and_after
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line
from tui.screens.diff_list import DiffNames, DiffRows, ValueDifference, matching_differences
from tui.screens.list_screen import ListScreen
from tui.view_models.breadcrumbs import property_breadcrumb
from tui.view_models.form import DisplayNames, format_value, value_references
from tui.widgets.lines import LineList, Lines


class DiffScreen(ListScreen):
    """Old and new values, with the names of a time in microseconds UTC, None: now."""

    TAB = "history"
    SCOPES = ("differences", "listing")
    BINDINGS = command_bindings("differences")

    def __init__(self, timestamp_us: int | None) -> None:
        super().__init__()
        self._timestamp_us = timestamp_us
        self._all_differences: list[ValueDifference] = []
        self._shown_count: int | None = None
        self._filter_text = ""
        self._names = DiffNames(self.state, timestamp_us)

    @property
    def difference(self) -> ValueDifference | None:
        """What is under the cursor, None on a heading."""
        source = self.lines.source
        return source.difference_at(self.lines.cursor) if isinstance(source, DiffRows) else None

    def compared_text(self) -> str:
        """What is compared."""
        raise NotImplementedError

    async def read_differences(self) -> Sequence[ValueDifference]:
        """The differences, those of one entity behind each other."""
        raise NotImplementedError

    def content(self) -> ComposeResult:
        yield self.heading_block()
        yield from self.body()

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
        found = await asyncio.to_thread(lambda: [each for each in every if not is_secret(each[0], each[1])])
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
        source = DiffRows(some, self._names)
        indexes = range(len(source)) if key is not None else ()
        return source, next((index for index in indexes if source.key(index) == key), 0)

    async def _apply_filter(self, text: str) -> None:
        """Show only what mentions the words, all without any."""
        found, words = self._all_differences, text.casefold().split()
        some = found
        if words:
            entities = {each[0] for each in found} | {
                e for each in found for v in each[2:] for e in value_references(v)
            }
            names = DisplayNames(await self.state.breadcrumbs_of(entities), self.state.names.devices)
            kinds = {e: name.kind for e, name in (await self.state.view.names(entities, self.state.schema)).items()}
            some = await asyncio.to_thread(matching_differences, found, words, self.state.schema, names, kinds)
        self._filter_text = text
        await self._show_rows(found, some)
        self.redraw()

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

    # --- commands ----------------------------------------------------------------------------------------------------

    def redraw_details(self) -> None:
        self.query_one("#keys", Lines).redraw()

    def screen_disabled_reason(self, name: str) -> str | None:
        if name == "find":
            return None if self._all_differences else _("There is nothing to look through.")
        return _("There is nothing on this line.") if name != "back" and not self._shown_count else None

    def clipboard_text(self) -> str:
        """The new value."""
        if self.difference is None:
            return ""
        entity, name, _old, new = self.difference
        prop = self._names.property_of(entity, name)
        return new if isinstance(new, str) else format_value(prop, new, self._names.display_names())

    def do_find(self) -> None:
        """Ask for words, and show only what mentions them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self.run_task(partial(self._apply_filter, " ".join(text.split())), group="sift")

        help_text = _("Words in a property, a value, or the name of something or of what it is below.")
        self.open_dialog(PromptDialog(_("Show only"), self._filter_text, help_text, accept_label=_("show")), chosen)

    def do_whole(self) -> None:
        """Show both values in full."""
        if self.difference:
            entity, name, old, new = self.difference
            prop = self._names.property_of(entity, name)
            title = property_breadcrumb(self._names.title(entity), prop.label(language()))
            draw = partial(before_and_after, prop, old, new, self._names.display_names())
            self.open_dialog(TextViewer(title, draw))

    def do_back(self) -> None:
        """Show all differences again; then back to the log."""
        if self._filter_text:
            self.run_task(partial(self._apply_filter, ""), group="sift")
        else:
            self.go_back()

    async def do_history_of(self) -> None:
        """Show the changes of this property."""
        if self.difference:
            entity, name, _old, _new = self.difference
            label = self._names.property_of(entity, name).label(language())
            title = property_breadcrumb(await self.state.breadcrumb_of(entity), label)
            self.go_back()
            self.state.show_history(entity, name, title)


class TimeDiffScreen(DiffScreen):
    """Two times compared (microseconds since 1970 UTC), the earlier first.

    None is now.

    Of one entity, or one property of it, if they are given; `title` is what that is called.
    """

    def __init__(
        self, start_us: int, end_us: int | None, entity: bytes | None = None, name: str | None = None, title: str = ""
    ) -> None:
        super().__init__(end_us)
        self._start_us = start_us
        self._entity, self._property = entity, name
        self._title = title if entity is not None else ""

    def compared_text(self) -> str:
        dates = self.state.dates
        other = _("now") if self._timestamp_us is None else dates.full(self._timestamp_us)
        text = _("From {one} to {other}").format(one=dates.full(self._start_us), other=other)
        return f"{self._title}: {text}" if self._title else text

    async def read_differences(self) -> Sequence[ValueDifference]:
        workspace = self.state.workspace
        end = workspace.view(self._timestamp_us)
        found = await workspace.view(self._start_us).differences(end, self._entity)
        some = [each for each in found if self._property in (None, each[1])]
        schema = self.state.schema
        known = await end.names({each[0] for each in some}, schema)
        return await asyncio.to_thread(
            lambda: in_schema_order(some, lambda each: (each[0], each[1]), lambda e: known[e].kind, schema)
        )


class ChangeDiffScreen(DiffScreen):
    """All that one change did to what its author saw."""

    def __init__(self, entry: LogEntry) -> None:
        super().__init__(entry.moment_us)
        self._entry = entry

    def compared_text(self) -> str:
        entry, state = self._entry, self.state
        device = state.names.device(entry.device)
        return _("{when} · {user} on {device}").format(
            when=state.dates.full(entry.at_us), user=entry.user, device=device
        )

    async def read_differences(self) -> Sequence[ValueDifference]:
        edits = without_author(self._entry, await self.state.view.fact_diffs(self._entry.change))
        order = {entity: index for index, entity in enumerate(dict.fromkeys(edit.entity for edit in edits))}
        known = await self.state.view.names(order, self.state.schema)
        edits.sort(key=lambda e: (order[e.entity], self.state.schema.kind(known[e.entity].kind).rank(e.property)))
        return [(edit.entity, edit.property, edit.old, edit.new) for edit in edits]
