"""The log as rows of a list.

Pages of changes read when they come into sight, by key from a neighbour or by offset.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.device.display_names import is_new_key, mask_secrets
from core.schema import KIND, RETIRED, Schema
from core.store.entities import EntityName
from core.store.queries.fact_diffs import FactDiff
from core.store.queries.log import LogEntry, LogFilter
from core.store.view import View
from tui.i18n.dates import DateFormatter, mark_clock_error
from tui.i18n.translate import _, format_number, ngettext
from tui.layout import Column, Line, cut, fit_line, layout_columns, line_width, rule_line, spread
from tui.view_models.breadcrumbs import breadcrumbs, shorten_breadcrumb
from tui.view_models.form import DisplayNames, value_references
from tui.view_models.log_calendar import LogCalendar
from tui.view_models.log_reach import LogReach
from tui.view_models.value_diff import change_text

PAGE_ROWS = 50
"""Rows that are read at a time: more than any screen shows."""
_SHOWN_FACTS = 4
"""Facts of a change of which one is shown in its row."""
_WIDE_COLUMNS = 90
"""Columns from which names of entities have more room, and the device is named."""
_DEVICE_COLUMNS = 6
_REACH_COLUMNS = 18
"""Columns for whom a change has reached: a few short names."""
_TIME_COLUMNS = 5
"""Columns for hour and minute; an offset takes its room from the entity's name."""
_LEAD_COLUMNS = 23
"""Columns of a row for day, time and user."""
MAX_PAGES = 40  # pages kept in memory; more are read again when they are seen again


