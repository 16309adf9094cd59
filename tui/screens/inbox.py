"""Inbox: what wants a decision, whenever somebody likes; the values at odds below, side by side."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult

from core.changes import Value
from core.errors import FieldlineError
from core.inbox import Matter
from core.records import edit
from core.slots import Candidate
from tui.formlines import candidate_line, letter
from tui.forms import NOBODY, Names, referred
from tui.i18n import _, language, ngettext, say
from tui.lines import Column, Line, columns, wrapped
from tui.naming import SEPARATOR
from tui.screens.dialogs import Ask, Confirm
from tui.screens.form import Form
from tui.screens.page import Page, bindings, rule
from tui.values import read_value, typed_text
from tui.widgets.text import LineList, Lines

_GLYPHS = {"conflict": "≠", "duplicate": "‼", "overlap": "∩", "dangling": "?", "retired-edit": "↯", "invalid": "!"}
Key = tuple[bytes, str, str]


class Matters:
    """The rows of the inbox."""

    def __init__(self, page: Inbox, matters: list[Matter]) -> None:
        self._page = page
        self.matters = matters

    def __len__(self) -> int:
        return len(self.matters)

    def key(self, index: int) -> Key:
        matter = self.matters[index]
        return (matter.entity, matter.property, matter.type)

    def index(self, key: object) -> int | None:
        """The row with this key."""
        return next((index for index in range(len(self)) if self.key(index) == key), None)

    def skip(self, index: int) -> bool:
        return False

    def line(self, index: int, width: int) -> Line:
        return self._page.row(self.matters[index], width)

    def lacks(self, first: int, last: int) -> bool:
        return any(matter.entity not in self._page.names.entities for matter in self.matters[first : last + 1])

    async def load(self, first: int, last: int) -> None:
        await self._page.learn(self.matters[first : last + 1])


class Inbox(Page):
    """The list of matters."""

    PLACE = "inbox"
    SCOPES = ("inbox",)
    BINDINGS = bindings("inbox")
    AUTO_FOCUS = "LineList"

    def __init__(self) -> None:
        super().__init__()
        self.names: Names = NOBODY
        self._marked: set[Key] = set()
        self._chosen = 0

    def body(self) -> ComposeResult:
        yield LineList(id="list")
        yield Lines(lambda width, _height: [rule(width, self._title())], id="details-title")
        yield Lines(self._details, id="details")

    @property
    def lines(self) -> LineList:
        """The list on the screen."""
        return self.query_one("#list", LineList)

    @property
    def matter(self) -> Matter | None:
        """What is under the cursor."""
        source = self.lines.source
        return source.matters[self.lines.cursor] if isinstance(source, Matters) and len(source) else None

    async def update(self) -> None:
        self.names = Names({}, self.desk.names.devices)
        old, source = self.lines, Matters(self, self.desk.matters)
        key = old.key
        self._marked &= {source.key(index) for index in range(len(source))}
        at = source.index(key)
        cursor = old.cursor if at is None else at
        top = max(0, min(cursor, len(source) - 1))
        await source.load(max(0, top - old.size.height), top + old.size.height)
        self.lines.show(source, cursor=cursor)

    async def learn(self, matters: list[Matter]) -> None:
        """Learn what the entities of these matters are called, and those that their values refer to."""
        entities = {entity for matter in matters for entity in (matter.entity, *matter.entities)}
        entities.update(e for matter in matters for leaf in matter.candidates for e in referred(leaf.value))
        unknown = entities - self.names.entities.keys()
        if unknown:
            called = await self.desk.paths(unknown)
            self.names = Names({**self.names.entities, **called}, self.names.devices)

    def where(self) -> str:
        return _("Inbox")

    def heading(self) -> tuple[Line, Line]:
        left = ngettext("{count} matter", "{count} matters", len(self.lines.source))
        marked = ngettext("{count} marked", "{count} marked", len(self._marked)) if self._marked else ""
        return [(left, "plain")], [(marked, "strong")]

    def row(self, matter: Matter, width: int) -> Line:
        """A line of the list: what it is about, who is involved, and when."""
        key = (matter.entity, matter.property, matter.type)
        mark = "*" if key in self._marked else " "
        last = max((leaf.at for leaf in matter.candidates), default=None)
        users = ", ".join(dict.fromkeys(leaf.user for leaf in matter.candidates))
        told, many = say(matter.message), ""
        if matter.type == "conflict":
            prop = self.desk.schema.property(matter.kind, matter.property)
            told = f"{self.names.entity(matter.entity)} › {prop.label(language())}"
            many = ngettext("{count} value", "{count} values", len({repr(c.value) for c in matter.candidates}))
        return columns(
            width,
            [
                Column(mark, 1, "strong"),
                Column(_GLYPHS.get(matter.type, "?"), 1, "attention"),
                Column(told, None),
                Column(many, 9 if many and width >= 96 else 0, "dim"),
                Column(users, 24 if width >= 96 else 14, "dim"),
                Column(self.desk.when.short(last) if last is not None else "", 11, "dim"),
            ],
        )

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self._chosen = 0
        self._redraw_details()

    def _redraw_details(self) -> None:
        for name in ("#heading", "#details-title", "#details", "#keys"):
            self.query_one(name, Lines).redraw()

    def _title(self) -> Line:
        matter = self.matter
        if matter is None:
            return []
        label = self.desk.schema.property(matter.kind, matter.property).label(language())
        own = self.names.entity(matter.entity).rsplit(SEPARATOR, 1)[-1]
        title: Line = [(f"{label} · {own}", "strong")]
        if matter.type == "conflict":
            used = _("in use meanwhile, on every device: {letter}").format(letter=letter(0))
            title.append((f" · {used}", "attention"))
        return title

    def _details(self, width: int, height: int) -> list[Line]:
        matter = self.matter
        if matter is None:
            return [[("   " + _("Nothing waits for a decision."), "plain")]]
        prop = self.desk.schema.property(matter.kind, matter.property)
        lines: list[Line] = []
        if matter.type != "conflict":
            lines += [[("   ", "plain"), (text, "plain")] for text in wrapped(say(matter.message), width - 6)]
        notes = any(leaf.note for leaf in matter.candidates)
        for index, leaf in enumerate(matter.candidates):
            chosen = index == self._chosen and matter.type == "conflict"
            line = candidate_line(prop, leaf, index, width - 5, self.names, self.desk.when, chosen, notes)
            lines.append([(" ▸ " if chosen else "   ", "marker"), *line])
        return lines[:height]

    # --- commands ----------------------------------------------------------------------------------------------------

    def cannot(self, name: str) -> str | None:
        matter = self.matter
        if matter is None:
            return _("Nothing waits for a decision.")
        if name in ("take", "left", "right") and matter.type != "conflict" and not (name == "take" and self._marked):
            return _("This is not about one value: Enter opens the form where it can be changed.")
        if name == "another" and matter.type not in ("conflict", "invalid"):
            return _("This is not about one value: Enter opens the form where it can be changed.")
        return None

    def do_right(self) -> None:
        """Choose the next value."""
        self._choose(1)

    def do_left(self) -> None:
        """Choose the value before."""
        self._choose(-1)

    def _choose(self, step: int) -> None:
        if matter := self.matter:
            self._chosen = (self._chosen + step) % len(matter.candidates)
            self._redraw_details()

    def do_mark(self) -> None:
        """Mark or unmark, and go on to the next."""
        source = self.lines.source
        if isinstance(source, Matters):
            self._marked ^= {source.key(self.lines.cursor)}
            self.lines.refresh_line(self.lines.cursor)
            self.lines.move_to(self.lines.cursor + 1)
            self._redraw_details()

    def do_take(self) -> None:
        """Settle with the chosen value; all marked ones with what is in use."""
        if self._marked:
            marked = [
                m for m in self.desk.matters if (m.entity, m.property, m.type) in self._marked and m.type == "conflict"
            ]
            text = ngettext(
                "{count} conflict is settled with the value that is in use meanwhile.",
                "{count} conflicts are settled with the values that are in use meanwhile.",
                len(marked),
            )

            def answered(yes: bool | None) -> None:
                if yes:
                    self.work(partial(self._settle, [(m, m.candidates[0].value) for m in marked]), group="settle")

            self.app.push_screen(Confirm(_("Settle what is marked?"), text, _("settle")), answered)
        elif matter := self.matter:
            self.work(partial(self._settle, [(matter, self._candidate(matter).value)]), group="settle")

    def _candidate(self, matter: Matter) -> Candidate:
        return matter.candidates[min(self._chosen, len(matter.candidates) - 1)]

    async def do_another(self) -> None:
        """Type a value."""
        matter = self.matter
        if matter is None:
            return
        view, schema = self.desk.view, self.desk.schema
        prop = schema.property(matter.kind, matter.property)

        async def check(text: str) -> None:
            await read_value(prop, text, view, schema)

        def answered(text: str | None) -> None:
            if text is not None:
                self.work(partial(self._type, matter, text), group="settle")

        typed = await typed_text(prop, self._candidate(matter).value, view, schema)
        title = f"{self.names.entity(matter.entity)} › {prop.label(language())}"
        self.app.push_screen(Ask(title, typed, prop.help_text(language()), check), answered)

    async def _type(self, matter: Matter, text: str) -> None:
        prop = self.desk.schema.property(matter.kind, matter.property)
        await self._settle([(matter, await read_value(prop, text, self.desk.view, self.desk.schema))])

    async def _settle(self, answers: list[tuple[Matter, Value]]) -> None:
        """Write one ordinary edit a matter, that obsoletes the values which were shown."""
        view, schema = self.desk.view, self.desk.schema
        edits = []
        for matter, value in answers:
            record = await view.record(matter.entity, schema)
            seen = {leaf.fact for leaf in matter.candidates}
            if {leaf.fact for leaf in record.slot(matter.property).leaves} - seen:
                raise FieldlineError(
                    "{property} has got another value meanwhile: look at it again.", property=matter.property
                )
            edits.append(edit(record, matter.property, value))
        await self.desk.workspace.save(edits, None)
        self._marked.clear()
        self.message(ngettext("Settled: {count} matter.", "Settled: {count} matters.", len(edits)))

    def do_open(self) -> None:
        """Open the form at the property."""
        if matter := self.matter:
            self.app.push_screen(Form(matter.entity, matter.property))

    def do_history_of(self) -> None:
        """The changes of this property."""
        if matter := self.matter:
            label = self.desk.schema.property(matter.kind, matter.property).label(language())
            self.desk.show_history(matter.entity, matter.property, f"{self.names.entity(matter.entity)} › {label}")
