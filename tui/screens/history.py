"""History: all changes, newest first; what each of them did below; the ways to look back from there."""

from __future__ import annotations

from functools import partial

from core.store.log import EVERYTHING, FEW, LogEntry, LogFilter, Position, ShownEdit
from core.store.reading import Name
from core.workspace import filters
from core.workspace.naming import hidden
from tui.command_host import bindings
from tui.language.i18n import _, language, number
from tui.language.quoting import quote
from tui.rows.formlines import difference_lines
from tui.rows.forms import NOBODY, Names, referred
from tui.rows.lines import Line, cut, fit
from tui.rows.logpages import LogPages, called
from tui.rows.narrowing import Part, narrowed, parts
from tui.screens.dialogs import Ask, Choose
from tui.screens.lookback import Lookback, Place
from tui.screens.turning import SAVING


class History(Lookback):
    """The log."""

    PLACE = "history"
    SCOPES = ("history", "listing")
    BINDINGS = bindings("history")
    CSS = """
    History #details { height: 5; }
    History.-tall #details { height: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._of = ""
        self._within: LogFilter = EVERYTHING
        self._typed = ""
        self.wanted: LogFilter = EVERYTHING
        self._found: LogFilter | None = None
        self._at: LogEntry | None = None
        self._anew = True
        self._edits: list[ShownEdit] = []
        self._names: Names = NOBODY
        self._path = ""
        self._known: dict[bytes, Name] = {}

    @property
    def entry(self) -> LogEntry | None:
        source = self.lines.source
        return source.entry(self.lines.cursor) if isinstance(source, LogPages) and len(source) else None

    @property
    def edits(self) -> list[ShownEdit]:
        return self._edits

    @property
    def names(self) -> Names:
        return self._names

    def kind(self, entity: bytes) -> str | None:
        name = self._known.get(entity)
        return name.kind if name else None

    def is_wanted(self, place: Place) -> bool:
        entity, name = place
        return self.wanted.entity in (None, entity) and self.wanted.property in (None, name)

    def only(self, wanted: LogFilter, of: str) -> None:
        """Show only some changes; `of` says of what."""
        self.wanted = self._within = wanted
        self._of, self._typed = of, ""
        self._at, self._anew = None, True

    async def update(self) -> None:
        view, desk = self.desk.view, self.desk
        size = await view.log_size(self.wanted)
        pages = LogPages(view, desk.schema, self.wanted, size, desk.names, desk.when)
        pages.marked = self.marked.change if self.marked else None
        cursor = where = -1
        while where != self.lines.cursor:  # again where somebody moved on meanwhile
            where, entry = self.lines.cursor, self.entry
            cursor = 0 if self._anew else where
            if cursor and entry is not None:
                cursor = await view.log_index(entry.position, self.wanted)
            cursor = min(cursor, max(0, size - 1))
            if size:
                await pages.load(cursor, min(size - 1, cursor + max(1, self.lines.size.height)))
        self._anew = False
        self.lines.show(pages, cursor=cursor)
        await self._read_details()

    async def go_to(self, position: Position) -> None:
        """Put the cursor on a change; where the filter hides it, drop the filter."""
        view = self.desk.view
        index = await view.log_index(position, self.wanted)
        at = await view.log(self.wanted, offset=index, limit=1)
        if not at or at[0].position != position:
            self.only(EVERYTHING, "")
            await self.update()
            index = await view.log_index(position, self.wanted)
        source = self.lines.source
        await source.load(index, index)
        self.lines.move_to(index)

    def where(self) -> str:
        return _("History")

    def heading(self) -> tuple[Line, Line]:
        title = _("Changes of {what}").format(what=self._of) if self._of else _("Changes of everything")
        count = len(self.lines.source)
        right: Line = []
        if self._typed:
            right.append((_("filter: {filter}").format(filter=self._typed) + " · ", "strong"))
        if count:
            place = _("{index} of {count}").format(index=number(self.lines.cursor + 1), count=number(count))
            right.append((place, "plain"))
        elif self._typed:
            right.append((_("nothing"), "plain"))
        return [(title, "plain")], right

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.work(self._read_details, group="details")

    def action_command(self, name: str) -> None:
        if self.entry is None and len(self.lines.source):
            # Typed ahead: on a slow line the next key comes before the row that it is for has been read.
            self.work(partial(self._command_when_read, name), group="ahead")
        else:
            super().action_command(name)

    async def _command_when_read(self, name: str) -> None:
        await self.lines.source.load(self.lines.cursor, self.lines.cursor)
        super().action_command(name)

    async def _read_details(self) -> None:
        entry = self.entry
        if entry is not None and (self._at is None or entry.change != self._at.change or not self._edits):
            view, schema = self.desk.view, self.desk.schema
            edits = [edit for edit in await view.edits(entry.change) if not hidden(edit.entity, edit.property)]
            entities = {edit.entity for edit in edits}
            entities.update(e for edit in edits for value in (edit.old, edit.new) for e in referred(value))
            known = await view.names(entities, schema)
            self._names = Names(
                {e: called(e, name, schema, self.desk.names) for e, name in known.items()}, self.desk.names.devices
            )
            self._known = known
            self._path = await self.desk.path(edits[0].entity) if self._about_one(edits) else ""
            self._edits = edits
        self._at = entry
        self.redraw_details()

    def _about_one(self, edits: list[ShownEdit]) -> bool:
        """Whether they are of one entity only, which has a place in the fleet."""
        kinds = {edit.entity: self.kind(edit.entity) for edit in edits}
        return len(kinds) == 1 and all(self.desk.schema.kind(kind).known for kind in kinds.values())

    def subject(self) -> Line:
        entry = self._at
        if entry is None:
            return []
        who = _("{user} on {device}").format(user=entry.user, device=self.desk.names.device(entry.device))
        line: Line = [(f"{self.desk.when.full(entry.at)} · {who}", "plain")]
        if entry.note:
            line.append((f" · {quote(entry.note)}", "plain"))
        if not entry.accepted:
            line.append((" · " + _("not accepted: its author may not write"), "attention"))
        return line

    def details(self, width: int, height: int) -> list[Line]:
        if self._at is None:
            hint = _("No change is here: Esc shows those of everything.") if self._filtered else _("No change is here.")
            return self.empty(hint, width)
        lines: list[Line] = [[(self._path, "strong")]] if self._path else []
        lines += self._edit_lines(width - 6, height - 1 - len(lines))
        if self._at.source is not None:
            reached = _("reached this device {when} from {device}").format(
                when=self.desk.when.dated(self._at.received_at), device=self.desk.names.device(self._at.source)
            )
            lines.append([(reached, "dim")])
        return [[("   ", "plain"), *line] for line in lines]

    def copied(self) -> str:
        """The id of the change, which verbs take for a moment, too."""
        return self.entry.change.hex() if self.entry else ""

    def _edit_lines(self, width: int, height: int) -> list[Line]:
        """Old → new for each edit; where those are too many for several entities, what was touched of each of them."""
        schema, edits = self.desk.schema, self._edits
        entities = list(dict.fromkeys(edit.entity for edit in edits))
        label = min(28, max((len(self._names.entity(entity)) for entity in entities), default=0))
        if len(edits) > height and len(entities) > 1:
            lines: list[Line] = []
            for entity in entities[:height]:
                labels = [
                    schema.property(self.kind(entity), edit.property).label(language())
                    for edit in edits
                    if edit.entity == entity
                ]
                told = cut(", ".join(labels), width - label - 2)
                lines.append([(fit(self._names.entity(entity), label) + "  " + told, "plain")])
            return _with_rest(lines, len(entities), height)
        if len(entities) <= 1:
            label = 0
        items = [(schema.property(self.kind(e.entity), e.property), e.old, e.seen, e.new) for e in edits]
        rows = difference_lines(items[:height], width - label - 2 * bool(label), self._names)
        if label:
            of = [fit(self._names.entity(edit.entity), label) + "  " for edit in edits]
            rows = [[(title, "plain"), *row] for title, row in zip(of, rows, strict=False)]
        return _with_rest(rows, len(edits), height)

    # --- which changes -----------------------------------------------------------------------------------------------

    @property
    def _filtered(self) -> bool:
        return bool(self._of or self._typed)

    def cannot(self, name: str) -> str | None:
        if name in ("find_next", "find_previous") and self._found is None:
            return _("Nothing was sought yet: / asks for words.")
        if name == "everything":
            busy = any(worker.group == SAVING for worker in self.workers)
            return None if self._filtered or self.marked or busy else _("These are the changes of everything.")
        return self.refusal(name)

    def do_everything(self) -> None:
        """Drop what was typed as a filter first, then what these are the changes of."""
        if self.stopped():
            return
        self.marked = None
        if self._typed:
            self.wanted, self._typed = self._within, ""
        else:
            self.only(EVERYTHING, "")
        self.news()

    async def _read_filter(self, text: str) -> LogFilter:
        desk = self.desk
        return await filters.read(text, desk.workspace, desk.view, zone=desk.when.zone, within=self._within)

    async def _narrow(self, text: str, stay: bool = False) -> None:
        """Show only what the text lets through; `stay` on the current change, else begin with the newest."""
        self.wanted, self._typed = await self._read_filter(text), " ".join(text.split())
        self._found = self.wanted if self._typed else None
        if not stay:
            self._at, self._anew = None, True
        self.news()

    def do_filter(self) -> None:
        """Ask for words and conditions that a change must meet."""

        async def check(text: str) -> None:
            await self._read_filter(text)

        def chosen(text: str | None) -> None:
            if text is not None:
                self.work(partial(self._narrow, text), group="filter")

        help_text = _(
            "Words that a change mentions, and: by:user on:device of:entity property:name since:moment until:moment. "
            'Two words as one: of:"Lane 1". Moments: 2026-03-31, 2026-03-31T14:00, -2h, -7d.'
        )
        self.ask(Ask(_("Show only"), self._typed, help_text, check, _("show")), chosen)

    async def do_find_next(self) -> None:
        """Go to the next change that the filter lets through, also after all are shown again."""
        await self._go_to_found(newest_first=True)

    async def do_find_previous(self) -> None:
        """Go to the one before, which is newer."""
        await self._go_to_found(newest_first=False)

    async def _go_to_found(self, newest_first: bool) -> None:
        entry, found, log = self.entry, self._found, self.desk.view.log
        if entry is None or found is None:
            return
        ahead = await log(found, after=entry.position, limit=1, newest_first=newest_first)
        ahead = ahead or await log(found, limit=1, newest_first=newest_first)  # and from the other end again
        if ahead:
            await self.go_to(ahead[0].position)

    async def do_only(self) -> None:
        """Choose what the changes shall have in common with this one, or who made them."""
        entry, schema = self.entry, self.desk.schema
        if entry is None:
            return
        known = [(entity, self._known[entity]) for entity in entry.entities if entity in self._known]
        labels = [schema.property(self.kind(e.entity), e.property).label(language()) for e in self._edits]
        found = parts(
            entry,
            self.desk.names.device(entry.device),
            [(f"{name.kind}:{name.key}", self._names.entity(entity)) for entity, name in known if name.key],
            list(dict.fromkeys(labels))[:FEW],
            await self.desk.workspace.store.users(),
            self.desk.when,
        )

        def chosen(part: object) -> None:
            if isinstance(part, Part):
                self.work(partial(self._narrow, narrowed(self._typed, part), stay=True), group="filter")

        rows: list[tuple[Part, Line]] = [(part, [(text, "plain")]) for part, text in found]
        self.ask(Choose(_("Show only changes …"), rows), chosen)


def _with_rest(lines: list[Line], count: int, height: int) -> list[Line]:
    """The lines, the last one saying how many more there are if there are."""
    if count <= len(lines):
        return lines
    shown = lines[: max(0, height - 1)]
    return [*shown, [(_("… and {count} more: v shows all").format(count=number(count - len(shown))), "dim")]]
