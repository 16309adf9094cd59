"""What settles the matters of the inbox: take, type another, clear, bring back, and a rule for many.

Only a value that was chosen among those shown is written at once; everything else shows its difference first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from core import answers
from core.answers import Rule
from core.changes import Value
from core.inbox import Matter
from core.records import Edit, Record, edit
from core.schema import RETIRED
from core.workspace import undoing
from tui.language.i18n import _, language, ngettext, number, say
from tui.rows.forms import refusal_text
from tui.rows.lines import Column, Line, columns
from tui.rows.matters import BETWEEN, Details, prop_of, retired_targets
from tui.rows.naming import shortened
from tui.rows.preview import preview
from tui.rows.remarks import clash_remarks, consequence
from tui.rows.values import corrected, read_value, typed_text
from tui.screens.dialogs import Ask, Choose, Save
from tui.screens.picking import picker
from tui.screens.turning import SAVING, Turning

_TITLE = 36
"""Columns that a path gets in the title of a dialog."""
MOST_CHOICES = 12
"""People and devices that are offered as rules, those with the most matters first."""


class Answering(Turning):
    """The inbox's answers; the page itself says which matter is meant and which of its candidates is chosen."""

    @property
    def matter(self) -> Matter | None:
        """What is under the cursor."""
        raise NotImplementedError

    @property
    def chosen(self) -> int:
        """The place of the chosen candidate."""
        raise NotImplementedError

    @property
    def about(self) -> Details | None:
        """What was read of the matter under the cursor."""
        raise NotImplementedError

    async def marked(self) -> list[Matter]:
        """The conflicts that are marked, or all if none is."""
        raise NotImplementedError

    def settled(self) -> None:
        """Something was written: what was marked is done."""
        raise NotImplementedError

    def refusal(self, name: str, matter: Matter) -> str | None:
        """Why a command cannot answer this matter."""
        several = matter.type in ("conflict", "retired-edit", *BETWEEN)
        if name in ("take", "left", "right") and not several:
            return _("There is one value only: e types another one, x clears it.")
        if name in ("another", "clear") and matter.type == "retired-edit":
            return _("This is about whether it is retired: t takes the chosen one.")
        if name == "clear" and matter.type == "conflict":
            return _("e types another value; to clear it, choose “no longer used” or press x in the form.")
        if name == "clear" and (problem := prop_of(matter, self.desk.schema).check(None)):
            return say(problem)
        if name == "bring_back" and not (matter.type == "retired-edit" or (self.about and self._retired())):
            return _("Nothing that this is about is retired.")
        if name == "who_knew" and matter.type != "conflict":
            return _("There is something to draw only where one property has several values.")
        return None

    def _retired(self) -> list[bytes]:
        return retired_targets(self.about) if self.about and self.about.matter == self.matter else []

    def _entity(self, matter: Matter) -> bytes:
        """The entity that is meant: of several that claim the same, the chosen one."""
        return matter.entities[min(self.chosen, len(matter.entities) - 1)] if matter.type in BETWEEN else matter.entity

    async def _called(self, entity: bytes) -> str:
        """Where it is and what it is called, for a title."""
        return shortened(await self.desk.path(entity), _TITLE)

    async def _record(self, entity: bytes) -> Record:
        return await self.desk.view.record(entity, self.desk.schema)

    # --- one matter --------------------------------------------------------------------------------------------------

    async def do_take(self) -> None:
        """Settle with the chosen candidate."""
        matter = self.matter
        if matter is None:
            return
        if matter.type == "conflict":
            value = matter.candidates[self.chosen].value
            await self._save([answers.settle(matter, await self._record(matter.entity), value)])
        elif matter.type == "retired-edit":
            await self._take_retired(matter)
        else:
            chosen = self._entity(matter)
            records = {entity: await self._record(entity) for entity in matter.entities}
            needed = answers.needed(matter, self.desk.schema)
            title = _("Leave {label} to {name}, retire the others") if needed else _("Leave {label} to {name}")
            title = title.format(
                label=prop_of(matter, self.desk.schema).label(language()), name=await self._called(chosen)
            )
            await self._propose(title, answers.keep(matter, chosen, records, self.desk.schema))

    async def _take_retired(self, matter: Matter) -> None:
        record = await self._record(matter.entity)
        name = await self._called(matter.entity)
        retirements = {leaf.fact for leaf in record.slot(RETIRED).leaves}
        if matter.candidates[self.chosen].fact in retirements:
            await self._propose(_("Keep {name} retired").format(name=name), [answers.retire(record)])
        else:
            await self._propose(_("Take {name} into use again").format(name=name), [answers.bring_back(record)])

    async def do_bring_back(self) -> None:
        """Take into use again what is retired."""
        matter = self.matter
        if matter is None:
            return
        entities = [matter.entity] if matter.type == "retired-edit" else self._retired()
        edits = [answers.bring_back(await self._record(entity)) for entity in entities]
        names = ", ".join([await self._called(entity) for entity in entities])
        await self._propose(_("Take {name} into use again").format(name=names), edits)

    async def do_retire(self) -> None:
        """Take the entity that is meant out of use."""
        matter = self.matter
        if matter is None:
            return
        entity = self._entity(matter)
        title = _("Retire {name}").format(name=await self._called(entity))
        await self._propose(title, [answers.retire(await self._record(entity))])

    async def do_clear(self) -> None:
        """Say that the property is no longer used at the chosen entity."""
        matter = self.matter
        if matter is None:
            return
        entity = self._entity(matter)
        prop = prop_of(matter, self.desk.schema)
        title = _("{label} of {name} is no longer used").format(
            label=prop.label(language()), name=await self._called(entity)
        )
        await self._propose(title, [edit(await self._record(entity), matter.property, None)])

    async def do_another(self) -> None:
        """Pick or type a value."""
        matter = self.matter
        if matter is None:
            return
        view, schema, entity = self.desk.view, self.desk.schema, self._entity(matter)
        prop = prop_of(matter, schema)
        leaf = matter.candidates[min(self.chosen, len(matter.candidates) - 1)]

        async def check(text: str) -> None:
            await read_value(prop, text, view, schema)

        def picked(answer: tuple[Value] | None) -> None:
            if answer is not None:
                self.work(partial(self._settle_with, matter, entity, answer[0]), group="settle")

        def typed(text: str | None) -> None:
            if text is not None:
                self.work(partial(self._type, matter, entity, text), group="settle")

        if dialog := picker(prop, leaf.value, view, schema):
            self.ask(dialog, picked)
            return
        said = [prop.help_text(language())]
        if matter.type == "invalid" and (problem := prop.check(leaf.value)):
            said.insert(0, refusal_text(problem, prop) + ".")
        title = f"{await self._called(entity)} › {prop.label(language())}"
        text = corrected(prop, await typed_text(prop, leaf.value, view, schema))
        self.ask(Ask(title, text, " ".join(filter(None, said)), check, _("save"), at_once=True), typed)

    async def _type(self, matter: Matter, entity: bytes, text: str) -> None:
        desk = self.desk
        await self._settle_with(
            matter, entity, await read_value(prop_of(matter, desk.schema), text, desk.view, desk.schema)
        )

    async def _settle_with(self, matter: Matter, entity: bytes, value: Value) -> None:
        """Save a value at once, or, if it clashes with something, say so first."""
        desk, record = self.desk, await self._record(entity)
        name = matter.property
        edits = [answers.settle(matter, record, value) if matter.type == "conflict" else edit(record, name, value)]
        clashing = await clash_remarks(desk.view, desk.schema, {entity: (record, {name: value})})
        if not clashing:
            await self._save(edits)
            return
        rows = await preview(edits, desk.view, desk.schema, desk.names)
        title = f"{await self._called(entity)} › {prop_of(matter, desk.schema).label(language())}"
        self._ask(title, rows, [edits], clashing + consequence(clashing))

    async def _save(self, edits: list[Edit]) -> None:
        await self.desk.workspace.save(edits, None)
        self.settled()
        await self.desk.news()
        self.message(_("Settled. u takes it back."))

    async def _propose(self, title: str, edits: list[Edit]) -> None:
        desk = self.desk
        rows = await preview(edits, desk.view, desk.schema, desk.names)
        self._ask(title, rows, [edits], [])

    def _ask(self, title: str, rows: Sequence[Line], batches: Sequence[list[Edit]], remarks: Sequence[str]) -> None:
        def answered(note: str | None) -> None:
            if note is not None:
                self.work(partial(self._carry_out, batches, note), group=SAVING)

        self.ask(Save(title, rows, remarks), answered)

    async def _carry_out(self, batches: Sequence[list[Edit]], note: str) -> None:
        await undoing.save_all(self.desk.workspace, batches, note or None, self.saved)
        self.settled()
        await self.desk.news()
        count = sum(map(len, batches))
        text = ngettext("{count} value saved. u takes it back.", "{count} values saved. u takes them back.", count)
        self.message(text)

    # --- many by a rule ----------------------------------------------------------------------------------------------

    async def do_rule(self) -> None:
        """Choose a rule."""
        self.message(_("Looking at what is to be settled …"))
        matters = await self.marked()
        self.message("")
        if not matters:
            self.message(_("A rule settles properties with several values; none of these is one."), attention=True)
            return

        def chosen(rule: object) -> None:
            if isinstance(rule, Rule):
                self.work(partial(self._apply_rule, rule, matters), group=SAVING)

        title = ngettext("Settle {count} conflict with", "Settle {count} conflicts with", len(matters))
        self.ask(Choose(title, self._rules(matters)), chosen)

    def _rules(self, matters: Sequence[Matter]) -> list[tuple[Rule, Line]]:
        own, names = self.desk.workspace.identity.device, self.desk.names
        devices = answers.devices(matters)
        rules = [(Rule(), _("the newest value"), len(matters))]
        rules.append((Rule(device=own), _("what was said on this device"), devices.pop(own, 0)))
        people = [
            (Rule(user=user), _("what {user} said").format(user=user), count)
            for user, count in answers.users(matters).most_common(MOST_CHOICES)
        ]
        others = [
            (Rule(device=device), _("what was said on {device}").format(device=names.device(device)), count)
            for device, count in devices.most_common(MOST_CHOICES)
        ]
        return [
            (rule, columns(66, [Column(text, None), Column(number(count), 12, "dim", right=True)]))
            for rule, text, count in [*rules, *people, *others]
        ]

    async def _apply_rule(self, rule: Rule, matters: Sequence[Matter]) -> None:
        """Show what the rule would write, and what it says nothing about."""
        desk = self.desk
        edits: list[Edit] = []
        overtaken = 0
        for place, matter in enumerate(matters):
            leaf = rule.choose(matter.candidates)
            if leaf is None:
                continue
            record = await self._record(matter.entity)
            try:
                edits.append(answers.settle(matter, record, leaf.value))
            except answers.Overtaken:
                overtaken += 1
            if place % 100 == 99:
                self.message(
                    _("{done} of {count} looked at · Esc stops").format(
                        done=number(place + 1), count=number(len(matters))
                    )
                )
        self.message("")
        remarks = []
        if rest := len(matters) - len(edits) - overtaken:
            text = ngettext(
                "{count} conflict stays as it is: the rule says nothing about it.",
                "{count} conflicts stay as they are: the rule says nothing about them.",
                rest,
            )
            remarks.append(text)
        if overtaken:
            text = ngettext(
                "{count} has got another value meanwhile.", "{count} have got other values meanwhile.", overtaken
            )
            remarks.append(text)
        if not edits:
            self.message(_("The rule says nothing about any of them."), attention=True)
            return
        title = ngettext("Settle {count} conflict", "Settle {count} conflicts", len(edits))
        rows = await preview(edits, desk.view, desk.schema, desk.names, where=True)
        self._ask(title, rows, [edits], remarks)
