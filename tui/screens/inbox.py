"""Inbox: what wants a decision, whenever somebody likes; below, side by side, what is at odds and who knew what."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from core.inbox import InboxItem
from core.records import Edit
from core.workspace.lazy_inbox import LazyInbox
from core.workspace.lineage import AncestryStep, trace_ancestry
from tui.command_host import command_bindings
from tui.commands import Command
from tui.dialogs.base import PromptDialog
from tui.dialogs.text_viewer import TextViewer, candidate_texts
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line, rule_line, spread
from tui.screens.actions.resolve import ResolveActions
from tui.screens.form import FormScreen
from tui.screens.inbox_list import InboxRows, RowKey, item_key
from tui.view_models.breadcrumbs import SEPARATOR
from tui.view_models.form import NO_NAMES, DisplayNames, format_value, referenced_entities, value_references
from tui.view_models.inbox import (
    MAX_CANDIDATES,
    MULTI_ENTITY_TYPES,
    SINGLE_VALUE_TYPES,
    ItemDetails,
    ancestry_lines,
    item_line,
    item_lines,
    item_property,
    item_title,
)
from tui.view_models.inbox_filter import filter_items
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from core.workspace.undo import UndoPlan

_SINGLE_VALUE_COMMANDS = ("another", "clear", "bring_back")
"""What answers a matter of one value alone."""
_TALL_LINES = 30
"""Rows of a terminal that is hardly at the end of a slow line."""


class Inbox(ResolveActions):
    """The list of matters."""

    TAB = "inbox"
    SCOPES = ("inbox", "listing")
    BINDINGS = command_bindings("inbox")
    CSS = """
    Inbox #details { height: 7; }
    Inbox.-tall #details { height: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: DisplayNames = NO_NAMES
        self._fresh_names: set[bytes] = set()
        """Whose names were read since all is read anew; until then the old ones are shown."""
        self._marked_keys: set[RowKey] = set()
        self._filter_text = ""
        self._match_keys: set[RowKey] = set()
        self._chosen_index = 0
        self._item_details: ItemDetails | None = None
        self._last_item: InboxItem | None = None
        self._last_title: tuple[RowKey, str] | None = None
        self._unseen_key: object = None
        self._resolved_key: object = None

    @property
    def item(self) -> InboxItem | None:
        source = self.lines.source
        return source.items[self.lines.cursor] if isinstance(source, InboxRows) and len(source) else None

    @property
    def chosen_index(self) -> int:
        matter = self.item
        return min(self._chosen_index, len(matter.candidates) - 1) if matter else 0

    @property
    def item_details(self) -> ItemDetails | None:
        return self._item_details

    async def reload_content(self) -> None:
        self.names, self._fresh_names = DisplayNames(self.names.entities, self.state.names.devices), set()
        matters = self.state.inbox_items
        if self._filter_text:
            every = await matters.load_all()
            matters = LazyInbox.of_items(
                await filter_items(every, self._filter_text, self.state.view, self.state.schema, self.names)
            )
            self._match_keys = set(map(item_key, matters.keys))
        old, source = self.lines, InboxRows(self, matters)
        if self._marked_keys:
            self._marked_keys &= set(map(item_key, source.items.keys))
        cursor = where = -1
        under = at = None
        while where != old.cursor:  # again where somebody moved on meanwhile
            where, under, at = old.cursor, old.key, source.index(old.key)
            cursor = where if at is None else at
            top = max(0, min(cursor, len(source) - 1))
            await source.load(max(0, top - old.size.height), top + old.size.height)
        self._item_details = None
        self.names = DisplayNames({e: self.names.entities[e] for e in self._fresh_names}, self.names.devices)
        self.lines.show_rows(source, cursor=cursor)
        if self._last_title and at is None and under == self._last_title[0]:
            self._report_resolved(*self._last_title)
        await self._read_details()

    def _report_resolved(self, key: RowKey, what: str) -> None:
        """Another matter came under the cursor: unless that was our doing, say so, and let no key take it unseen."""
        own, self._resolved_key, self._last_title = self._resolved_key, None, None
        if key != own:
            self.show_message(_("{what} was resolved meanwhile.").format(what=what), attention=True)
            self._unseen_key = self.lines.key

    def on_screen_resume(self) -> None:
        self._last_title = None
        super().on_screen_resume()

    def do_now(self) -> None:
        """Leave the past."""
        self._last_title = None
        super().do_now()

    async def load_names(self, matters: list[InboxItem], max_entities: int) -> None:
        """Learn what the first entities of these matters are called, and those that their values refer to."""
        entities = {entity for matter in matters for entity in (matter.entity, *matter.entities[:max_entities])}
        entities.update(
            e for matter in matters for leaf in matter.candidates[:max_entities] for e in value_references(leaf.value)
        )
        unknown = entities - self._fresh_names
        if unknown:
            called = await self.state.breadcrumbs_of(unknown)
            self.names = DisplayNames({**self.names.entities, **called}, self.names.devices)
            self._fresh_names |= called.keys()

    def breadcrumb(self) -> str:
        return _("Inbox")

    def heading(self) -> tuple[Line, Line]:
        count = len(self.lines.source)
        left = ngettext("{count} item", "{count} items", count) if count else self._empty_text()
        lasting = self.state.viewed_at_us is not None or self.state.readonly
        right = _("resolve all by rule: R") if len(self.lines.source) and not lasting else ""
        if self._marked_keys:
            right = ngettext("{count} marked, resolve: R", "{count} marked, resolve: R", len(self._marked_keys))
        role = "strong" if self._marked_keys else "plain"
        if self._filter_text:
            filtered = _("filter: {filter}").format(filter=self._filter_text)
            return [(left, "plain")], [(filtered, "strong"), (f" · {right}" if right else "", role)]
        return [(left, "plain")], [(right, role)]

    def item_line(self, matter: InboxItem, width: int) -> Line:
        """A line of the list."""
        return item_line(
            matter, item_key(matter) in self._marked_keys, width, self.state.schema, self.names, self.state.dates
        )

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        if self._unseen_key != self.lines.key:
            self._unseen_key = None
        self.run_task(self._read_details, group="details")

    async def _read_details(self) -> None:
        """Read what stands below the list, if the cursor is on another matter."""
        matter = self.item
        if matter is None:
            self._item_details = None
        elif self._item_details is None or self._item_details.item != matter:
            self._chosen_index = self._restore_choice(matter)
            self._last_item = matter
            self._item_details = await self._load_item_details(matter)
            called = "".join(text for text, _role in item_title(self._item_details, self.state.schema)[0])
            self._last_title = (item_key(matter), called)
        self.redraw_details()

    def _restore_choice(self, matter: InboxItem) -> int:
        """Which candidate is chosen: when the same is read anew, a key must not take another one than was chosen."""
        before = self._last_item
        if before is None or item_key(before) != item_key(matter):
            return 0
        fact = before.candidates[min(self._chosen_index, len(before.candidates) - 1)].fact
        again = next(
            (place for place, leaf in enumerate(matter.candidates[:MAX_CANDIDATES]) if leaf.fact == fact), None
        )
        if again is None:
            self.show_message(_("The chosen one was replaced meanwhile."), attention=True)
            self._unseen_key = self.lines.key
        return again or 0

    async def _load_item_details(self, matter: InboxItem) -> ItemDetails:
        view, schema = self.state.view, self.state.schema
        wanted: list[bytes] = []
        if matter.type == "dangling":
            wanted = [e for leaf in matter.candidates[:1] for e in value_references(leaf.value)]
        elif matter.type == "retired-edit":
            wanted = [matter.entity]
        records = {entity: await view.record(entity, schema) for entity in wanted}
        await self.load_names([matter], self._visible_candidates)
        called = dict(self.names.entities)
        if matter.type == "retired-edit":
            named = await view.names(referenced_entities(records[matter.entity]), schema)
            called |= {entity: name.title for entity, name in named.items()}
        steps: tuple[AncestryStep, ...] = ()
        if matter.type == "conflict":
            steps = tuple(await trace_ancestry(self.state.workspace.store, [leaf.fact for leaf in matter.candidates]))
            unknown = {e for step in steps for e in value_references(step.value)} - called.keys()
            called |= {entity: name.title for entity, name in (await view.names(unknown, schema)).items()}
        return ItemDetails(matter, records, steps, DisplayNames(called, self.names.devices))

    def caption(self, width: int) -> Line:
        left, right = item_title(self._item_details, self.state.schema) if self._item_details else ([], [])
        if self._item_details is None or self.size.height >= _TALL_LINES:
            return rule_line(width, left, right)
        # A line drawn between them would be the most of what a cursor key sends.
        return spread(width, [("── ", "dim"), *left], [*right, (" ──", "dim")])

    def details(self, width: int, height: int) -> list[Line]:
        if self._item_details is None:
            text = _(
                "What is in conflict stands here as soon as this device knows of it: 5 goes to Sync, to "
                "sync with others."
            )
            return self.empty_lines(text, width) if self._is_empty else []
        below = item_lines(
            self._item_details, self.chosen_index, width - 4, height, self.state.schema, self.state.dates
        )
        return [[(" ", "plain"), *line] for line in below]

    def clipboard_text(self) -> str:
        """The chosen value."""
        matter, about = self.item, self._item_details
        if matter is None or about is None or not matter.candidates:
            return ""
        value = matter.candidates[self.chosen_index].value
        return (
            value
            if isinstance(value, str)
            else format_value(item_property(matter, self.state.schema), value, about.names)
        )

    @property
    def _is_empty(self) -> bool:
        """Whether there is nothing to settle."""
        return not len(self.lines.source) and not self._filter_text and not self.state.inbox_loader.is_loading

    def _empty_text(self) -> str:
        if self._filter_text:
            return _("No item mentions this: Esc shows all.")
        if self.state.inbox_loader.is_loading:
            return _("Looking for what needs a decision …")
        return _("Nothing needs a decision.")

    # --- commands ----------------------------------------------------------------------------------------------------

    def action_command(self, name: str) -> None:
        if self.item is None and len(self.lines.source):
            # Typed ahead: the row that the key is for has not been worked out.
            self.run_task(partial(self._command_when_read, name), group="ahead")
        else:
            super().action_command(name)

    async def _command_when_read(self, name: str) -> None:
        await self.lines.source.load(self.lines.cursor, self.lines.cursor)
        super().action_command(name)

    def screen_disabled_reason(self, name: str) -> str | None:
        if name in ("undo", "redo", "stop"):
            return None
        if name == "find":
            return None if self.state.inbox_items else self._empty_text()
        if name in ("find_next", "find_previous"):
            return None if self._match_keys else _("No search yet: / asks for words.")
        matter = self.item
        if matter is None:
            return self._empty_text()
        return self.item_disabled_reason(name, matter)

    def available_commands(self) -> list[Command]:
        """Where there is one value only, first what can be done with it: the last line has no room for all."""
        matter, offered = self.item, super().available_commands()
        if matter is None or matter.type not in SINGLE_VALUE_TYPES:
            return offered
        return sorted(
            offered,
            key=lambda each: (
                bool(self.item_disabled_reason(each.name, matter)),
                each.name not in _SINGLE_VALUE_COMMANDS,
            ),
        )

    async def do_right(self) -> None:
        """Choose the next candidate."""
        await self._move_choice(1)

    async def do_left(self) -> None:
        """Choose the candidate before."""
        await self._move_choice(-1)

    @property
    def _visible_candidates(self) -> int:
        """How many candidates can be seen up to the chosen one and around it."""
        return min(MAX_CANDIDATES, self.chosen_index + self.query_one("#details", Lines).size.height)

    async def _move_choice(self, step: int) -> None:
        matter, details = self.item, self._item_details
        if matter is None or details is None:
            return
        self._chosen_index = (self.chosen_index + step) % min(len(matter.candidates), MAX_CANDIDATES)
        await self.load_names([matter], self._visible_candidates)
        called = {**details.names.entities, **self.names.entities}
        self._item_details = replace(details, names=DisplayNames(called, details.names.devices))
        self.redraw_details()

    async def do_take(self) -> None:
        """Settle with the chosen candidate, unless another one has just taken the place of what was looked at."""
        slipped, self._unseen_key = self._unseen_key, None
        if slipped is not None and slipped == self.lines.key:
            self.show_message(_("This has only just come under the cursor: once more takes it."), attention=True)
        else:
            await super().do_take()

    def do_mark(self) -> None:
        """Mark or unmark, and go on to the next."""
        source = self.lines.source
        if isinstance(source, InboxRows):
            self._marked_keys ^= {source.key(self.lines.cursor)}
            self.lines.refresh_line(self.lines.cursor)
            self.lines.move_to(self.lines.cursor + 1)
            self.redraw_details()

    async def marked_items(self) -> list[InboxItem]:
        source = self.lines.source
        return [
            matter
            for matter in (await source.items.load_all() if isinstance(source, InboxRows) else ())
            if matter.type == "conflict" and (not self._marked_keys or item_key(matter) in self._marked_keys)
        ]

    def clear_resolved(self) -> None:
        self._marked_keys.clear()

    async def _save_resolution(self, edits: list[Edit]) -> None:
        self._resolved_key = self.lines.key
        await super()._save_resolution(edits)

    async def _apply_edits(self, edits: list[Edit], note: str) -> None:
        self._resolved_key = self.lines.key
        await super()._apply_edits(edits, note)

    async def _apply_plan(self, turn: UndoPlan, note: str) -> None:
        self._resolved_key = self.lines.key
        await super()._apply_plan(turn, note)

    def do_stop(self) -> None:
        """Stop looking for what a rule would write, or else show all matters again; if all are shown, take the marks
        away.
        """
        if self.stop_rule():
            return
        if self._filter_text:
            self._filter_text, self._last_title = "", None
            self.refresh_data()
        elif self._marked_keys:
            self._marked_keys.clear()
            self.lines.refresh()
            self.redraw_details()

    def do_find(self) -> None:
        """Ask for words, and show only matters that mention them."""

        def chosen(text: str | None) -> None:
            if text is not None:
                self._filter_text, self._last_title = " ".join(text.split()), None
                self.refresh_data()

        help_text = _(
            "Words in a property, a value, a name, a note or the problem; or the title of something, "
            "for all that is below it."
        )
        self.open_dialog(PromptDialog(_("Show only"), self._filter_text, help_text, accept_label=_("show")), chosen)

    def do_find_next(self) -> None:
        """Go to the next matter that mentions what was sought, also after all are shown again."""
        self._move_to_match(1)

    def do_find_previous(self) -> None:
        """Go to the one before."""
        self._move_to_match(-1)

    def _move_to_match(self, step: int) -> None:
        source, count = self.lines.source, len(self.lines.source)
        if isinstance(source, InboxRows):
            ahead = ((self.lines.cursor + step * distance) % count for distance in range(1, count + 1))
            self.lines.move_to(
                next((index for index in ahead if source.key(index) in self._match_keys), self.lines.cursor)
            )

    def do_open(self) -> None:
        """Open the form at the property; of several entities that of the chosen one."""
        if matter := self.item:
            entity = matter.entities[self.chosen_index] if matter.type in MULTI_ENTITY_TYPES else matter.entity
            self.open_dialog(FormScreen(entity, matter.property))

    def do_who_knew(self) -> None:
        """The drawing, as large as it is."""
        if self._item_details:
            details = self._item_details
            schema, when = self.state.schema, self.state.dates
            self.open_dialog(TextViewer(_("Who knew what"), lambda width: ancestry_lines(details, width, schema, when)))

    def do_whole(self) -> None:
        """Every candidate's value, whole."""
        details = self._item_details
        if details is None:
            return
        matter, prop = details.item, item_property(details.item, self.state.schema)
        draw = partial(candidate_texts, prop, matter.candidates[:MAX_CANDIDATES], details.names, self.state.dates)
        label = prop.label(language())
        self.open_dialog(TextViewer(f"{details.names.entity(matter.entity)}{SEPARATOR}{label}", draw))

    def do_history_of(self) -> None:
        """The changes of this property."""
        if matter := self.item:
            entity = matter.entities[self.chosen_index] if matter.type in MULTI_ENTITY_TYPES else matter.entity
            label = item_property(matter, self.state.schema).label(language())
            of = f"{self.names.entity(entity)}{SEPARATOR}{label}"
            self.state.show_history(entity, matter.property, of)
