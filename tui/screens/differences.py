"""What differs between two moments, or all that one change did: entity by entity, old and new of each property."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from textual.app import ComposeResult

from core.changes import Value
from core.store.log import LogEntry
from core.workspace.naming import hidden
from tui.command_host import bindings
from tui.language.i18n import _, language, ngettext
from tui.rows.forms import GLYPHS, Names, referred, shown
from tui.rows.lines import Line, beside, fit
from tui.rows.logpages import called
from tui.screens.dialogs import Ask
from tui.screens.listing import Listing
from tui.screens.reading import Reading, in_full
from tui.widgets.text import LineList, Lines

Difference = tuple[bytes, str, Value, Value]
_LABEL = 24


class DifferenceLines:
    """The rows: entities as headings, and their properties; names are read when they come into sight."""

    def __init__(self, page: Differences, found: Sequence[Difference]) -> None:
        self._page = page
        self._rows: list[bytes | Difference] = []
        for each in found:
            if not self._rows or each[0] != self._entity(-1):
                self._rows.append(each[0])
            self._rows.append(each)

    def row(self, index: int) -> Difference | None:
        """The difference on a line, None for a heading."""
        row = self._rows[index] if 0 <= index < len(self._rows) else None
        return None if isinstance(row, bytes) else row

    def _entity(self, index: int) -> bytes:
        row = self._rows[index]
        return row if isinstance(row, bytes) else row[0]

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> tuple[bytes, str]:
        row = self._rows[index]
        return (row, "") if isinstance(row, bytes) else (row[0], row[1])

    def skip(self, index: int) -> bool:
        return isinstance(self._rows[index], bytes)

    def line(self, index: int, width: int) -> Line:
        row = self._rows[index]
        return self._page.heading_of(row) if isinstance(row, bytes) else self._page.row(row, width)

    def lacks(self, first: int, last: int) -> bool:
        return any(self._entity(index) not in self._page.kinds for index in range(first, last + 1))

    async def load(self, first: int, last: int) -> None:
        await self._page.learn([self._rows[index] for index in range(first, last + 1)])


class Differences(Listing):
    """Old and new values, as they were said at a moment (microseconds since 1970 UTC; None is now)."""

    PLACE = "history"
    SCOPES = ("differences", "listing")
    BINDINGS = bindings("differences")
    AUTO_FOCUS = "LineList"

    def __init__(self, moment: int | None) -> None:
        super().__init__()
        self._moment = moment
        self._found: list[Difference] = []
        self._count: int | None = None
        self._sought = ""
        self.kinds: dict[bytes, str | None] = {}
        self._called: dict[bytes, str] = {}

    def compared(self) -> str:
        """What is compared."""
        raise NotImplementedError

    async def read(self) -> Sequence[Difference]:
        """The differences, those of one entity behind each other."""
        raise NotImplementedError

    def body(self) -> ComposeResult:
        yield Lines(self._nothing, id="nothing")
        yield LineList(id="list")

    def _nothing(self, width: int, height: int) -> list[Line]:
        text = _("Nothing is different: Esc goes back.") if self._count == 0 else ""
        if text and self._sought:
            text = _("Nothing that differs mentions this: Esc shows all.")
        return [[("   " + text, "plain")]]

    async def update(self) -> None:
        if self._count is not None:
            return  # the past stays as it is
        every = await self.read()
        # Many differences take a while, and meanwhile somebody may press keys.
        found = await asyncio.to_thread(lambda: [each for each in every if not hidden(each[0], each[1])])
        await self._show(found, found)

    async def _show(self, found: list[Difference], some: list[Difference]) -> None:
        """Show some of the differences, with the cursor on the one that it was on."""
        source, cursor = await asyncio.to_thread(self._rows, some, self.lines.key)
        first = max(0, cursor - self.size.height)
        await source.load(first, min(len(source), cursor + self.size.height) - 1)
        # All at once: this may be cancelled and begun anew at every await before.
        self._found, self._count = found, len(some)
        self.query_one("#nothing").display = not some
        self.lines.display = bool(some)
        self.lines.show(source, cursor=cursor)

    def _rows(self, some: list[Difference], key: object) -> tuple[DifferenceLines, int]:
        source = DifferenceLines(self, some)
        places = range(len(source)) if key is not None else ()
        return source, next((index for index in places if source.key(index) == key), 0)

    async def _sift(self, text: str) -> None:
        """Show only what mentions the words, all without any."""
        found, words = self._found, text.casefold().split()
        some = found
        if words:
            entities = {each[0] for each in found} | {e for each in found for v in each[2:] for e in referred(v)}
            called = {e: path.strip() for e, path in (await self.desk.paths(entities)).items()}
            kinds = {e: name.kind for e, name in (await self.desk.view.names(entities, self.desk.schema)).items()}
            some = await asyncio.to_thread(self._mentioning, found, words, called, kinds)
        self._sought = text
        await self._show(found, some)
        self.redraw()

    def _mentioning(
        self,
        found: Sequence[Difference],
        words: Sequence[str],
        called: Mapping[bytes, str],
        kinds: Mapping[bytes, str | None],
    ) -> list[Difference]:
        names = Names({**called}, self.desk.names.devices)
        some = []
        for each in found:
            prop = self.desk.schema.property(kinds.get(each[0]), each[1])
            values = [shown(prop, value, names) for value in each[2:] if value is not None]
            told = " ".join([called.get(each[0], ""), prop.label(language()), each[1], *values]).casefold()
            if all(word in told for word in words):
                some.append(each)
        return some

    async def learn(self, rows: Sequence[bytes | Difference]) -> None:
        """Learn what the entities of these rows are called, and those that the values refer to."""
        entities = {row if isinstance(row, bytes) else row[0] for row in rows}
        refs = {e for row in rows if not isinstance(row, bytes) for value in row[2:] for e in referred(value)}
        view, schema = self.desk.workspace.view(self._moment), self.desk.schema
        names = await view.names((entities | refs) - self.kinds.keys(), schema)
        known = {entity: name.title for entity, name in names.items()}
        for entity in entities & names.keys():
            if schema.kind(names[entity].kind).known:
                known[entity] = await self.desk.path(entity)
            else:
                known[entity] = called(entity, names[entity], schema, self.desk.names)
        # All at once, as above.
        self._called |= known
        self.kinds |= {entity: name.kind for entity, name in names.items()}

    def where(self) -> str:
        return _("History")

    def heading(self) -> tuple[Line, Line]:
        title: Line = [(self.compared(), "plain")]
        if self._count is None:
            return title, [(_("comparing …"), "plain")]
        count = ngettext("{count} difference", "{count} differences", self._count)
        if not self._sought:
            return title, [(count, "plain")]
        return title, [(_("filter: {filter}").format(filter=self._sought), "strong"), (f" · {count}", "plain")]

    def heading_of(self, entity: bytes) -> Line:
        """The line over an entity's properties."""
        return [(self._called.get(entity, entity.hex()[:8]), "strong")]

    def row(self, each: Difference, width: int) -> Line:
        """Old and new of a property."""
        entity, name, old, new = each
        prop = self.desk.schema.property(self.kinds.get(entity), name)
        names = Names(self._called, self.desk.names.devices)
        before = shown(prop, old, names) if old is not None else GLYPHS["absent"]
        before, after = beside(before, shown(prop, new, names), width - _LABEL - 7)
        label = "  " + fit(prop.label(language()), _LABEL) + "  "
        return [(label, "plain"), (before, "dim"), (" → ", "plain"), (after, "plain")]

    # --- commands ----------------------------------------------------------------------------------------------------

    def redraw_details(self) -> None:
        self.query_one("#keys", Lines).redraw()

    def cannot(self, name: str) -> str | None:
        if name == "find":
            return None if self._found else _("There is nothing to look through.")
        return _("There is nothing on this line.") if name != "back" and not self._count else None

    def copied(self) -> str:
        """The new value."""
        source = self.lines.source
        row = source.row(self.lines.cursor) if isinstance(source, DifferenceLines) else None
        if row is None:
            return ""
        prop = self.desk.schema.property(self.kinds.get(row[0]), row[1])
        return row[3] if isinstance(row[3], str) else shown(prop, row[3], Names(self._called, self.desk.names.devices))

    def do_find(self) -> None:
        """Ask for words, and show only what mentions them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self.work(partial(self._sift, " ".join(text.split())), group="sift")

        help_text = _("Words in a property, a value, or the name of something or of what it is below.")
        self.ask(Ask(_("Show only"), self._sought, help_text, word=_("show")), chosen)

    def do_whole(self) -> None:
        """Both values in full."""
        source = self.lines.source
        row = source.row(self.lines.cursor) if isinstance(source, DifferenceLines) else None
        if row is None:
            return
        entity, name, old, new = row
        prop = self.desk.schema.property(self.kinds.get(entity), name)
        names = Names(self._called, self.desk.names.devices)

        def draw(width: int) -> list[Line]:
            before: list[Line] = (
                [[(line, "dim")] for line in in_full(prop, old, names, width)] if old is not None else []
            )
            after: list[Line] = [[(line, "plain")] for line in in_full(prop, new, names, width)]
            return [
                [(_("before"), "strong")],
                *(before or [[(_("not configured"), "dim")]]),
                [],
                [(_("after"), "strong")],
                *after,
            ]

        self.ask(Reading(f"{self._called.get(entity, '')} › {prop.label(language())}", draw))

    def do_back(self) -> None:
        """Show all differences again; then back to the log."""
        if self._sought:
            self.work(partial(self._sift, ""), group="sift")
        else:
            self.leave()

    async def do_history_of(self) -> None:
        """The changes of this property."""
        key = self.lines.key
        if isinstance(key, tuple):
            entity, name = key
            prop = self.desk.schema.property(self.kinds.get(entity), name)
            of = f"{await self.desk.path(entity)} › {prop.label(language())}"
            self.leave()
            self.desk.show_history(entity, name, of)


class Moments(Differences):
    """Two moments compared, the earlier first; None is now."""

    def __init__(self, one: int, other: int | None) -> None:
        super().__init__(other)
        self._one = one

    def compared(self) -> str:
        when = self.desk.when
        other = _("now") if self._moment is None else when.full(self._moment)
        return _("From {one} to {other}").format(one=when.full(self._one), other=other)

    async def read(self) -> Sequence[Difference]:
        workspace = self.desk.workspace
        return await workspace.view(self._one).differences(workspace.view(self._moment))


class Change(Differences):
    """All that one change did to what its author saw."""

    def __init__(self, entry: LogEntry) -> None:
        super().__init__(entry.position[0])
        self._entry = entry

    def compared(self) -> str:
        entry, desk = self._entry, self.desk
        device = desk.names.device(entry.device)
        return _("{when} · {user} on {device}").format(when=desk.when.full(entry.at), user=entry.user, device=device)

    async def read(self) -> Sequence[Difference]:
        edits = await self.desk.view.edits(self._entry.change)
        order = {entity: place for place, entity in enumerate(dict.fromkeys(edit.entity for edit in edits))}
        edits.sort(key=lambda edit: order[edit.entity])
        return [(edit.entity, edit.property, edit.old, edit.new) for edit in edits]
