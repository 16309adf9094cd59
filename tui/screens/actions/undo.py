"""Undo and redo, for the pages that offer them: the difference first, then an ordinary edit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tui.dialogs.base import SaveDialog
from tui.i18n.translate import _, error_text, format_number, language, ngettext
from tui.screens.list_screen import ListScreen
from tui.view_models.edit_preview import preview_edits
from tui.view_models.save_warnings import edit_warnings

if TYPE_CHECKING:
    from core.revert import Skipped
    from core.workspace.undo import UndoPlan

_MAX_REASONS = 3


class UndoActions(ListScreen):
    """A page on which one's own changes can be taken back and brought back."""

    async def do_undo(self) -> None:
        """Show what taking back the latest change writes."""
        from core.workspace import undo

        self.show_message(_("Looking for what you saved last …"))
        turn = await undo.plan_next_undo(self.state.workspace)
        self.show_message("")
        if turn.edits:
            await self._show_plan(turn)
        elif left := next((left for _entry, left in turn.not_undoable if left), None):
            self.show_message(await self._skipped_text(left))
        else:
            self.show_message(_("You have saved nothing on this device that could still be undone."))

    async def do_redo(self) -> None:
        """Show what bringing back writes."""
        from core.workspace import undo

        self.show_message(_("Looking for what you undid last …"))
        turn = await undo.plan_next_redo(self.state.workspace)
        self.show_message("")
        if turn is None:
            self.show_message(_("There is nothing to redo: something was saved since, or nothing was undone."))
        elif turn.edits:
            await self._show_plan(turn)
        elif turn.skipped:
            self.show_message(await self._skipped_text(turn.skipped[0]))
        else:
            self.show_message(_("Everything is as it was before you undid it."))

    async def _show_plan(self, turn: UndoPlan) -> None:
        if reason := self.disabled_reason("undo"):  # by now, such as since somebody went to look at the past
            self.show_message(reason, attention=True)
            return
        desk = self.state
        rows = await preview_edits(turn.edits, desk.view, desk.schema, desk.names, with_breadcrumbs=True)
        when = desk.dates.full(turn.entry.at_us) if turn.entry else ""
        title = _("Redo what you undid on {when}") if turn.is_redo else _("Undo what you saved on {when}")
        remarks = [*await edit_warnings(desk.view, desk.schema, turn.first_edits), *await self._plan_warnings(turn)]

        def answered(note: str | None) -> None:
            if note is not None:
                self.run_task(partial(self._apply_plan, turn, note))

        self.open_dialog(SaveDialog(title.format(when=when), rows, remarks), answered)

    async def _plan_warnings(self, turn: UndoPlan) -> list[str]:
        desk, remarks = self.state, []
        if more := len(turn.edits) - len(turn.first_edits):
            text = ngettext(
                "{count} more value is set again beside these: the conflict is open as before.",
                "{count} more values are set again beside these: the conflicts are open as before.",
                more,
            )
            remarks.append(text)
        for entry, left in turn.not_undoable[:_MAX_REASONS]:
            text = _("What you saved on {when} is passed over. {why}")
            why = await self._skipped_text(left) if left else _("Nothing of it counts any more.")
            remarks.append(text.format(when=desk.dates.full(entry.at_us), why=why))
        if (more := len(turn.not_undoable) - _MAX_REASONS) > 0:
            text = ngettext(
                "{count} later change of yours is passed over: nothing of it can be undone.",
                "{count} later changes of yours are passed over: nothing of them can be undone.",
                more,
            )
            remarks.append(text)
        remarks += [await self._skipped_text(left) for left in turn.skipped[:_MAX_REASONS]]
        if (more := len(turn.skipped) - _MAX_REASONS) > 0:
            remarks.append(_("… and {count} more").format(count=format_number(more)))
        return remarks

    async def _skipped_text(self, left: Skipped) -> str:
        """Why something is left alone."""
        desk = self.state
        name = (await desk.view.names([left.entity], desk.schema))[left.entity]
        label = desk.schema.property(name.kind, left.property).label(language())
        text = _("{property} of {entity} is left alone: {reason}.")
        return text.format(property=label, entity=name.title, reason=error_text(left.reason))

    async def _apply_plan(self, turn: UndoPlan, note: str) -> None:
        from core.workspace import undo

        await undo.apply_plan(self.state.workspace, turn, note or None)
        await self.state.refresh_data()
        self.show_message(_("Redone. u undoes it.") if turn.is_redo else _("Undone. U redoes it."))
