"""The log as rows of a list: pages of changes read when they come into sight, by key from a neighbour or by offset."""

from __future__ import annotations

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.schema import Schema
from core.store.log import LogEntry, LogFilter, Position
from core.store.view import View
from tui.forms import Names
from tui.i18n import _, language, ngettext
from tui.lines import Column, Line, columns
from tui.when import When

PAGE = 50
KEPT = 40  # pages kept in memory; more are read again when they are seen again


class LogPages:
    """The changes that a filter lets through, newest first; `size` of them."""

    def __init__(self, view: View, schema: Schema, wanted: LogFilter, size: int, names: Names, when: When) -> None:
        self._view = view
        self._schema = schema
        self._wanted = wanted
        self._size = size
        self._names = names
        self._when = when
        self._pages: dict[int, list[LogEntry]] = {}
        self._labels: dict[bytes, tuple[str, str | None]] = {}

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
        above = self._pages.get(page - 1)
        after: Position | None = above[-1].position if above else None
        offset = 0 if above else page * PAGE
        entries = await self._view.log(self._wanted, after=after, offset=offset, limit=PAGE)
        unknown = {entry.first[0] for entry in entries} - self._labels.keys()
        for entity, name in (await self._view.names(unknown, self._schema)).items():
            self._labels[entity] = (name.title, name.kind)
        while len(self._pages) >= KEPT:
            del self._pages[next(iter(self._pages))]
        self._pages[page] = entries

    def title(self, entity: bytes) -> str:
        """What the first entity of a change is called."""
        return entity_title(entity, self._labels.get(entity, ("", None))[0], self._names)

    def line(self, index: int, width: int) -> Line:
        entry = self.entry(index)
        if entry is None:
            return []
        entity, prop = entry.first
        title, kind = self._labels.get(entity, ("", None))
        what = entity_title(entity, title, self._names)
        if entry.entities > 1:
            what += " " + _("and {count} more").format(count=entry.entities - 1)
        if entry.facts == 1:
            changed = self._schema.property(kind, prop).label(language())
        else:
            changed = ngettext("{count} property", "{count} properties", entry.facts)
        wide = width >= 96
        return columns(
            width,
            [
                Column(self._when.dated(entry.at) if wide else self._when.short(entry.at), 17 if wide else 11),
                Column(entry.user, 16 if wide else 10, "strong"),
                Column(self._names.device(entry.device), 10 if wide else 5, "dim"),
                Column(what, None),
                Column(changed, 20 if wide else 14),
                Column(f"“{entry.note}”" if entry.note else "", None if wide else 14, "dim"),
            ],
        )


def entity_title(entity: bytes, title: str, names: Names) -> str:
    """What people call an entity, those that the fleet itself consists of too."""
    if entity == FLEET_ENTITY:
        return _("the fleet")
    if entity == SCHEMA_ENTITY:
        return _("the schema")
    return names.devices.get(entity) or title or entity.hex()[:8]
