"""Inbox: what wants a decision, whenever somebody likes; below, side by side, what is at odds and who knew what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from core.inbox import Matter
from core.records import Edit
from core.workspace.lineage import Step, lineage
from core.workspace.pending import Pending
from tui.command_host import bindings
from tui.commands import Command
from tui.language.i18n import _, language, ngettext
from tui.rows.forms import NOBODY, Names, references, referred, shown
from tui.rows.lines import Line, rule, spread
from tui.rows.matterfilter import sought
from tui.rows.matters import ALONE, BETWEEN, MOST, Details, lines, prop_of, row, title, who_knew
from tui.rows.naming import SEPARATOR
from tui.screens.answering import Answering
from tui.screens.dialogs import Ask
from tui.screens.form import Form
from tui.screens.matterlist import Key, Matters, key_of
from tui.screens.reading import Reading, candidates_in_full
from tui.widgets.text import Lines

if TYPE_CHECKING:
    from core.workspace.undoing import Turn

_ANSWERS = ("another", "clear", "bring_back")
"""What answers a matter of one value alone."""
_TALL = 30
"""Rows of a terminal that is hardly at the end of a slow line."""


class Inbox(Answering):
    """The list of matters."""

    PLACE = "inbox"
    SCOPES = ("inbox", "listing")
    BINDINGS = bindings("inbox")
    CSS = """
    Inbox #details { height: 7; }
    Inbox.-tall #details { height: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: Names = NOBODY
        self._named: set[bytes] = set()
        """Whose names were read since all is read anew; until then the old ones are shown."""
        self._marked: set[Key] = set()
        self._sought = ""
        self._found: set[Key] = set()
        self._chosen = 0
        self._about: Details | None = None
        self._looked_at: Matter | None = None
        self._looking: tuple[Key, str] | None = None
        self._slipped: object = None
        self._answered: object = None

    @property
    def matter(self) -> Matter | None:
        source = self.lines.source
        return source.matters[self.lines.cursor] if isinstance(source, Matters) and len(source) else None

    @property
    def chosen(self) -> int:
        matter = self.matter
        return min(self._chosen, len(matter.candidates) - 1) if matter else 0

    @property
    def about(self) -> Details | None:
        return self._about

    async def update(self) -> None:
        self.names, self._named = Names(self.names.entities, self.desk.names.devices), set()
        matters = self.desk.matters
        if self._sought:
            every = await matters.all()
            matters = Pending.of(await sought(every, self._sought, self.desk.view, self.desk.schema, self.names))
            self._found = set(map(key_of, matters.mentions))
        old, source = self.lines, Matters(self, matters)
        if self._marked:
            self._marked &= set(map(key_of, source.matters.mentions))
        cursor = where = -1
        under = at = None
        while where != old.cursor:  # again where somebody moved on meanwhile
            where, under, at = old.cursor, old.key, source.index(old.key)
            cursor = where if at is None else at
            top = max(0, min(cursor, len(source) - 1))
            await source.load(max(0, top - old.size.height), top + old.size.height)
        self._about = None
        self.names = Names({e: self.names.entities[e] for e in self._named}, self.names.devices)
        self.lines.show(source, cursor=cursor)
        if self._looking and at is None and under == self._looking[0]:
            self._gone(*self._looking)
        await self._read_details()

    def _gone(self, key: Key, what: str) -> None:
        """Another matter came under the cursor: unless that was our doing, say so, and let no key take it unseen."""
        own, self._answered, self._looking = self._answered, None, None
        if key != own:
            self.message(_("{what} was settled meanwhile.").format(what=what), attention=True)
            self._slipped = self.lines.key

    def on_screen_resume(self) -> None:
        self._looking = None
        super().on_screen_resume()

    def do_now(self) -> None:
        """Leave the past."""
        self._looking = None
        super().do_now()

    async def learn(self, matters: list[Matter], most: int) -> None:
        """Learn what the first entities of these matters are called, and those that their values refer to."""
        entities = {entity for matter in matters for entity in (matter.entity, *matter.entities[:most])}
        entities.update(e for matter in matters for leaf in matter.candidates[:most] for e in referred(leaf.value))
        unknown = entities - self._named
        if unknown:
            called = await self.desk.paths(unknown)
            self.names = Names({**self.names.entities, **called}, self.names.devices)
            self._named |= called.keys()

    def where(self) -> str:
        return _("Inbox")

    def heading(self) -> tuple[Line, Line]:
        count = len(self.lines.source)
        left = ngettext("{count} matter", "{count} matters", count) if count else self._nothing()
        lasting = self.desk.moment is not None or self.desk.readonly
        right = _("settle all by rule: R") if len(self.lines.source) and not lasting else ""
        if self._marked:
            right = ngettext("{count} marked, settle: R", "{count} marked, settle: R", len(self._marked))
        role = "strong" if self._marked else "plain"
        if self._sought:
            filtered = _("filter: {filter}").format(filter=self._sought)
            return [(left, "plain")], [(filtered, "strong"), (f" · {right}" if right else "", role)]
        return [(left, "plain")], [(right, role)]

    def row(self, matter: Matter, width: int) -> Line:
        """A line of the list."""
        return row(matter, key_of(matter) in self._marked, width, self.desk.schema, self.names, self.desk.when)

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        if self._slipped != self.lines.key:
            self._slipped = None
        self.work(self._read_details, group="details")

    async def _read_details(self) -> None:
        """Read what stands below the list, if the cursor is on another matter."""
        matter = self.matter
        if matter is None:
            self._about = None
        elif self._about is None or self._about.matter != matter:
            self._chosen = self._chosen_again(matter)
            self._looked_at = matter
            self._about = await self._details_of(matter)
            called = "".join(text for text, _role in title(self._about, self.desk.schema)[0])
            self._looking = (key_of(matter), called)
        self.redraw_details()

    def _chosen_again(self, matter: Matter) -> int:
        """Which candidate is chosen: when the same is read anew, a key must not take another one than was chosen."""
        before = self._looked_at
        if before is None or key_of(before) != key_of(matter):
            return 0
        fact = before.candidates[min(self._chosen, len(before.candidates) - 1)].fact
        again = next((place for place, leaf in enumerate(matter.candidates[:MOST]) if leaf.fact == fact), None)
        if again is None:
            self.message(_("The chosen one was replaced meanwhile."), attention=True)
            self._slipped = self.lines.key
        return again or 0

    async def _details_of(self, matter: Matter) -> Details:
        view, schema = self.desk.view, self.desk.schema
        wanted: list[bytes] = []
        if matter.type == "dangling":
            wanted = [e for leaf in matter.candidates[:1] for e in referred(leaf.value)]
        elif matter.type == "retired-edit":
            wanted = [matter.entity]
        records = {entity: await view.record(entity, schema) for entity in wanted}
        await self.learn([matter], self._in_sight)
        called = dict(self.names.entities)
        if matter.type == "retired-edit":
            named = await view.names(references(records[matter.entity]), schema)
            called |= {entity: name.title for entity, name in named.items()}
        steps: tuple[Step, ...] = ()
        if matter.type == "conflict":
            steps = tuple(await lineage(self.desk.workspace.store, [leaf.fact for leaf in matter.candidates]))
            unknown = {e for step in steps for e in referred(step.value)} - called.keys()
            called |= {entity: name.title for entity, name in (await view.names(unknown, schema)).items()}
        return Details(matter, records, steps, Names(called, self.names.devices))

    def caption(self, width: int) -> Line:
        left, right = title(self._about, self.desk.schema) if self._about else ([], [])
        if self._about is None or self.size.height >= _TALL:
            return rule(width, left, right)
        # A line drawn between them would be the most of what a cursor key sends.
        return spread(width, [("── ", "dim"), *left], [*right, (" ──", "dim")])

    def details(self, width: int, height: int) -> list[Line]:
        if self._about is None:
            text = _(
                "What is at odds stands here as soon as this device hears of it: 5 goes to Sync, where it meets others."
            )
            return self.empty(text, width) if self._quiet else []
        below = lines(self._about, self.chosen, width - 4, height, self.desk.schema, self.desk.when)
        return [[(" ", "plain"), *line] for line in below]

    def copied(self) -> str:
        """The chosen value."""
        matter, about = self.matter, self._about
        if matter is None or about is None or not matter.candidates:
            return ""
        value = matter.candidates[self.chosen].value
        return value if isinstance(value, str) else shown(prop_of(matter, self.desk.schema), value, about.names)

    @property
    def _quiet(self) -> bool:
        """Whether there is nothing to settle."""
        return not len(self.lines.source) and not self._sought and not self.desk.waiting.looking

    def _nothing(self) -> str:
        if self._sought:
            return _("Nothing that waits mentions this: Esc shows all.")
        if self.desk.waiting.looking:
            return _("Looking for what waits for a decision …")
        return _("Nothing waits for a decision.")

    # --- commands ----------------------------------------------------------------------------------------------------

    def action_command(self, name: str) -> None:
        if self.matter is None and len(self.lines.source):
            # Typed ahead: the row that the key is for has not been worked out.
            self.work(partial(self._command_when_read, name), group="ahead")
        else:
            super().action_command(name)

    async def _command_when_read(self, name: str) -> None:
        await self.lines.source.load(self.lines.cursor, self.lines.cursor)
        super().action_command(name)

    def cannot(self, name: str) -> str | None:
        if name in ("undo", "redo", "stop"):
            return None
        if name == "find":
            return None if self.desk.matters else self._nothing()
        if name in ("find_next", "find_previous"):
            return None if self._found else _("Nothing was sought yet: / asks for words.")
        matter = self.matter
        if matter is None:
            return self._nothing()
        return self.refusal(name, matter)

    def offered(self) -> list[Command]:
        """Where there is one value only, first what can be done with it: the last line has no room for all."""
        matter, offered = self.matter, super().offered()
        if matter is None or matter.type not in ALONE:
            return offered
        return sorted(offered, key=lambda each: (bool(self.refusal(each.name, matter)), each.name not in _ANSWERS))

    async def do_right(self) -> None:
        """Choose the next candidate."""
        await self._choose(1)

    async def do_left(self) -> None:
        """Choose the candidate before."""
        await self._choose(-1)

    @property
    def _in_sight(self) -> int:
        """How many candidates can be seen up to the chosen one and around it."""
        return min(MOST, self.chosen + self.query_one("#details", Lines).size.height)

    async def _choose(self, step: int) -> None:
        matter, details = self.matter, self._about
        if matter is None or details is None:
            return
        self._chosen = (self.chosen + step) % min(len(matter.candidates), MOST)
        await self.learn([matter], self._in_sight)
        called = {**details.names.entities, **self.names.entities}
        self._about = replace(details, names=Names(called, details.names.devices))
        self.redraw_details()

    async def do_take(self) -> None:
        """Settle with the chosen candidate, unless another one has just taken the place of what was looked at."""
        slipped, self._slipped = self._slipped, None
        if slipped is not None and slipped == self.lines.key:
            self.message(_("This has only just come under the cursor: once more takes it."), attention=True)
        else:
            await super().do_take()

    def do_mark(self) -> None:
        """Mark or unmark, and go on to the next."""
        source = self.lines.source
        if isinstance(source, Matters):
            self._marked ^= {source.key(self.lines.cursor)}
            self.lines.refresh_line(self.lines.cursor)
            self.lines.move_to(self.lines.cursor + 1)
            self.redraw_details()

    async def marked(self) -> list[Matter]:
        source = self.lines.source
        return [
            matter
            for matter in (await source.matters.all() if isinstance(source, Matters) else ())
            if matter.type == "conflict" and (not self._marked or key_of(matter) in self._marked)
        ]

    def settled(self) -> None:
        self._marked.clear()

    async def _save(self, edits: list[Edit]) -> None:
        self._answered = self.lines.key
        await super()._save(edits)

    async def _carry_out(self, batches: Sequence[list[Edit]], note: str) -> None:
        self._answered = self.lines.key
        await super()._carry_out(batches, note)

    async def _turn(self, turn: Turn, note: str) -> None:
        self._answered = self.lines.key
        await super()._turn(turn, note)

    def do_stop(self) -> None:
        """Stop what is being saved; if nothing is, show all matters again; if all are shown, take the marks away."""
        if self.stopped():
            return
        if self._sought:
            self._sought, self._looking = "", None
            self.news()
        elif self._marked:
            self._marked.clear()
            self.lines.refresh()
            self.redraw_details()

    def do_find(self) -> None:
        """Ask for words, and show only matters that mention them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self._sought, self._looking = " ".join(text.split()), None
                self.news()

        help_text = _(
            "Words in a property, a value, a name, a note or what is the matter; or the title of something, for all "
            "that is below it."
        )
        self.ask(Ask(_("Show only"), self._sought, help_text, word=_("show")), chosen)

    def do_find_next(self) -> None:
        """Go to the next matter that mentions what was sought, also after all are shown again."""
        self._go_to_found(1)

    def do_find_previous(self) -> None:
        """Go to the one before."""
        self._go_to_found(-1)

    def _go_to_found(self, step: int) -> None:
        source, count = self.lines.source, len(self.lines.source)
        if isinstance(source, Matters):
            ahead = ((self.lines.cursor + step * distance) % count for distance in range(1, count + 1))
            self.lines.move_to(next((index for index in ahead if source.key(index) in self._found), self.lines.cursor))

    def do_open(self) -> None:
        """Open the form at the property; of several entities that of the chosen one."""
        if matter := self.matter:
            entity = matter.entities[self.chosen] if matter.type in BETWEEN else matter.entity
            self.ask(Form(entity, matter.property))

    def do_who_knew(self) -> None:
        """The drawing, as large as it is."""
        if self._about:
            details = self._about
            schema, when = self.desk.schema, self.desk.when
            self.ask(Reading(_("Who knew what"), lambda width: who_knew(details, width, schema, when)))

    def do_whole(self) -> None:
        """Every candidate's value, whole."""
        details = self._about
        if details is None:
            return
        matter, prop = details.matter, prop_of(details.matter, self.desk.schema)
        draw = partial(candidates_in_full, prop, matter.candidates[:MOST], details.names, self.desk.when)
        label = prop.label(language())
        self.ask(Reading(f"{details.names.entity(matter.entity)}{SEPARATOR}{label}", draw))

    def do_history_of(self) -> None:
        """The changes of this property."""
        if matter := self.matter:
            entity = matter.entities[self.chosen] if matter.type in BETWEEN else matter.entity
            label = prop_of(matter, self.desk.schema).label(language())
            of = f"{self.names.entity(entity)}{SEPARATOR}{label}"
            self.desk.show_history(entity, matter.property, of)
