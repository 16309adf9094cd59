"""Accept clashes of the inbox, put them back, and show those accepted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from core.inbox import InboxItem
from tui.i18n.translate import _, ngettext
from tui.layout import Line, cut
from tui.screens.actions.save import ask_save
from tui.screens.base import BaseScreen, ScreenActions
from tui.screens.inbox_list import ItemSelection
from tui.view_models.edit_preview import PREVIEW_COLUMNS
from tui.view_models.inbox import item_property, problem_text


class AcceptActions(ScreenActions):
    """Accept the clash that is selected, or all that are marked.

    In the list of those accepted put them back.
    """

    def __init__(self, screen: BaseScreen, selection: ItemSelection) -> None:
        super().__init__(screen)
        self._selection = selection

    def disabled_reason(self, name: str) -> str | None:
        item = self._selection.item
        if name == "accept_as_is" and item is not None and item.type == "conflict" and not self._selection.marked_keys:
            return _("Several values of one property are resolved, not accepted: t takes the chosen one.")
        return None

    async def do_accept_as_is(self) -> None:
        """Ask for a note, and accept the clashes, or put them back."""
        items = [item for item in await self._selection.marked_items() if item.type != "conflict"]
        if not items:
            return
        is_accepted = items[0].acceptance is not None
        if is_accepted:
            title = ngettext(
                "Put {count} item back into the inbox", "Put {count} items back into the inbox", len(items)
            )
            notice = _("Then it needs a decision again.")
        else:
            title = ngettext("Accept {count} item as it is", "Accept {count} items as they are", len(items))
            notice = _("It leaves the inbox, and is back when one of its values changes. A shows it.")
        rows = [await self._item_line(item) for item in items]
        ask_save(self.screen, title.format(count=len(items)), rows, [notice], partial(self._save, items, is_accepted))

    async def _item_line(self, item: InboxItem) -> Line:
        label = item_property(item, self.state.schema).label()
        paths = await self.state.breadcrumbs_of(item.entities)
        text = f"{label} {problem_text(item)}: {', '.join(paths[entity] for entity in item.entities)}"
        return [(cut(text, PREVIEW_COLUMNS), "plain")]

    async def _save(self, items: Sequence[InboxItem], is_accepted: bool, note: str) -> None:
        from core.workspace.acceptance import accept_items, withdraw_acceptance

        self._selection.on_resolve()
        save = withdraw_acceptance if is_accepted else accept_items
        await save(self.state.workspace, items, note or None)
        self._selection.marked_keys.clear()
        await self.state.refresh_data()
        text = _("Back in the inbox. u undoes it.") if is_accepted else _("Accepted as it is. u undoes it.")
        self.screen.show_message(text)
