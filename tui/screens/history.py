"""History: all changes, newest first; what each of them did below; the way to look at everything as of one of them."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult

from core.records import Edit
from core.store.log import EVERYTHING, LogEntry, LogFilter, ShownEdit
from tui.formlines import difference_lines
from tui.forms import NOBODY, Names, referred
from tui.i18n import _, language, number
from tui.lines import Line, fit
from tui.logpages import LogPages, called
from tui.screens.dialogs import Ask, Choose, Save
from tui.screens.page import Page, bindings, rule
from tui.widgets.text import LineList, Lines


class History(Page):
    """The log."""

    PLACE = "history"
    SCOPES = ("history",)
    BINDINGS = bindings("history")
    AUTO_FOCUS = "LineList"

    def __init__(self) -> None:
        super().__init__()
        self.wanted: LogFilter = EVERYTHING
        self._of = ""
        self._at: LogEntry | None = None
        self._edits: list[ShownEdit] = []
        self._names: Names = NOBODY
        self._kinds: dict[bytes, str | None] = {}

    def body(self) -> ComposeResult:
        yield LineList(id="list")
        yield Lines(lambda width, _height: [rule(width, self._title())], id="details-title")
        yield Lines(self._details, id="details")

    @property
    def lines(self) -> LineList:
        """The list on the screen."""
        return self.query_one("#list", LineList)

    @property
    def entry(self) -> LogEntry | None:
        """The change under the cursor."""
        source = self.lines.source
        return source.entry(self.lines.cursor) if isinstance(source, LogPages) and len(source) else None

    def only(self, wanted: LogFilter, of: str) -> None:
        """Show only some changes; `of` says of what."""
        self.wanted, self._of = wanted, of
        self._at = None

    async def update(self) -> None:
        view, desk = self.desk.view, self.desk
        size = await view.log_size(self.wanted)
        pages = LogPages(view, desk.schema, self.wanted, size, desk.names, desk.when)
        cursor = 0
        if self._at is not None and self.lines.cursor > 0:
            cursor = min(await view.log_index(self._at.position, self.wanted), max(0, size - 1))
        if size:
            await pages.load(cursor, min(size - 1, cursor + max(1, self.lines.size.height)))
        self.lines.show(pages, cursor=cursor)
        await self._read_details()

    def where(self) -> str:
        return _("History")

    def heading(self) -> tuple[Line, Line]:
        title = _("Changes of {what}").format(what=self._of) if self._of else _("Changes of everything")
        count = len(self.lines.source)
        place = (
            _("{index} of {count}").format(index=number(self.lines.cursor + 1), count=number(count)) if count else ""
        )
        return [(title, "plain")], [(place, "plain")]

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.work(self._read_details, group="details")

    async def _read_details(self) -> None:
        entry = self.entry
        if entry is not None and (self._at is None or entry.change != self._at.change or not self._edits):
            view, schema = self.desk.view, self.desk.schema
            edits = await view.edits(entry.change)
            entities = {edit.entity for edit in edits}
            entities.update(e for edit in edits for value in (edit.old, edit.new) for e in referred(value))
            known = await view.names(entities, schema)
            self._names = Names(
                {e: called(e, name, schema, self.desk.names) for e, name in known.items()}, self.desk.names.devices
            )
            self._kinds = {e: name.kind for e, name in known.items()}
            self._edits = edits
        self._at = entry
        for name in ("#heading", "#details-title", "#details", "#keys"):
            self.query_one(name, Lines).redraw()

    def _title(self) -> Line:
        entry = self._at
        if entry is None:
            return []
        when = self.desk.when
        line: Line = [(when.full(entry.at), "plain")]
        if entry.note:
            line.append((f" · “{entry.note}”", "plain"))
        if entry.source is not None:
            reached = _("reached this device {when}").format(when=when.dated(entry.received_at))
            line.append((f" · {reached}", "plain"))
        if not entry.accepted:
            line.append((" · " + _("not accepted: its author may not write"), "attention"))
        return line

    def _details(self, width: int, height: int) -> list[Line]:
        if self._at is None:
            return [[("   " + _("No change is here."), "dim")]]
        return [[("   ", "plain"), *line] for line in self._edit_lines(width - 6, height)]

    def _edit_lines(self, width: int, height: int) -> list[Line]:
        """Old → new for each edit; where those are too many for several entities, what was touched of each of them."""
        schema, edits = self.desk.schema, self._edits
        entities = list(dict.fromkeys(edit.entity for edit in edits))
        label = min(28, max((len(self._names.entity(entity)) for entity in entities), default=0))
        if len(edits) > height and len(entities) > 1:
            lines: list[Line] = []
            for entity in entities[:height]:
                labels = [
                    schema.property(self._kinds.get(entity), edit.property).label(language())
                    for edit in edits
                    if edit.entity == entity
                ]
                lines.append([(fit(self._names.entity(entity), label) + "  " + ", ".join(labels), "plain")])
            return _with_rest(lines, len(entities), height)
        if len(entities) <= 1:
            label = 0
        items = [(schema.property(self._kinds.get(e.entity), e.property), e.old, e.seen, e.new) for e in edits]
        rows = difference_lines(items[:height], width - label - 2 * bool(label), self._names)
        if label:
            of = [fit(self._names.entity(edit.entity), label) + "  " for edit in edits]
            rows = [[(title, "plain"), *row] for title, row in zip(of, rows, strict=False)]
        return _with_rest(rows, len(edits), height)

    # --- commands ----------------------------------------------------------------------------------------------------

    def cannot(self, name: str) -> str | None:
        if name == "everything":
            return None if self._of else _("These are the changes of everything.")
        if name in ("as_of", "restore") and self.entry is None:
            return _("No change is here.")
        return None

    def do_as_of(self) -> None:
        """Look at everything as it was right after this change."""
        if entry := self.entry:
            self.desk.look_at(entry.position[0])

    def do_everything(self) -> None:
        """Drop the filter."""
        self.only(EVERYTHING, "")
        self.news()

    def do_filter(self) -> None:
        """Ask for a text that a change must contain."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self.only(LogFilter(text=text), f"“{text}”" if text else "")
                self.news()

        self.app.push_screen(Ask(_("Filter"), self.wanted.text, _("Show the changes that mention this text.")), chosen)

    def do_restore(self) -> None:
        """Choose what to bring back, then show the difference."""
        entry = self.entry
        if entry is None:
            return
        entities = list(dict.fromkeys(edit.entity for edit in self._edits))
        if len(entities) == 1:
            self.work(partial(self._plan, entities[0], entry), group="plan")
            return

        def chosen(entity: object) -> None:
            if isinstance(entity, bytes):
                self.work(partial(self._plan, entity, entry), group="plan")

        rows = [(entity, [(self._names.entity(entity), "plain")]) for entity in entities]
        self.app.push_screen(Choose(_("Restore which of them?"), rows), chosen)

    async def _plan(self, entity: bytes, entry: LogEntry) -> None:
        desk = self.desk
        edits = await desk.workspace.plan_restore(entity, entry.position[0])
        title, when = self._names.entity(entity), desk.when.full(entry.at)
        if not edits:
            self.message(_("{title} is now as it was then.").format(title=title))
            return
        record = await desk.view.record(entity, desk.schema)
        refs = {e for edit in edits for value in (edit.value, record.value(edit.property)) for e in referred(value)}
        called = await desk.view.names(refs, desk.schema)
        names = Names({e: name.title for e, name in called.items()}, desk.names.devices)
        items = [
            (
                desk.schema.property(record.kind, edit.property),
                record.value(edit.property),
                bool(record.slot(edit.property).leaves),
                edit.value,
            )
            for edit in edits
        ]

        def answered(note: str | None) -> None:
            if note is not None:
                self.work(partial(self._restore, edits, note, title), group="save")

        heading = _("Restore {title} as of {when}").format(title=title, when=when)
        self.app.push_screen(Save(heading, difference_lines(items, 68, names)), answered)

    async def _restore(self, edits: list[Edit], note: str, title: str) -> None:
        await self.desk.workspace.save(edits, note or None)
        self.message(_("{title} is as it was then; Inbox and History show it.").format(title=title))


def _with_rest(lines: list[Line], count: int, height: int) -> list[Line]:
    """The lines, the last one saying how many more there are if there are."""
    if count <= len(lines):
        return lines
    shown = lines[: max(0, height - 1)]
    return [*shown, [(_("… and {count} more").format(count=number(count - len(shown))), "dim")]]
