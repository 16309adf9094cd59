"""The log as rows of a list: pages of changes read when they come into sight, by key from a neighbour or by offset."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.schema import Schema
from core.store.entities import EntityName
from core.store.queries.log import LogEntry, LogFilter
from core.store.view import View
from tui.i18n.dates import DateFormatter, mark_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import _, format_number, language, ngettext
from tui.layout import Column, Line, layout_columns
from tui.view_models.breadcrumbs import breadcrumbs, shorten_breadcrumb
from tui.view_models.form import DisplayNames

PAGE_ROWS = 50
"""Rows that are read at a time: more than any screen shows."""
MAX_PAGES = 40  # pages kept in memory; more are read again when they are seen again


class LogPages:
    """The changes that a filter lets through, newest first; `marked_change` is shown as such."""

    def __init__(
        self, view: View, schema: Schema, wanted: LogFilter, size: int, names: DisplayNames, dates: DateFormatter
    ) -> None:
        self._view = view
        self._schema = schema
        self._wanted = wanted
        self._size = size
        self._names = names
        self._dates = dates
        self._pages: dict[int, list[LogEntry]] = {}
        self._entity_names: dict[bytes, EntityName] = {}
        self._labels: dict[bytes, str] = {}
        self.marked_change: bytes | None = None

    def __len__(self) -> int:
        return self._size

    def entry(self, index: int) -> LogEntry | None:
        """The change of a row, if it is loaded."""
        page = self._pages.get(index // PAGE_ROWS)
        place = index % PAGE_ROWS
        return page[place] if page is not None and 0 <= place < len(page) else None

    def key(self, index: int) -> bytes | None:
        entry = self.entry(index)
        return entry.change if entry else None

    def is_skipped(self, index: int) -> bool:
        return False

    def needs_load(self, first: int, last: int) -> bool:
        return any(page not in self._pages for page in range(first // PAGE_ROWS, last // PAGE_ROWS + 1))

    async def load(self, first: int, last: int) -> None:
        for page in range(first // PAGE_ROWS, last // PAGE_ROWS + 1):
            if page not in self._pages:
                await self._read(page)

    async def _read(self, page: int) -> None:
        entries = await self._entries(page)
        unknown = {entity for entry in entries for entity in entry.entities} - self._entity_names.keys()
        named = await self._view.names(unknown, self._schema)
        self._labels |= await entity_labels(named, self._view, self._schema, self._names)
        self._entity_names |= named
        while len(self._pages) >= MAX_PAGES:
            del self._pages[next(iter(self._pages))]
        self._pages[page] = entries

    async def _entries(self, page: int) -> list[LogEntry]:
        """The changes of a page, on the shortest way: from a neighbour, from the newest or from the oldest on."""
        log, wanted = self._view.log, self._wanted
        start = page * PAGE_ROWS
        count = min(PAGE_ROWS, self._size - start)
        if above := self._pages.get(page - 1):
            return await log(wanted, cursor=above[-1].cursor, limit=count)
        if below := self._pages.get(page + 1):
            upward = await log(wanted, cursor=below[0].cursor, limit=count, newest_first=False)
        elif start > self._size // 2:
            upward = await log(wanted, offset=self._size - start - count, limit=count, newest_first=False)
        else:
            return await log(wanted, offset=start, limit=count)
        return upward[::-1]

    def line(self, index: int, width: int) -> Line:
        entry = self.entry(index)
        if entry is None:
            return []
        wide = width >= 96
        time_text = self._dates.dated(entry.at_us) if wide else self._dates.short(entry.at_us)
        time_text = mark_clock_error(time_text, entry.clock)
        mark = "*" if entry.change == self.marked_change else ""
        place = 34 if wide else 25
        return layout_columns(
            width,
            [
                Column(f"{mark}{time_text}", 17 if wide else 11),
                Column(entry.user, 14 if wide else 9),
                Column(self._names.device(entry.device), 8 if wide else 4, "dim"),
                Column(self._entity_text(entry, place), place),
                Column(self._change_text(entry, wide), 20 if wide else None),
                Column(quote(entry.note), None if wide else 0, "dim"),
            ],
        )

    def _entity_text(self, entry: LogEntry, width: int) -> str:
        """The entity that was changed; of several all that fit, else the first and how many more there are."""
        names = [self._labels.get(entity, entity.hex()[:8]) for entity in entry.entities]
        together = ", ".join(names)
        if not names or (len(names) == entry.entity_count and cell_len(together) <= width):
            return together
        more = f" +{format_number(entry.entity_count - 1)}" if entry.entity_count > 1 else ""
        return shorten_breadcrumb(names[0], width - len(more)) + more

    def _change_text(self, entry: LogEntry, wide: bool) -> str:
        """What was changed; in a narrow list the note says it better, where there is one."""
        name = self._entity_names.get(entry.entities[0]) if entry.entities else None
        kind = self._schema.kind(name.kind if name else None)
        if entry.fact_count == len(entry.properties):
            changed = ", ".join(
                kind.property(each).label(language()) for each in sorted(entry.properties, key=kind.rank)
            )
        else:
            changed = ngettext("{count} value", "{count} values", entry.fact_count)
        if wide or not entry.note:
            return changed
        return f"{changed} {quote(entry.note)}" if entry.fact_count == 1 else quote(entry.note)


async def entity_labels(
    named: Mapping[bytes, EntityName], view: View, schema: Schema, names: DisplayNames
) -> dict[bytes, str]:
    """What people call these entities on every screen: the path to them, if they have a place in the fleet."""
    labels = {entity: _label(entity, name, names) for entity, name in named.items()}
    placed = [each for each, name in named.items() if schema.kind(name.kind).parent and each not in names.devices]
    return labels | await breadcrumbs(placed, view, schema)


def _label(entity: bytes, name: EntityName, names: DisplayNames) -> str:
    if entity == FLEET_ENTITY:
        return _("the fleet")
    if entity == SCHEMA_ENTITY:
        return _("the schema")
    return names.devices.get(entity, name.title)
