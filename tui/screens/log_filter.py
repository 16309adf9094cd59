"""Which changes the log shows.

Those of something, and of these what a typed filter lets through.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from core.store.queries.log import MAX_NAMES_IN_ENTRY, NO_FILTER, LogCursor, LogFilter
from core.workspace import log_query
from tui.dialogs.base import ChoiceDialog, PromptDialog
from tui.i18n.translate import _, language
from tui.layout import Line
from tui.screens.base import ScreenActions
from tui.screens.list_screen import ListScreen
from tui.screens.log_list import LogSelection
from tui.view_models.filter_suggestions import FilterCondition, add_condition, suggest_conditions
from tui.view_models.log import LogPages


class LogFilterActions(ScreenActions):
    """Filter the log, and go from one change that was found to the next."""

    screen: ListScreen

    def __init__(self, screen: ListScreen, selection: LogSelection, on_new_list: Callable[[], None]) -> None:
        """`on_new_list` is called when other changes are shown, from the newest on."""
        super().__init__(screen)
        self._selection = selection
        self._on_new_list = on_new_list
        self.active: LogFilter = NO_FILTER
        self.title = ""
        """Of what the changes are; empty for everything."""
        self.typed = ""
        """The filter as it was typed; empty if there is none."""
        self._base: LogFilter = NO_FILTER
        self._last: LogFilter | None = None

    @property
    def is_on(self) -> bool:
        """Whether not all changes are shown."""
        return bool(self.title or self.typed)

    def is_for(self, entity: bytes, name: str) -> bool:
        """Whether the changes of this property are among those shown."""
        return self.active.entity in (None, entity) and self.active.property in (None, name)

    def show_only(self, wanted: LogFilter, title: str) -> None:
        """Show only some changes; `title` says of what."""
        self.active = self._base = wanted
        self.title, self.typed = title, ""
        self._on_new_list()

    def widen(self) -> None:
        """Drop what was typed first, then what these are the changes of."""
        if self.typed:
            self.active, self.typed = self._base, ""
        else:
            self.show_only(NO_FILTER, "")

    async def move_to_change(self, position: LogCursor) -> None:
        """Put the cursor on a change; where the filter hides it, drop the filter."""
        view, lines = self.state.view, self.screen.lines
        index = await view.count_newer(position, self.active)
        found = await view.log(self.active, offset=index, limit=1)
        if not found or found[0].cursor != position:
            self.show_only(NO_FILTER, "")
            await self.screen.reload_content()
            index = await view.count_newer(position, self.active)
        if isinstance(source := lines.source, LogPages):
            row = source.calendar.row_of(index)
            await source.load(row, row)
            lines.move_to(row)

    def disabled_reason(self, name: str) -> str | None:
        if name in ("find_next", "find_previous"):
            return None if self._last is not None else _("No search yet: / asks for words.")
        return _("No change is here.") if name == "only" and self._selection.entry is None else None

    async def _parse(self, text: str) -> LogFilter:
        state = self.state
        return await log_query.parse_log_query(
            text, state.workspace, state.view, zone=state.dates.zone, base=self._base
        )

    async def _apply(self, text: str, stay: bool = False) -> None:
        """Show only what the text lets through.

        `stay` on the current change, else begin with the newest.
        """
        self.active, self.typed = await self._parse(text), " ".join(text.split())
        self._last = self.active if self.typed else None
        if not stay:
            self._on_new_list()
        self.screen.refresh_data()

    def do_filter(self) -> None:
        """Ask for words and conditions that a change must meet."""

        async def check(text: str) -> None:
            await self._parse(text)

        def chosen(text: str | None) -> None:
            if text is not None:
                self.screen.run_task(partial(self._apply, text), group="filter")

        help_text = _(
            "Words that a change mentions, and: by:user on:device of:entity property:name since:time "
            'until:time. Two words as one: of:"Lane 1". Times: 2026-03-31, 2026-03-31T14:00, -2h, '
            "-7d."
        )
        self.screen.open_dialog(PromptDialog(_("Show only"), self.typed, help_text, check, _("show")), chosen)

    async def do_find_next(self) -> None:
        """Go to the next change that matches, also after all are shown again."""
        await self._move_to_match(newest_first=True)

    async def do_find_previous(self) -> None:
        """Go to the one before, which is newer."""
        await self._move_to_match(newest_first=False)

    async def _move_to_match(self, newest_first: bool) -> None:
        entry, found, log = self._selection.entry, self._last, self.state.view.log
        if entry is None or found is None:
            return
        ahead = await log(found, cursor=entry.cursor, limit=1, newest_first=newest_first)
        ahead = ahead or await log(found, limit=1, newest_first=newest_first)  # and from the other end again
        if ahead:
            await self.move_to_change(ahead[0].cursor)

    async def do_only(self) -> None:
        """Choose what the changes shall have in common with this one, or who made them."""
        entry, selection, state = self._selection.entry, self._selection, self.state
        if entry is None:
            return
        properties = [state.schema.property(selection.kind_of(e.entity), e.property) for e in selection.edits]
        named = [(entity, name) for entity in entry.entities if (name := selection.entity_name(entity)) and name.key]
        found = suggest_conditions(
            entry,
            state.names.device(entry.device),
            [(f"{name.kind}:{name.key}", selection.names.entity(entity)) for entity, name in named],
            list(dict.fromkeys(prop.label(language()) for prop in properties))[:MAX_NAMES_IN_ENTRY],
            await state.workspace.store.users(),
            state.dates,
        )

        def chosen(condition: object) -> None:
            if isinstance(condition, FilterCondition):
                text = add_condition(self.typed, condition)
                self.screen.run_task(partial(self._apply, text, stay=True), group="filter")

        rows: list[tuple[FilterCondition, Line]] = [(condition, [(text, "plain")]) for condition, text in found]
        self.screen.open_dialog(ChoiceDialog(_("Show only changes …"), rows), chosen)
