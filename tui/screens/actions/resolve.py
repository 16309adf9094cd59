"""What settles the matters of the inbox: take, type another, clear, bring back, and a rule for many.

Only a value that was chosen among those shown is written at once; everything else shows its difference first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from core import resolution
from core.inbox import InboxItem
from core.records import Edit, Record, make_edit
from core.resolution import ResolutionRule
from core.schema import RETIRED
from core.value_codec import Value
from tui.dialogs.base import ChoiceDialog, PromptDialog, SaveDialog
from tui.dialogs.reference_picker import make_picker
from tui.i18n.translate import _, error_text, format_number, language, ngettext
from tui.layout import Column, Line, layout_columns
from tui.screens.actions.undo import UndoActions
from tui.view_models.breadcrumbs import shorten_breadcrumb
from tui.view_models.edit_preview import preview_edits
from tui.view_models.form import refusal_text
from tui.view_models.inbox import MULTI_ENTITY_TYPES, ItemDetails, item_property, retired_targets
from tui.view_models.save_warnings import clash_warnings, inbox_notice
from tui.view_models.value_text import editable_text, parse_value, suggest_correction

_MAX_TITLE_COLUMNS = 36
"""Columns that a path gets in the title of a dialog."""
_RULE_GROUP = "rule"
"""The group of the workers that Esc stops."""
MAX_RULE_CHOICES = 12
"""People and devices that are offered as rules, those with the most matters first."""


class ResolveActions(UndoActions):
    """The inbox's answers; the page itself says which matter is meant and which of its candidates is chosen."""

    @property
    def item(self) -> InboxItem | None:
        """What is under the cursor."""
        raise NotImplementedError

    @property
    def chosen_index(self) -> int:
        """The place of the chosen candidate."""
        raise NotImplementedError

    @property
    def item_details(self) -> ItemDetails | None:
        """What was read of the matter under the cursor."""
        raise NotImplementedError

    async def marked_items(self) -> list[InboxItem]:
        """The conflicts that are marked, or all if none is."""
        raise NotImplementedError

    def clear_resolved(self) -> None:
        """Something was written: what was marked is done."""
        raise NotImplementedError

    def item_disabled_reason(self, name: str, matter: InboxItem) -> str | None:
        """Why a command cannot answer this matter."""
        several = matter.type in ("conflict", "retired-edit", *MULTI_ENTITY_TYPES)
        if name in ("take", "left", "right") and not several:
            return _("There is one value only: e types another one, x clears it.")
        if name in ("another", "clear") and matter.type == "retired-edit":
            return _("This is about whether it is retired: t takes the chosen one.")
        if name == "clear" and matter.type == "conflict":
            return _("e types another value; to clear it, choose “unset” or press x in the form.")
        if name == "clear" and (problem := item_property(matter, self.state.schema).check(None)):
            return error_text(problem)
        if name == "bring_back" and not (
            matter.type == "retired-edit" or (self.item_details and self._retired_entities())
        ):
            return _("Nothing that this is about is retired.")
        if name == "who_knew" and matter.type != "conflict":
            return _("There is something to draw only where one property has several values.")
        return None

    def _retired_entities(self) -> list[bytes]:
        return retired_targets(self.item_details) if self.item_details and self.item_details.item == self.item else []

    def _chosen_entity(self, matter: InboxItem) -> bytes:
        """The entity that is meant: of several that claim the same, the chosen one."""
        return (
            matter.entities[min(self.chosen_index, len(matter.entities) - 1)]
            if matter.type in MULTI_ENTITY_TYPES
            else matter.entity
        )

    async def _entity_title(self, entity: bytes) -> str:
        """Where it is and what it is called, for a title."""
        return shorten_breadcrumb(await self.state.breadcrumb_of(entity), _MAX_TITLE_COLUMNS)

    async def _read_record(self, entity: bytes) -> Record:
        return await self.state.view.record(entity, self.state.schema)

    # --- one matter --------------------------------------------------------------------------------------------------

    async def do_take(self) -> None:
        """Settle with the chosen candidate."""
        matter = self.item
        if matter is None:
            return
        if matter.type == "conflict":
            value = matter.candidates[self.chosen_index].value
            await self._save_resolution(
                [resolution.resolve_conflict(matter, await self._read_record(matter.entity), value)]
            )
        elif matter.type == "retired-edit":
            await self._take_retired(matter)
        else:
            chosen = self._chosen_entity(matter)
            records = {entity: await self._read_record(entity) for entity in matter.entities}
            needed = resolution.is_needed(matter, self.state.schema)
            title = (
                _("Keep {label} at {name}, retire the others")
                if needed
                else _("Keep {label} at {name}, clear it elsewhere")
            )
            title = title.format(
                label=item_property(matter, self.state.schema).label(language()), name=await self._entity_title(chosen)
            )
            await self._propose_edits(title, resolution.resolve_clash(matter, chosen, records, self.state.schema))

    async def _take_retired(self, matter: InboxItem) -> None:
        record = await self._read_record(matter.entity)
        name = await self._entity_title(matter.entity)
        retirements = {leaf.fact for leaf in record.slot(RETIRED).leaves}
        if matter.candidates[self.chosen_index].fact in retirements:
            await self._propose_edits(_("Keep {name} retired").format(name=name), [resolution.retire_entity(record)])
        else:
            await self._propose_edits(
                _("Put {name} back in use").format(name=name), [resolution.unretire_entity(record)]
            )

    async def do_bring_back(self) -> None:
        """Take into use again what is retired."""
        matter = self.item
        if matter is None:
            return
        entities = [matter.entity] if matter.type == "retired-edit" else self._retired_entities()
        edits = [resolution.unretire_entity(await self._read_record(entity)) for entity in entities]
        names = ", ".join([await self._entity_title(entity) for entity in entities])
        await self._propose_edits(_("Put {name} back in use").format(name=names), edits)

    async def do_retire(self) -> None:
        """Take the entity that is meant out of use."""
        matter = self.item
        if matter is None:
            return
        entity = self._chosen_entity(matter)
        title = _("Retire {name}").format(name=await self._entity_title(entity))
        await self._propose_edits(title, [resolution.retire_entity(await self._read_record(entity))])

    async def do_clear(self) -> None:
        """Say that the property is no longer used at the chosen entity."""
        matter = self.item
        if matter is None:
            return
        entity = self._chosen_entity(matter)
        prop = item_property(matter, self.state.schema)
        title = _("Unset {label} of {name}").format(label=prop.label(language()), name=await self._entity_title(entity))
        await self._propose_edits(title, [make_edit(await self._read_record(entity), matter.property, None)])

    async def do_another(self) -> None:
        """Pick or type a value."""
        matter = self.item
        if matter is None:
            return
        view, schema, entity = self.state.view, self.state.schema, self._chosen_entity(matter)
        prop = item_property(matter, schema)
        leaf = matter.candidates[min(self.chosen_index, len(matter.candidates) - 1)]

        async def check(text: str) -> None:
            await parse_value(prop, text, view, schema)

        def picked(answer: tuple[Value] | None) -> None:
            if answer is not None:
                self.run_task(partial(self._resolve_with, matter, entity, answer[0]), group="settle")

        def typed(text: str | None) -> None:
            if text is not None:
                self.run_task(partial(self._save_typed, matter, entity, text), group="settle")

        if dialog := make_picker(prop, leaf.value, view, schema):
            self.open_dialog(dialog, picked)
            return
        said = [prop.help_text(language())]
        if matter.type == "invalid" and (problem := prop.check(leaf.value)):
            said.insert(0, refusal_text(problem, prop) + ".")
        title = f"{await self._entity_title(entity)} › {prop.label(language())}"
        text = suggest_correction(prop, await editable_text(prop, leaf.value, view, schema))
        self.open_dialog(
            PromptDialog(title, text, " ".join(filter(None, said)), check, _("save"), check_while_typing=True), typed
        )

    async def _save_typed(self, matter: InboxItem, entity: bytes, text: str) -> None:
        desk = self.state
        await self._resolve_with(
            matter, entity, await parse_value(item_property(matter, desk.schema), text, desk.view, desk.schema)
        )

    async def _resolve_with(self, matter: InboxItem, entity: bytes, value: Value) -> None:
        """Save a value at once, or, if it clashes with something, say so first."""
        desk, record = self.state, await self._read_record(entity)
        name = matter.property
        edits = [
            resolution.resolve_conflict(matter, record, value)
            if matter.type == "conflict"
            else make_edit(record, name, value)
        ]
        clashing = await clash_warnings(desk.view, desk.schema, {entity: (record, {name: value})})
        if not clashing:
            await self._save_resolution(edits)
            return
        rows = await preview_edits(edits, desk.view, desk.schema, desk.names)
        title = f"{await self._entity_title(entity)} › {item_property(matter, desk.schema).label(language())}"
        self._ask_save(title, rows, edits, clashing + inbox_notice(clashing))

    async def _save_resolution(self, edits: list[Edit]) -> None:
        await self.state.workspace.save(edits, None)
        self.clear_resolved()
        await self.state.refresh_data()
        self.show_message(_("Resolved. u undoes it."))

    async def _propose_edits(self, title: str, edits: list[Edit]) -> None:
        desk = self.state
        rows = await preview_edits(edits, desk.view, desk.schema, desk.names)
        self._ask_save(title, rows, edits, [])

    def _ask_save(self, title: str, rows: Sequence[Line], edits: list[Edit], remarks: Sequence[str]) -> None:
        def answered(note: str | None) -> None:
            if note is not None:
                self.run_task(partial(self._apply_edits, edits, note))

        self.open_dialog(SaveDialog(title, rows, remarks), answered)

    async def _apply_edits(self, edits: list[Edit], note: str) -> None:
        await self.state.workspace.save(edits, note or None)
        self.clear_resolved()
        await self.state.refresh_data()
        count = len(edits)
        text = ngettext("{count} value saved. u undoes it.", "{count} values saved. u undoes it.", count)
        self.show_message(text)

    # --- many by a rule ----------------------------------------------------------------------------------------------

    async def do_rule(self) -> None:
        """Choose a rule."""
        self.show_message(_("Looking for what is to be resolved …"))
        matters = await self.marked_items()
        self.show_message("")
        if not matters:
            self.show_message(
                _("A rule resolves properties with several values; none of these has several."), attention=True
            )
            return

        def chosen(rule: object) -> None:
            if isinstance(rule, ResolutionRule):
                self.run_task(partial(self._apply_rule, rule, matters), group=_RULE_GROUP)

        title = ngettext("Resolve {count} conflict with", "Resolve {count} conflicts with", len(matters))
        self.open_dialog(ChoiceDialog(title, self._rule_rows(matters)), chosen)

    def _rule_rows(self, matters: Sequence[InboxItem]) -> list[tuple[ResolutionRule, Line]]:
        own, names = self.state.workspace.identity.device, self.state.names
        devices = resolution.count_devices(matters)
        rules = [(ResolutionRule(), _("the newest value"), len(matters))]
        rules.append((ResolutionRule(device=own), _("what was set on this device"), devices.pop(own, 0)))
        people = [
            (ResolutionRule(user=user), _("what {user} set").format(user=user), count)
            for user, count in resolution.count_users(matters).most_common(MAX_RULE_CHOICES)
        ]
        others = [
            (ResolutionRule(device=device), _("what was set on {device}").format(device=names.device(device)), count)
            for device, count in devices.most_common(MAX_RULE_CHOICES)
        ]
        return [
            (rule, layout_columns(66, [Column(text, None), Column(format_number(count), 12, "dim", right=True)]))
            for rule, text, count in [*rules, *people, *others]
        ]

    def stop_rule(self) -> bool:
        """Stop looking for what a rule would write; gives whether that was under way."""
        under_way = bool(self.workers.cancel_group(self, _RULE_GROUP))
        if under_way:
            self.show_message(_("Stopped: nothing was saved."))
        return under_way

    async def _apply_rule(self, rule: ResolutionRule, matters: Sequence[InboxItem]) -> None:
        """Show what the rule would write, and what it says nothing about."""
        desk = self.state
        edits: list[Edit] = []
        overtaken = 0
        for place, matter in enumerate(matters):
            leaf = rule.choose(matter.candidates)
            if leaf is None:
                continue
            record = await self._read_record(matter.entity)
            try:
                edits.append(resolution.resolve_conflict(matter, record, leaf.value))
            except resolution.StaleItem:
                overtaken += 1
            if place % 100 == 99:
                self.show_message(
                    _("{done} of {count} looked at · Esc stops").format(
                        done=format_number(place + 1), count=format_number(len(matters))
                    )
                )
        self.show_message("")
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
            self.show_message(_("The rule says nothing about any of them."), attention=True)
            return
        title = ngettext("Resolve {count} conflict", "Resolve {count} conflicts", len(edits))
        rows = await preview_edits(edits, desk.view, desk.schema, desk.names, with_breadcrumbs=True)
        self._ask_save(title, rows, edits, remarks)