class LogPages:
    """The changes that match, newest first, under months.

    `marked_change` is shown as such.
    """

    def __init__(
        self,
        view: View,
        schema: Schema,
        wanted: LogFilter,
        calendar: LogCalendar,
        names: DisplayNames,
        dates: DateFormatter,
        reach: LogReach | None = None,
    ) -> None:
        """`reach` says in each row whom it has reached; None leaves that out."""
        self.reach = reach
        self._view = view
        self._schema = schema
        self._wanted = wanted
        self.calendar = calendar
        self._names = names
        self._dates = dates
        self._pages: dict[int, list[LogEntry]] = {}
        self._diffs: dict[bytes, list[FactDiff]] = {}
        self._entity_names: dict[bytes, EntityName] = {}
        self._labels: dict[bytes, str] = {}
        self.marked_change: bytes | None = None

    def __len__(self) -> int:
        return self.calendar.row_count

    def entry(self, row: int) -> LogEntry | None:
        """The change of a row, if it is loaded and no heading."""
        return None if self.calendar.month_at(row) else self._entry(self.calendar.entry_index(row))

    def _entry(self, index: int) -> LogEntry | None:
        page = self._pages.get(index // PAGE_ROWS)
        place = index % PAGE_ROWS
        return page[place] if page is not None and 0 <= place < len(page) else None

    def key(self, index: int) -> bytes | None:
        entry = self.entry(index)
        return entry.change if entry else None

    def is_skipped(self, index: int) -> bool:
        return self.calendar.month_at(index) is not None

    def _page_range(self, first: int, last: int) -> range:
        ends = [self.calendar.entry_index(row) for row in (first, last)]
        return range(ends[0] // PAGE_ROWS, min(ends[1], max(0, self.calendar.total - 1)) // PAGE_ROWS + 1)

    def needs_load(self, first: int, last: int) -> bool:
        return any(page not in self._pages for page in self._page_range(first, last))

    async def load(self, first: int, last: int) -> None:
        for page in self._page_range(first, last):
            if page not in self._pages:
                await self._read(page)

    async def _read(self, page: int) -> None:
        entries = await self._entries(page)
        diffs = await self._view.first_diffs(entries, _SHOWN_FACTS, self._wanted.entity)
        unknown = {entity for entry in entries for entity in entry.entities}
        unknown |= {
            entity
            for facts in diffs.values()
            for fact in facts
            for value in (fact.old, fact.new)
            for entity in value_references(value)
        }
        named = await self._view.names(unknown - self._entity_names.keys(), self._schema)
        self._labels |= await entity_labels(named, self._view, self._schema, self._names)
        self._entity_names |= named
        if self.reach is not None:
            await self.reach.load(entries)
        while len(self._pages) >= MAX_PAGES:
            for entry in self._pages.pop(next(iter(self._pages))):
                self._diffs.pop(entry.change, None)
        self._pages[page] = entries
        self._diffs |= diffs

    async def _entries(self, page: int) -> list[LogEntry]:
        """The changes of a page, on the shortest way.

        From a neighbour, from the newest or from the oldest on.
        """
        log, wanted, size = self._view.log, self._wanted, self.calendar.total
        start = page * PAGE_ROWS
        count = min(PAGE_ROWS, size - start)
        if above := self._pages.get(page - 1):
            return await log(wanted, cursor=above[-1].cursor, limit=count)
        if below := self._pages.get(page + 1):
            upward = await log(wanted, cursor=below[0].cursor, limit=count, newest_first=False)
        elif start > size // 2:
            upward = await log(wanted, offset=size - start - count, limit=count, newest_first=False)
        else:
            return await log(wanted, offset=start, limit=count)
        return upward[::-1]

    def line(self, index: int, width: int) -> Line:
        if month := self.calendar.month_at(index):
            count = ngettext("{count} change", "{count} changes", month.count)
            title: Line = [(self._dates.month_and_year(month.first), "accent")]
            return rule_line(width + 1, title, [(count.replace("{count}", format_number(month.count)), "dim")])
        entry = self.entry(index)
        if entry is None:
            return []
        above = self.entry(index - 1) if index else None
        day = self._dates.weekday(entry.at_us)
        if above is not None and self._dates.calendar_date(above.at_us) == self._dates.calendar_date(entry.at_us):
            day = ""
        # Before the row: the column of the time has no room for it.
        mark = "*" if entry.change == self.marked_change else mark_clock_error("", entry.clock) or " "
        time_text = self._dates.clock_time(entry.at_us)
        place = 27 if width < _WIDE_COLUMNS else 34
        extra = max(0, cell_len(time_text) - _TIME_COLUMNS)
        device = _DEVICE_COLUMNS if width >= _WIDE_COLUMNS else 0
        lead = layout_columns(
            _LEAD_COLUMNS + place + (device + 1 if device else 0),
            [
                Column(f"{mark}{day}", 7, "accent"),
                Column(time_text, _TIME_COLUMNS + extra, "dim"),
                Column(entry.user, 8, "dim"),
                Column(self._names.device(entry.device), device, "dim"),
                Column(self._entity_text(entry, place - extra - 1), place - extra, "value"),
            ],
        )
        room = width - line_width(lead) - 1
        if self.reach is None:
            return [*lead, (" ", "plain"), *self._change_line(entry, room)]
        columns = min(_REACH_COLUMNS, room // 2)
        words, role = self.reach.words(entry)
        what = self._change_line(entry, room - columns - 1)
        return spread(width, [*lead, (" ", "plain"), *what], [(cut(words, columns), role)])

    def _change_line(self, entry: LogEntry, width: int) -> Line:
        """What was changed: the new value, and how many more.

        Where there is room, the note.
        """
        # Of the entity that is named before it.
        facts = [fact for fact in mask_secrets(self._diffs.get(entry.change, ())) if fact.entity in entry.entities[:1]]
        if not facts:
            return [(cut(ngettext("{count} value", "{count} values", entry.fact_count), width), "plain")]
        fact = min(facts, key=self._rank)
        name = self._entity_names.get(fact.entity)
        prop = self._schema.property(name.kind if name else None, fact.property)
        text = change_text(prop, fact, DisplayNames(self._labels, self._names.devices))
        more = f" +{format_number(entry.fact_count - 1)}" if entry.fact_count > 1 else ""
        shown = fit_line(text, max(8, width - cell_len(more)))
        return [*shown, (more, "dim")]

    def _rank(self, fact: FactDiff) -> tuple[bool, bool, int, str]:
        """What a change is known by.

        That something was retired or has a new key, else what it is, which is new, last.
        """
        name = self._entity_names.get(fact.entity)
        kind = self._schema.kind(name.kind if name else None)
        is_telling = fact.property == RETIRED or is_new_key(fact.property, fact.new)
        return (fact.property == KIND, not is_telling, *kind.rank(fact.property)[1:])

    def _entity_text(self, entry: LogEntry, width: int) -> str:
        """The entity that was changed.

        Of several all that fit, else the first and how many more there are.
        """
        names = [self._labels.get(entity, entity.hex()[:8]) for entity in entry.entities]
        together = ", ".join(names)
        if not names or (len(names) == entry.entity_count and cell_len(together) <= width):
            return together
        more = f" +{format_number(entry.entity_count - 1)}" if entry.entity_count > 1 else ""
        return shorten_breadcrumb(names[0], width - len(more)) + more


async def entity_labels(
    named: Mapping[bytes, EntityName], view: View, schema: Schema, names: DisplayNames
) -> dict[bytes, str]:
    """What people call these entities on every screen.

    The path to them, if they have a place in the fleet.
    """
    labels = {entity: _label(entity, name, names) for entity, name in named.items()}
    placed = [each for each, name in named.items() if schema.kind(name.kind).parent and each not in names.devices]
    return labels | await breadcrumbs(placed, view, schema)


def _label(entity: bytes, name: EntityName, names: DisplayNames) -> str:
    if entity == FLEET_ENTITY:
        return _("the fleet")
    if entity == SCHEMA_ENTITY:
        return _("the schema")
    return names.devices.get(entity, name.title)
