"""The log as rows of a list: pages of changes read when they come into sight, by key from a neighbour or by offset."""

from __future__ import annotations

from rich.cells import cell_len

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.schema import Schema
from core.store.log import LogEntry, LogFilter
from core.store.reading import Name
from core.store.view import View
from tui.language.i18n import _, language, ngettext, number
from tui.language.quoting import quote
from tui.language.when import When
from tui.rows.forms import Names
from tui.rows.lines import Column, Line, columns, cut

PAGE = 50
KEPT = 40  # pages kept in memory; more are read again when they are seen again


class LogPages:
    """The changes that a filter lets through, newest first; `size` of them. `marked` is shown as such."""

    def __init__(self, view: View, schema: Schema, wanted: LogFilter, size: int, names: Names, when: When) -> None:
        self._view = view
        self._schema = schema
        self._wanted = wanted
        self._size = size
        self._names = names
        self._when = when
        self._pages: dict[int, list[LogEntry]] = {}
        self._called: dict[bytes, Name] = {}
        self.marked: bytes | None = None

    def __len__(self) -> int:
        return self._size

    def entry(self, index: int) -> LogEntry | None:
        """The change of a row, if it is loaded."""
        page = self._pages.get(index // PAGE)
        place = index % PAGE
        return page[place] if page is not None and 0 <= place < len(page) else None

    def key(self, index: int) -> bytes | None:
        entry = self.entry(index)
        return entry.change if entry else None

    def skip(self, index: int) -> bool:
        return False

    def lacks(self, first: int, last: int) -> bool:
        return any(page not in self._pages for page in range(first // PAGE, last // PAGE + 1))

    async def load(self, first: int, last: int) -> None:
        for page in range(first // PAGE, last // PAGE + 1):
            if page not in self._pages:
                await self._read(page)

    async def _read(self, page: int) -> None:
        entries = await self._entries(page)
        unknown = {entity for entry in entries for entity in entry.entities} - self._called.keys()
        self._called |= await self._view.names(unknown, self._schema)
        while len(self._pages) >= KEPT:
            del self._pages[next(iter(self._pages))]
        self._pages[page] = entries

    async def _entries(self, page: int) -> list[LogEntry]:
        """The changes of a page, on the shortest way: from a neighbour, from the newest or from the oldest on."""
        log, wanted = self._view.log, self._wanted
        start = page * PAGE
        count = min(PAGE, self._size - start)
        if above := self._pages.get(page - 1):
            return await log(wanted, after=above[-1].position, limit=count)
        if below := self._pages.get(page + 1):
            upward = await log(wanted, after=below[0].position, limit=count, newest_first=False)
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
        moment = self._when.dated(entry.at) if wide else self._when.short(entry.at)
        mark = "*" if entry.change == self.marked else ""
        place = 34 if wide else 25
        return columns(
            width,
            [
                Column(f"{mark}{moment}", 17 if wide else 11),
                Column(entry.user, 14 if wide else 9),
                Column(self._names.device(entry.device), 8 if wide else 4, "dim"),
                Column(self._what(entry, place), place),
                Column(self._changed(entry, wide), 20 if wide else None),
                Column(quote(entry.note), None if wide else 0, "dim"),
            ],
        )

    def _what(self, entry: LogEntry, width: int) -> str:
        """The entity that was changed; of several all that fit, else the first and how many more there are."""
        names = [called(e, self._called.get(e), self._schema, self._names) for e in entry.entities]
        together = ", ".join(names)
        if not names or (len(names) == entry.touched and cell_len(together) <= width):
            return together
        more = f" +{number(entry.touched - 1)}" if entry.touched > 1 else ""
        return cut(names[0], width - len(more)) + more

    def _changed(self, entry: LogEntry, wide: bool) -> str:
        """What was changed; in a narrow list the note says it better, where there is one."""
        name = self._called.get(entry.entities[0]) if entry.entities else None
        kind = name.kind if name else None
        if entry.facts == len(entry.properties):
            changed = ", ".join(self._schema.property(kind, name).label(language()) for name in entry.properties)
        else:
            changed = ngettext("{count} value", "{count} values", entry.facts)
        if wide or not entry.note:
            return changed
        return f"{changed} {quote(entry.note)}" if entry.facts == 1 else quote(entry.note)


def called(entity: bytes, name: Name | None, schema: Schema, names: Names) -> str:
    """What people call an entity where nothing says what it is part of: its whole key if it is part of something."""
    if entity == FLEET_ENTITY:
        return _("the fleet")
    if entity == SCHEMA_ENTITY:
        return _("the schema")
    if entity in names.devices:
        return names.devices[entity]
    if name is None:
        return entity.hex()[:8]
    return name.key if name.key and schema.kind(name.kind).parent else name.title
