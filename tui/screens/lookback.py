"""The ways to look back from a change: as of then, what differs, when it became so, and bringing back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from core.records import Edit
from core.store.log import LogEntry, Position, ShownEdit
from core.workspace import filters, past, stepping, undoing
from tui.language.i18n import _, language, number
from tui.rows.forms import Names, referred, shown
from tui.rows.lines import Line
from tui.rows.naming import above
from tui.rows.preview import preview
from tui.rows.remarks import edits_clash
from tui.screens.dialogs import Ask, Choose, Save
from tui.screens.differences import Change, Moments
from tui.screens.turning import SAVING, Turning

Place = tuple[bytes, str]
_MOST_CHAINS = 50
_OWN_KINDS = ("fleet", "schema", "member")
"""What only admins change, elsewhere."""
NOW, BEFORE, TYPED = "now", "before", "typed"


class Lookback(Turning):
    """What History offers for the change under its cursor; the page itself says which that is."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: LogEntry | None = None
        self._stepped: Place | None = None

    @property
    def entry(self) -> LogEntry | None:
        """The change under the cursor."""
        raise NotImplementedError

    @property
    def edits(self) -> list[ShownEdit]:
        """What it did."""
        raise NotImplementedError

    @property
    def names(self) -> Names:
        """What the entities are called that it speaks of."""
        raise NotImplementedError

    def kind(self, entity: bytes) -> str | None:
        """The kind of one of these entities."""
        raise NotImplementedError

    def is_wanted(self, place: Place) -> bool:
        """Whether the changes are shown because of this property of this entity."""
        raise NotImplementedError

    async def go_to(self, position: Position) -> None:
        """Put the cursor on a change."""
        raise NotImplementedError

    def refusal(self, name: str) -> str | None:
        """Why a command cannot act on this change."""
        if name in ("undo", "redo", "moment", "filter"):
            return None
        return _("No change is here.") if self.entry is None else None

    # --- moments -----------------------------------------------------------------------------------------------------

    def do_as_of(self) -> None:
        """Look at everything as it was right after this change."""
        if entry := self.entry:
            self.desk.look_at(entry.position[0])

    def do_known(self) -> None:
        """Look at everything as this device knew it right after this change had reached it."""
        if entry := self.entry:
            self.desk.look_at(entry.received_at, known=True)

    def do_moment(self) -> None:
        """Ask for a moment, and look at everything as it was then."""
        self._ask_moment(_("Look at everything as of"), self.desk.look_at)

    def _ask_moment(self, title: str, use: Callable[[int], None]) -> None:
        desk = self.desk

        async def check(text: str) -> None:
            await filters.moment(text, desk.workspace, zone=desk.when.zone)

        async def answer(text: str) -> None:
            use(await filters.moment(text, desk.workspace, zone=desk.when.zone))

        def answered(text: str | None) -> None:
            if text is not None:
                self.work(partial(answer, text), group="moment")

        help_text = _("A date, a time such as 2026-03-31T14:00, a time ago such as -2h or -7d, or a change's id.")
        self.ask(Ask(title, "", help_text, check), answered)

    # --- what differs ------------------------------------------------------------------------------------------------

    def do_mark(self) -> None:
        """Mark the change to compare with, or take the mark away."""
        entry = self.entry
        self.marked = None if self.marked and entry and self.marked.change == entry.change else entry
        if self.marked:
            self.message(_("Marked: go to another change and press d to see what differs between the two."))
        self.news()

    def do_compare(self) -> None:
        """Show what differs between this moment and another one."""
        entry = self.entry
        if entry is None:
            return
        here = entry.position[0]
        if self.marked and self.marked.change != entry.change:
            self._show_difference(self.marked.position[0], here)
            return

        def chosen(what: object) -> None:
            if what == NOW:
                self.ask(Moments(here, None))
            elif what == BEFORE:
                self._show_difference(here - 1, here)
            elif what == TYPED:
                self._ask_moment(_("Compare with"), partial(self._show_difference, here))

        rows: list[tuple[str, Line]] = [
            (NOW, [(_("how everything is now"), "plain")]),
            (BEFORE, [(_("how everything was just before it"), "plain")]),
            (TYPED, [(_("another moment, that you type"), "plain")]),
        ]
        when = self.desk.when.full(entry.at)
        title = _("Compare {when} with").format(when=when)
        self.ask(Choose(title, rows), chosen)

    def _show_difference(self, one: int, other: int) -> None:
        self.ask(Moments(min(one, other), max(one, other)))

    def do_whole(self) -> None:
        """All that this change did."""
        if entry := self.entry:
            self.ask(Change(entry))

    # --- when did this become so -------------------------------------------------------------------------------------

    def do_older(self) -> None:
        """Go to the change that made the value what it is here, or to the one before."""
        self._step(newer=False)

    def do_newer(self) -> None:
        """Go to the next change that made the value another one."""
        self._step(newer=True)

    def _step(self, newer: bool) -> None:
        every = list(dict.fromkeys((edit.entity, edit.property) for edit in self.edits))
        places = list(filter(self.is_wanted, every)) or every
        if self._stepped in places or len(places) == 1:
            place = self._stepped if self._stepped in places else places[0]
            self.work(partial(self._step_in, place, newer), group="step")
            return

        def chosen(place: object) -> None:
            if isinstance(place, tuple):
                self.work(partial(self._step_in, place, newer), group="step")

        rows = [(place, [(self._called(place), "plain")]) for place in places]
        self.ask(Choose(_("When did which of them become so?"), rows), chosen)

    def _called(self, place: Place) -> str:
        entity, name = place
        return f"{self.names.entity(entity)} › {self.desk.schema.property(self.kind(entity), name).label(language())}"

    async def _step_in(self, place: Place, newer: bool) -> None:
        entry, desk = self.entry, self.desk
        if entry is None:
            return
        self._stepped = place
        called, prop = self._called(place), desk.schema.property(self.kind(place[0]), place[1])
        became = await stepping.step(
            desk.workspace.store, *place, entry.position, newer=newer, until=desk.moment if newer else None
        )
        if became is None:
            text = _("{property} has not changed since.") if newer else _("{property} was not said before.")
            self.message(text.format(property=called))
            return
        refs = [*referred(became.old), *referred(became.new)]
        known = await desk.view.names(refs, desk.schema)
        names = Names({entity: name.title for entity, name in known.items()}, desk.names.devices)
        await self.go_to(became.entry.position)
        old = _("not configured") if became.first else shown(prop, became.old, names)
        text = _("{property} became {new} here; before: {old}.")
        self.message(text.format(property=called, new=shown(prop, became.new, names), old=old))

    # --- bringing back -----------------------------------------------------------------------------------------------

    async def do_restore(self) -> None:
        """Choose what to bring back, then show the difference."""
        entry = self.entry
        if entry is None:
            return
        rows = await self._restorable()
        if not rows:
            self.message(_("Who belongs to the fleet, and its schema, are not brought back here."), attention=True)
            return

        def chosen(what: object) -> None:
            if isinstance(what, tuple):
                self.work(partial(self._plan, what[0], what[1], entry), group="plan")

        if len(rows) == 1:
            chosen(rows[0][0])
        else:
            self.ask(Choose(_("Bring back which of them, as after this change?"), rows), chosen)

    async def _restorable(self) -> list[tuple[tuple[bytes, bool], Line]]:
        """What the change is about, each alone, then with all that is below it or below what it is part of."""
        desk, schema = self.desk, self.desk.schema
        entities = [e for e in dict.fromkeys(edit.entity for edit in self.edits) if self.kind(e) not in _OWN_KINDS]
        rows: list[tuple[tuple[bytes, bool], Line]] = [
            ((entity, False), [(self.names.entity(entity), "plain")]) for entity in entities
        ]
        chains = [await above(entity, desk.view, schema) for entity in entities[:_MOST_CHAINS]]
        tops = list(dict.fromkeys(each for chain in chains for each in reversed(chain)))
        for entity, name in (await desk.view.names(tops, schema)).items():
            if schema.children(name.kind or ""):
                text = _("{name} and everything below it").format(name=name.title)
                rows.append(((entity, True), [(text, "plain")]))
        return rows

    async def _plan(self, entity: bytes, below: bool, entry: LogEntry) -> None:
        desk, moment = self.desk, entry.position[0]
        if below:
            edits = await past.plan_restore_tree(desk.workspace.store, entity, moment, desk.schema)
        else:
            edits = await desk.workspace.plan_restore(entity, moment)
        title, when = await desk.path(entity), desk.when.full(entry.at)
        if not edits:
            self.message(_("{title} is now as it was then.").format(title=title))
            return
        rows = await preview(edits, desk.workspace.store.now(), desk.schema, desk.names)

        def answered(note: str | None) -> None:
            if note is not None:
                self.work(partial(self._restore, edits, note, title), group=SAVING)

        heading = _("Bring {title} back to {when}: {count}").format(title=title, when=when, count=number(len(edits)))
        remarks = await edits_clash(desk.workspace.store.now(), desk.schema, edits)
        self.ask(Save(heading, rows, remarks), answered)

    async def _restore(self, edits: list[Edit], note: str, title: str) -> None:
        await undoing.save_all(self.desk.workspace, [edits], note or None, self.saved)
        await self.desk.news()
        self.message(_("{title} is as it was then. u takes it back.").format(title=title))
