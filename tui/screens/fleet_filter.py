"""What Fleet shows of the fleet.

What certain changes touched, in an order, and views of that saved under a name.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import TYPE_CHECKING

from core.errors import Refused
from core.values import quote_value
from tui.i18n.translate import _, format_number
from tui.layout import Line
from tui.screens.base import ScreenActions
from tui.screens.list_screen import ListScreen
from tui.view_models.fleet_tree import Sorting

if TYPE_CHECKING:
    from tui.saved_views import SavedView
    from tui.screens.tree_actions import TreeActions

_NEW = "new"


class FleetFilterActions(ScreenActions):
    """Filter the tree by the language of History, and save views by name."""

    screen: ListScreen

    def __init__(self, screen: ListScreen, tree: TreeActions) -> None:
        super().__init__(screen)
        self._tree = tree
        self.typed = ""
        """The filter as it was typed; empty if there is none."""
        self._count = 0

    def heading(self) -> Line:
        """What the tree is filtered by; empty if it is not."""
        if not self.typed:
            return []
        found = _("{count} found").format(count=format_number(self._count))
        return [(_("filter: {filter}").format(filter=self.typed), "strong"), (f" · {found}", "dim")]

    def clear(self) -> bool:
        """Show everything again; return whether anything was hidden."""
        if not self.typed:
            return False
        self.screen.run_task(partial(self._apply, ""), group="filter")
        return True

    async def _parse(self, text: str) -> None:
        from core.workspace import log_query

        state = self.state
        await log_query.parse_log_query(text, state.workspace, state.view, zone=state.dates.zone)

    async def _apply(self, text: str) -> None:
        """Show only what the changes touched that the text lets through."""
        from core.workspace import log_query

        state, words = self.state, " ".join(text.split())
        only = None
        if words:
            wanted = await log_query.parse_log_query(words, state.workspace, state.view, zone=state.dates.zone)
            only = await state.view.changed_entities(wanted)
        self.typed, self._count = words, len(only or ())
        await self._tree.show_only(only)
        self.screen.redraw()

    def do_filter(self) -> None:
        """Ask for words and conditions that changes must meet; what they touched is shown."""

        from tui.dialogs.base import PromptDialog

        def chosen(text: str | None) -> None:
            if text is not None:
                self.screen.run_task(partial(self._apply, text), group="filter")

        help_text = _(
            "What such changes touched, as in History: words, by:user on:device of:entity property:name since:time "
            "until:time. Nothing shows everything again."
        )
        self.screen.open_dialog(PromptDialog(_("Show only"), self.typed, help_text, self._parse, _("show")), chosen)

    # --- views that were saved ----------------------------------------------------------------------------------------

    async def do_view(self) -> None:
        """Choose one of the views that were saved, or save this one."""
        from tui.dialogs.base import ChoiceDialog
        from tui.saved_views import SavedView, read_views

        store, user = self.state.workspace.store, self.state.workspace.user
        views = await read_views(store, user)
        rows: list[tuple[Hashable, Line]] = [(view, _view_line(view)) for view in views]
        rows.append((_NEW, [(_("Save this view under a name …"), "plain")]))

        def chosen(answer: object) -> None:
            if isinstance(answer, SavedView):
                self.screen.run_task(partial(self._show, answer), group="filter")
            elif answer == _NEW:
                self._ask_name(views)

        self.screen.open_dialog(ChoiceDialog(_("Views"), rows), chosen)

    async def _show(self, view: SavedView) -> None:
        self._tree.sorting = Sorting(view.sorted_by or None, view.is_reverse)
        await self._apply(view.filter_text)
        self.screen.show_message(_("View: {name}").format(name=view.name))

    def _ask_name(self, views: list[SavedView]) -> None:
        from tui.dialogs.base import PromptDialog
        from tui.saved_views import MAX_VIEW_NAME_CHARS, MAX_VIEWS, SavedView, save_views

        async def check(text: str) -> None:
            name = text.strip()
            if not name or len(name) > MAX_VIEW_NAME_CHARS:
                raise Refused("A name has 1 to {limit} characters.", limit=MAX_VIEW_NAME_CHARS)
            if len(views) >= MAX_VIEWS and name not in {view.name for view in views}:
                raise Refused("There are {count} views already: save it under one of their names.", count=len(views))

        async def save(name: str) -> None:
            sorting = self._tree.sorting
            view = SavedView(name, self.typed, sorting.property_name or "", sorting.is_reverse)
            kept = [each for each in views if each.name != name]
            await save_views(self.state.workspace.store, self.state.workspace.user, [*kept, view])
            self.screen.show_message(_("Saved: v shows the view {name}.").format(name=quote_value(name)))

        def answered(text: str | None) -> None:
            if text is not None:
                self.screen.run_task(partial(save, text.strip()), group="view")

        help_text = _("A name that is there already is replaced. Views are kept for you, on this device.")
        self.screen.open_dialog(PromptDialog(_("Save this view as"), "", help_text, check, _("save")), answered)


def _view_line(view: SavedView) -> Line:
    return [(f"{view.name}  ", "value"), (view.filter_text or _("everything"), "dim")]
