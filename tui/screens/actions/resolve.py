"""Resolve items: take a candidate, type, unset, put back in use, or by rule.

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
from tui.commands import Command
from tui.dialogs.base import ChoiceDialog, PromptDialog
from tui.dialogs.reference_picker import make_picker
from tui.i18n.translate import _, error_text, format_number, language, ngettext
from tui.layout import Column, Line, cut, layout_columns
from tui.screens.actions.save import PREPARE_GROUP, ask_save
from tui.screens.base import BaseScreen, ScreenActions
from tui.screens.inbox_list import ItemSelection
from tui.view_models.breadcrumbs import property_breadcrumb, shorten_breadcrumb
from tui.view_models.edit_preview import preview_edits
from tui.view_models.form import DisplayNames, format_value, refusal_text, value_references
from tui.view_models.inbox import MULTI_ENTITY_TYPES, SINGLE_VALUE_TYPES, item_property, retired_targets
from tui.view_models.save_warnings import clash_warnings, edit_warnings, inbox_notice
from tui.view_models.value_text import editable_text, parse_value, suggest_correction

_MAX_TITLE_COLUMNS = 36
"""Columns that a path gets in the title of a dialog."""
_MAX_MESSAGE_VALUE_COLUMNS = 24
"""Columns that a value gets in a message of one line."""
MAX_RULE_CHOICES = 12
"""People and devices that are offered as rules, those with the most items first."""
_SINGLE_VALUE_COMMANDS = ("another", "clear", "bring_back")
"""What resolves an item of one value alone."""


class ResolveActions(ScreenActions):
    """Resolve the inbox item that is selected, or many conflicts by a rule."""

    def __init__(self, screen: BaseScreen, selection: ItemSelection) -> None:
        super().__init__(screen)
        self._selection = selection

    def disabled_reason(self, name: str) -> str | None:
        item = self._selection.item
        return None if item is None else self.item_disabled_reason(name, item)

    def item_disabled_reason(self, name: str, item: InboxItem) -> str | None:
        """Return why a command cannot resolve this item."""
        several = item.type in ("conflict", "retired-edit", *MULTI_ENTITY_TYPES)
        if name in ("take", "left", "right") and not several:
            return _("There is one value only: e types another one, x clears it.")
        if name in ("another", "clear") and item.type == "retired-edit":
            return _("This is about whether it is retired: t takes the chosen one.")
        if name == "clear" and item.type == "conflict":
            return _("e types another value; to clear it, choose “unset” or press x in the form.")
        if name == "clear" and (problem := item_property(item, self.state.schema).check(None)):
            return error_text(problem)
        if name == "bring_back" and not (item.type == "retired-edit" or self._retired_entities()):
            return _("Nothing that this is about is retired.")
        if name == "who_knew" and item.type != "conflict":
            return _("There is something to draw only where one property has several values.")
        return None

    def sort_commands(self, available: list[Command]) -> list[Command]:
        """Sort the commands, where there is one value only those for that first."""
        item = self._selection.item
        if item is None or item.type not in SINGLE_VALUE_TYPES:
            return available
        return sorted(
            available,
            key=lambda command: (
                bool(self.item_disabled_reason(command.name, item)),
                command.name not in _SINGLE_VALUE_COMMANDS,
            ),
        )

    def _retired_entities(self) -> list[bytes]:
        details = self._selection.details
        return retired_targets(details) if details and details.item == self._selection.item else []

    async def _entity_title(self, entity: bytes) -> str:
        """Where it is and what it is called, for a title."""
        return shorten_breadcrumb(await self.state.breadcrumb_of(entity), _MAX_TITLE_COLUMNS)

    async def _read_record(self, entity: bytes) -> Record:
        return await self.state.view.record(entity, self.state.schema)

    # --- one item --------------------------------------------------------------------------------------------------

    async def do_take(self) -> None:
        """Resolve with the chosen candidate, unless the cursor's item just changed."""
        if self._selection.see_item():
            text = _("This has only just come under the cursor: once more takes it.")
            self.screen.show_message(text, attention=True)
            return
        item = self._selection.item
        if item is None:
            return
        if item.type == "conflict":
            await self._resolve_with(item, item.entity, item.candidates[self._selection.chosen_index].value)
        elif item.type == "retired-edit":
            await self._take_retired(item)
        else:
            chosen = self._selection.chosen_entity(item)
            records = {entity: await self._read_record(entity) for entity in item.entities}
            needed = resolution.is_needed(item, self.state.schema)
            title = (
                _("Keep {label} at {name}, retire the others")
                if needed
                else _("Keep {label} at {name}, clear it elsewhere")
            )
            title = title.format(
                label=item_property(item, self.state.schema).label(language()), name=await self._entity_title(chosen)
            )
            await self._propose_edits(title, resolution.resolve_clash(item, chosen, records, self.state.schema))

    async def _take_retired(self, item: InboxItem) -> None:
        record = await self._read_record(item.entity)
        name = await self._entity_title(item.entity)
        retirements = {leaf.fact for leaf in record.slot(RETIRED).leaves}
        if item.candidates[self._selection.chosen_index].fact in retirements:
            await self._propose_edits(_("Keep {name} retired").format(name=name), [resolution.retire_entity(record)])
        else:
            await self._propose_edits(
                _("Put {name} back in use").format(name=name), [resolution.unretire_entity(record)]
            )

    async def do_bring_back(self) -> None:
        """Put back in use what is retired."""
        item = self._selection.item
        if item is None:
            return
        entities = [item.entity] if item.type == "retired-edit" else self._retired_entities()
        edits = [resolution.unretire_entity(await self._read_record(entity)) for entity in entities]
        names = ", ".join([await self._entity_title(entity) for entity in entities])
        await self._propose_edits(_("Put {name} back in use").format(name=names), edits)

    async def do_retire(self) -> None:
        """Retire the entity that is meant."""
        item = self._selection.item
        if item is None:
            return
        entity = self._selection.chosen_entity(item)
        title = _("Retire {name}").format(name=await self._entity_title(entity))
        await self._propose_edits(title, [resolution.retire_entity(await self._read_record(entity))])

    async def do_clear(self) -> None:
        """Unset the property of the chosen entity."""
        item = self._selection.item
        if item is None:
            return
        entity = self._selection.chosen_entity(item)
        prop = item_property(item, self.state.schema)
        title = _("Unset {label} of {name}").format(label=prop.label(language()), name=await self._entity_title(entity))
        await self._propose_edits(title, [make_edit(await self._read_record(entity), item.property, None)])

    async def do_another(self) -> None:
        """Pick or type a value."""
        item = self._selection.item
        if item is None:
            return
        view, schema, entity = self.state.view, self.state.schema, self._selection.chosen_entity(item)
        prop = item_property(item, schema)
        leaf = item.candidates[min(self._selection.chosen_index, len(item.candidates) - 1)]

        async def check(text: str) -> None:
            await parse_value(prop, text, view, schema)

        def picked(answer: tuple[Value] | None) -> None:
            if answer is not None:
                self.screen.run_task(partial(self._resolve_with, item, entity, answer[0]), group="settle")

        def typed(text: str | None) -> None:
            if text is not None:
                self.screen.run_task(partial(self._save_typed, item, entity, text), group="settle")

        if dialog := make_picker(prop, leaf.value, view, schema):
            self.screen.open_dialog(dialog, picked)
            return
        help_texts = [prop.help_text(language())]
        if item.type == "invalid" and (problem := prop.check(leaf.value)):
            help_texts.insert(0, refusal_text(problem, prop) + ".")
        title = property_breadcrumb(await self._entity_title(entity), prop.label(language()))
        text = suggest_correction(prop, await editable_text(prop, leaf.value, view, schema))
        self.screen.open_dialog(
            PromptDialog(title, text, " ".join(filter(None, help_texts)), check, _("save"), check_while_typing=True),
            typed,
        )

    async def _save_typed(self, item: InboxItem, entity: bytes, text: str) -> None:
        state = self.state
        await self._resolve_with(
            item, entity, await parse_value(item_property(item, state.schema), text, state.view, state.schema)
        )

    async def _resolve_with(self, item: InboxItem, entity: bytes, value: Value) -> None:
        """Save a value at once, or, if it clashes with something, ask first."""
        state, record = self.state, await self._read_record(entity)
        name = item.property
        is_conflict = item.type == "conflict"
        edit = resolution.resolve_conflict(item, record, value) if is_conflict else make_edit(record, name, value)
        clashing = await clash_warnings(state.view, state.schema, {entity: (record, {name: value})})
        if not clashing:
            await self._save_resolution(edit)
            return
        rows = await preview_edits([edit], state.view, state.schema, state.names)
        label = item_property(item, state.schema).label(language())
        title = property_breadcrumb(await self._entity_title(entity), label)
        self._ask_save(title, rows, [edit], clashing + inbox_notice(clashing))

    async def _save_resolution(self, edit: Edit) -> None:
        text = await self._resolution_text(edit)
        self._selection.on_resolve()
        await self.state.workspace.save([edit], None)
        self._selection.marked_keys.clear()
        await self.state.refresh_data()
        self.screen.show_message(text)

    async def _resolution_text(self, edit: Edit) -> str:
        """What is in use from now on, and of what."""
        state = self.state
        prop = state.schema.property((await self._read_record(edit.entity)).kind, edit.property)
        called = await state.view.names(value_references(edit.value), state.schema)
        names = DisplayNames({entity: name.title for entity, name in called.items()}, state.names.devices)
        path = property_breadcrumb(await self._entity_title(edit.entity), prop.label(language()))
        value = cut(format_value(prop, edit.value, names), _MAX_MESSAGE_VALUE_COLUMNS)
        return _("Resolved: {property} is {value}. u undoes it.").format(property=path, value=value or _("unset"))

    async def _propose_edits(self, title: str, edits: list[Edit]) -> None:
        state = self.state
        rows = await preview_edits(edits, state.view, state.schema, state.names)
        self._ask_save(title, rows, edits, await edit_warnings(state.view, state.schema, edits))

    def _ask_save(self, title: str, rows: Sequence[Line], edits: list[Edit], warnings: Sequence[str]) -> None:
        ask_save(self.screen, title, rows, warnings, partial(self._save_edits, edits))

    async def _save_edits(self, edits: list[Edit], note: str) -> None:
        self._selection.on_resolve()
        await self.state.workspace.save(edits, note or None)
        self._selection.marked_keys.clear()
        await self.state.refresh_data()
        text = ngettext("{count} value saved. u undoes it.", "{count} values saved. u undoes it.", len(edits))
        self.screen.show_message(text)

    # --- many by a rule ----------------------------------------------------------------------------------------------

    async def do_rule(self) -> None:
        """Choose a rule."""
        self.screen.show_message(_("Looking for what is to be resolved …"))
        items = await self._selection.marked_conflicts()
        self.screen.show_message("")
        if not items:
            self.screen.show_message(
                _("A rule resolves properties with several values; none of these has several."), attention=True
            )
            return

        def chosen(rule: object) -> None:
            if isinstance(rule, ResolutionRule):
                self.screen.run_task(partial(self._apply_rule, rule, items), group=PREPARE_GROUP)

        title = ngettext("Resolve {count} conflict with", "Resolve {count} conflicts with", len(items))
        self.screen.open_dialog(ChoiceDialog(title, self._rule_rows(items)), chosen)

    def _rule_rows(self, items: Sequence[InboxItem]) -> list[tuple[ResolutionRule, Line]]:
        own, names = self.state.workspace.identity.device, self.state.names
        devices = resolution.count_devices(items)
        rules = [(ResolutionRule(), _("the newest value"), len(items))]
        rules.append((ResolutionRule(device=own), _("what was set on this device"), devices.pop(own, 0)))
        people = [
            (ResolutionRule(user=user), _("what {user} set").format(user=user), count)
            for user, count in resolution.count_users(items).most_common(MAX_RULE_CHOICES)
        ]
        others = [
            (ResolutionRule(device=device), _("what was set on {device}").format(device=names.device(device)), count)
            for device, count in devices.most_common(MAX_RULE_CHOICES)
        ]
        return [
            (rule, layout_columns(66, [Column(text, None), Column(format_number(count), 12, "dim", right=True)]))
            for rule, text, count in [*rules, *people, *others]
        ]

    async def _apply_rule(self, rule: ResolutionRule, items: Sequence[InboxItem]) -> None:
        """Show what the rule would write, and what it says nothing about."""
        state = self.state
        edits: list[Edit] = []
        obsolete = 0
        for index, item in enumerate(items):
            leaf = rule.choose(item.candidates)
            if leaf is None:
                continue
            record = await self._read_record(item.entity)
            try:
                edits.append(resolution.resolve_conflict(item, record, leaf.value))
            except resolution.StaleItem:
                obsolete += 1
            if index % 100 == 99:
                self.screen.show_message(
                    _("{done} of {count} looked at · Esc stops").format(
                        done=format_number(index + 1), count=format_number(len(items))
                    )
                )
        self.screen.show_message("")
        warnings = []
        if rest := len(items) - len(edits) - obsolete:
            text = ngettext(
                "{count} conflict stays as it is: the rule says nothing about it.",
                "{count} conflicts stay as they are: the rule says nothing about them.",
                rest,
            )
            warnings.append(text)
        if obsolete:
            text = ngettext(
                "{count} has got another value meanwhile.", "{count} have got other values meanwhile.", obsolete
            )
            warnings.append(text)
        if not edits:
            self.screen.show_message(_("The rule says nothing about any of them."), attention=True)
            return
        title = ngettext("Resolve {count} conflict", "Resolve {count} conflicts", len(edits))
        rows = await preview_edits(edits, state.view, state.schema, state.names, with_breadcrumbs=True)
        self._ask_save(title, rows, edits, warnings + await edit_warnings(state.view, state.schema, edits))
