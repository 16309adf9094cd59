"""History: all changes, newest first; what each of them did below; the ways to look back from there."""

from __future__ import annotations

from functools import partial

from core.device.display_names import is_hidden
from core.store.entities import EntityName
from core.store.queries.log import (
    MAX_NAMES_IN_ENTRY,
    NO_FILTER,
    FactDiff,
    LogCursor,
    LogEntry,
    LogFilter,
    without_author,
)
from core.workspace import log_query
from tui.command_host import command_bindings
from tui.dialogs.base import ChoiceDialog, PromptDialog
from tui.i18n.dates import with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import _, format_number, language
from tui.layout import Line, cut, fit
from tui.screens.actions.time_travel import SlotId, TimeTravelActions
from tui.view_models.filter_suggestions import FilterCondition, add_condition, suggest_conditions
from tui.view_models.form import NO_NAMES, DisplayNames, value_references
from tui.view_models.form_lines import diff_lines
from tui.view_models.log import LogPages, entity_label


class History(TimeTravelActions):
    """The log."""

    TAB = "history"
    SCOPES = ("history", "listing")
    BINDINGS = command_bindings("history")
    CSS = """
    History #details { height: 5; }
    History.-tall #details { height: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._filter_title = ""
        self._base_filter: LogFilter = NO_FILTER
        self._typed_filter = ""
        self.active_filter: LogFilter = NO_FILTER
        self._last_filter: LogFilter | None = None
        self._detailed_entry: LogEntry | None = None
        self._starts_at_top = True
        self._edits: list[FactDiff] = []
        self._names: DisplayNames = NO_NAMES
        self._path = ""
        self._entity_names: dict[bytes, EntityName] = {}

    @property
    def entry(self) -> LogEntry | None:
        source = self.lines.source
        return source.entry(self.lines.cursor) if isinstance(source, LogPages) and len(source) else None

    @property
    def edits(self) -> list[FactDiff]:
        return self._edits

    @property
    def names(self) -> DisplayNames:
        return self._names

    def kind_of(self, entity: bytes) -> str | None:
        name = self._entity_names.get(entity)
        return name.kind if name else None

    def is_filtered_for(self, place: SlotId) -> bool:
        entity, name = place
        return self.active_filter.entity in (None, entity) and self.active_filter.property in (None, name)

    def show_only(self, wanted: LogFilter, of: str) -> None:
        """Show only some changes; `of` says of what."""
        self.active_filter = self._base_filter = wanted
        self._filter_title, self._typed_filter = of, ""
        self._detailed_entry, self._starts_at_top = None, True

    async def reload_content(self) -> None:
        view, desk = self.state.view, self.state
        size = await view.count_log_entries(self.active_filter)
        pages = LogPages(view, desk.schema, self.active_filter, size, desk.names, desk.dates)
        pages.marked_change = self.marked_entry.change if self.marked_entry else None
        cursor = where = -1
        while where != self.lines.cursor:  # again where somebody moved on meanwhile
            where, entry = self.lines.cursor, self.entry
            cursor = 0 if self._starts_at_top else where
            if cursor and entry is not None:
                cursor = await view.count_newer(entry.cursor, self.active_filter)
            cursor = min(cursor, max(0, size - 1))
            if size:
                await pages.load(cursor, min(size - 1, cursor + max(1, self.lines.size.height)))
        self._starts_at_top = False
        self.lines.show_rows(pages, cursor=cursor)
        await self._read_details()

    async def move_to_change(self, position: LogCursor) -> None:
        """Put the cursor on a change; where the filter hides it, drop the filter."""
        view = self.state.view
        index = await view.count_newer(position, self.active_filter)
        at = await view.log(self.active_filter, offset=index, limit=1)
        if not at or at[0].cursor != position:
            self.show_only(NO_FILTER, "")
            await self.reload_content()
            index = await view.count_newer(position, self.active_filter)
        source = self.lines.source
        await source.load(index, index)
        self.lines.move_to(index)

    def breadcrumb(self) -> str:
        return _("History")

    def heading(self) -> tuple[Line, Line]:
        title = (
            _("Changes of {what}").format(what=self._filter_title) if self._filter_title else _("Changes of everything")
        )
        count = len(self.lines.source)
        right: Line = []
        if self._typed_filter:
            right.append((_("filter: {filter}").format(filter=self._typed_filter) + " · ", "strong"))
        if count:
            place = _("{index} of {count}").format(
                index=format_number(self.lines.cursor + 1), count=format_number(count)
            )
            right.append((place, "plain"))
        elif self._typed_filter:
            right.append((_("nothing"), "plain"))
        return [(title, "plain")], right

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.run_task(self._read_details, group="details")

    def action_command(self, name: str) -> None:
        if self.entry is None and len(self.lines.source):
            # Typed ahead: on a slow line the next key comes before the row that it is for has been read.
            self.run_task(partial(self._command_when_read, name), group="ahead")
        else:
            super().action_command(name)

    async def _command_when_read(self, name: str) -> None:
        await self.lines.source.load(self.lines.cursor, self.lines.cursor)
        super().action_command(name)

    async def _read_details(self) -> None:
        entry = self.entry
        if entry is not None and (
            self._detailed_entry is None or entry.change != self._detailed_entry.change or not self._edits
        ):
            view, schema = self.state.view, self.state.schema
            said = without_author(entry, await view.fact_diffs(entry.change))
            edits = [edit for edit in said if not is_hidden(edit.entity, edit.property)]
            entities = {edit.entity for edit in edits}
            entities.update(e for edit in edits for value in (edit.old, edit.new) for e in value_references(value))
            known = await view.names(entities, schema)
            order = {entity: place for place, entity in enumerate(dict.fromkeys(edit.entity for edit in edits))}
            edits.sort(key=lambda e: (order[e.entity], schema.kind(known[e.entity].kind).rank(e.property)))
            self._names = DisplayNames(
                {e: entity_label(e, name, schema, self.state.names) for e, name in known.items()},
                self.state.names.devices,
            )
            self._entity_names = known
            self._path = await self.state.breadcrumb_of(edits[0].entity) if self._is_single_entity(edits) else ""
            self._edits = edits
        self._detailed_entry = entry
        self.redraw_details()

    def _is_single_entity(self, edits: list[FactDiff]) -> bool:
        """Whether they are of one entity only, which has a place in the fleet."""
        kinds = {edit.entity: self.kind_of(edit.entity) for edit in edits}
        return len(kinds) == 1 and all(self.state.schema.kind(kind).is_known for kind in kinds.values())

    def subject(self) -> Line:
        entry = self._detailed_entry
        if entry is None:
            return []
        who = _("{user} on {device}").format(user=entry.user, device=self.state.names.device(entry.device))
        line: Line = [(f"{with_clock_error(self.state.dates.full(entry.at_us), entry.clock)} · {who}", "plain")]
        if entry.note:
            line.append((f" · {quote(entry.note)}", "plain"))
        if not entry.accepted:
            line.append((" · " + _("not accepted: its author may not write"), "attention"))
        return line

    def details(self, width: int, height: int) -> list[Line]:
        if self._detailed_entry is None:
            hint = (
                _("No change is here: Esc shows those of everything.") if self._is_filtered else _("No change is here.")
            )
            return self.empty_lines(hint, width)
        lines: list[Line] = [[(self._path, "strong")]] if self._path else []
        lines += self._edit_lines(width - 6, height - 1 - len(lines))
        if self._detailed_entry.source is not None:
            reached = _("reached this device {when} from {device}").format(
                when=self.state.dates.dated(self._detailed_entry.received_at_us),
                device=self.state.names.device(self._detailed_entry.source),
            )
            lines.append([(reached, "dim")])
        return [[("   ", "plain"), *line] for line in lines]

    def clipboard_text(self) -> str:
        """The id of the change, which verbs take for a moment, too."""
        return self.entry.change.hex() if self.entry else ""

    def _edit_lines(self, width: int, height: int) -> list[Line]:
        """Old → new for each edit; where those are too many for several entities, what was touched of each of them."""
        schema, edits = self.state.schema, self._edits
        entities = list(dict.fromkeys(edit.entity for edit in edits))
        label = min(28, max((len(self._names.entity(entity)) for entity in entities), default=0))
        if len(edits) > height and len(entities) > 1:
            lines: list[Line] = []
            for entity in entities[:height]:
                labels = [
                    schema.property(self.kind_of(entity), edit.property).label(language())
                    for edit in edits
                    if edit.entity == entity
                ]
                told = cut(", ".join(labels), width - label - 2)
                lines.append([(fit(self._names.entity(entity), label) + "  " + told, "plain")])
            return _with_more_line(lines, len(entities), height)
        if len(entities) <= 1:
            label = 0
        items = [(schema.property(self.kind_of(e.entity), e.property), e.old, e.had_value, e.new) for e in edits]
        rows = diff_lines(items[:height], width - label - 2 * bool(label), self._names)
        if label:
            of = [fit(self._names.entity(edit.entity), label) + "  " for edit in edits]
            rows = [[(title, "plain"), *row] for title, row in zip(of, rows, strict=False)]
        return _with_more_line(rows, len(edits), height)

    # --- which changes -----------------------------------------------------------------------------------------------

    @property
    def _is_filtered(self) -> bool:
        return bool(self._filter_title or self._typed_filter)

    def screen_disabled_reason(self, name: str) -> str | None:
        if name in ("find_next", "find_previous") and self._last_filter is None:
            return _("No search yet: / asks for words.")
        if name == "everything":
            return None if self._is_filtered or self.marked_entry else _("These are the changes of everything.")
        return self.change_disabled_reason(name)

    def do_everything(self) -> None:
        """Drop what was typed as a filter first, then what these are the changes of."""
        self.marked_entry = None
        if self._typed_filter:
            self.active_filter, self._typed_filter = self._base_filter, ""
        else:
            self.show_only(NO_FILTER, "")
        self.refresh_data()

    async def _read_filter(self, text: str) -> LogFilter:
        desk = self.state
        return await log_query.parse_log_query(
            text, desk.workspace, desk.view, zone=desk.dates.zone, base=self._base_filter
        )

    async def _apply_filter(self, text: str, stay: bool = False) -> None:
        """Show only what the text lets through; `stay` on the current change, else begin with the newest."""
        self.active_filter, self._typed_filter = await self._read_filter(text), " ".join(text.split())
        self._last_filter = self.active_filter if self._typed_filter else None
        if not stay:
            self._detailed_entry, self._starts_at_top = None, True
        self.refresh_data()

    def do_filter(self) -> None:
        """Ask for words and conditions that a change must meet."""

        async def check(text: str) -> None:
            await self._read_filter(text)

        def chosen(text: str | None) -> None:
            if text is not None:
                self.run_task(partial(self._apply_filter, text), group="filter")

        help_text = _(
            "Words that a change mentions, and: by:user on:device of:entity property:name since:time "
            'until:time. Two words as one: of:"Lane 1". Times: 2026-03-31, 2026-03-31T14:00, -2h, '
            "-7d."
        )
        self.open_dialog(PromptDialog(_("Show only"), self._typed_filter, help_text, check, _("show")), chosen)

    async def do_find_next(self) -> None:
        """Go to the next change that the filter lets through, also after all are shown again."""
        await self._move_to_match(newest_first=True)

    async def do_find_previous(self) -> None:
        """Go to the one before, which is newer."""
        await self._move_to_match(newest_first=False)

    async def _move_to_match(self, newest_first: bool) -> None:
        entry, found, log = self.entry, self._last_filter, self.state.view.log
        if entry is None or found is None:
            return
        ahead = await log(found, cursor=entry.cursor, limit=1, newest_first=newest_first)
        ahead = ahead or await log(found, limit=1, newest_first=newest_first)  # and from the other end again
        if ahead:
            await self.move_to_change(ahead[0].cursor)

    async def do_only(self) -> None:
        """Choose what the changes shall have in common with this one, or who made them."""
        entry, schema = self.entry, self.state.schema
        if entry is None:
            return
        known = [(entity, self._entity_names[entity]) for entity in entry.entities if entity in self._entity_names]
        labels = [schema.property(self.kind_of(e.entity), e.property).label(language()) for e in self._edits]
        found = suggest_conditions(
            entry,
            self.state.names.device(entry.device),
            [(f"{name.kind}:{name.key}", self._names.entity(entity)) for entity, name in known if name.key],
            list(dict.fromkeys(labels))[:MAX_NAMES_IN_ENTRY],
            await self.state.workspace.store.users(),
            self.state.dates,
        )

        def chosen(part: object) -> None:
            if isinstance(part, FilterCondition):
                self.run_task(
                    partial(self._apply_filter, add_condition(self._typed_filter, part), stay=True), group="filter"
                )

        rows: list[tuple[FilterCondition, Line]] = [(part, [(text, "plain")]) for part, text in found]
        self.open_dialog(ChoiceDialog(_("Show only changes …"), rows), chosen)


def _with_more_line(lines: list[Line], count: int, height: int) -> list[Line]:
    """The lines, the last one saying how many more there are if there are."""
    if count <= len(lines):
        return lines
    shown = lines[: max(0, height - 1)]
    return [*shown, [(_("… and {count} more: v shows all").format(count=format_number(count - len(shown))), "dim")]]
