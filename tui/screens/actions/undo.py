"""Undo and redo, for the screens that offer them.

The difference first, then the withdrawal.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tui.i18n.translate import _, error_text, format_number, language, ngettext
from tui.screens.actions.save import ask_save
from tui.screens.base import BaseScreen, ScreenActions

if TYPE_CHECKING:
    from core.revert import Skipped
    from core.workspace.undo import UndoPlan

_MAX_REASONS = 3
"""Reasons that are shown one by one, so that what would be saved stays in sight."""


class UndoActions(ScreenActions):
    """Undo one's own latest change on this device, and redo what was undone."""

    def __init__(self, screen: BaseScreen, on_save: Callable[[], None] = lambda: None) -> None:
        """`on_save` is called right before something is saved."""
        super().__init__(screen)
        self._on_save = on_save

    async def do_undo(self) -> None:
        """Show what undoing the latest change writes."""
        from core.workspace import undo

        self.screen.show_message(_("Looking for what you saved last …"))
        plan = await undo.plan_next_undo(self.state.workspace)
        self.screen.show_message("")
        if plan.edits:
            await self._show_plan(plan)
        elif skipped := next((skipped for _entry, skipped in plan.not_undoable if skipped), None):
            self.screen.show_message(await self._skipped_text(skipped))
        else:
            self.screen.show_message(_("You have saved nothing on this device that could still be undone."))

    async def do_redo(self) -> None:
        """Show what redoing writes."""
        from core.workspace import undo

        self.screen.show_message(_("Looking for what you undid last …"))
        plan = await undo.plan_next_redo(self.state.workspace)
        self.screen.show_message("")
        if plan is None:
            self.screen.show_message(_("There is nothing to redo: something was saved since, or nothing was undone."))
        elif plan.edits:
            await self._show_plan(plan)
        elif plan.skipped:
            self.screen.show_message(await self._skipped_text(plan.skipped[0]))
        else:
            self.screen.show_message(_("Everything is as it was before you undid it."))

    async def _show_plan(self, plan: UndoPlan) -> None:
        from tui.view_models.edit_preview import preview_edits
        from tui.view_models.save_warnings import edit_warnings

        if reason := self.screen.disabled_reason("undo"):  # by now, such as since somebody went to look at the past
            self.screen.show_message(reason, attention=True)
            return
        state = self.state
        rows = await preview_edits(plan.results, state.view, state.schema, state.names, with_breadcrumbs=True)
        when = state.dates.full(plan.entry.at_us) if plan.entry else ""
        title = _("Redo what you undid on {when}") if plan.is_redo else _("Undo what you saved on {when}")
        warnings = [*await edit_warnings(state.view, state.schema, plan.results), *await self._plan_warnings(plan)]
        ask_save(self.screen, title.format(when=when), rows, warnings, partial(self._apply_plan, plan))

    async def _plan_warnings(self, plan: UndoPlan) -> list[str]:
        warnings: list[str] = []
        if plan.reopened_count:
            text = ngettext(
                "{count} conflict is open as before, with its candidates.",
                "{count} conflicts are open as before, with their candidates.",
                plan.reopened_count,
            )
            warnings.append(text)
        for entry, skipped in plan.not_undoable[:_MAX_REASONS]:
            text = _("What you saved on {when} is passed over. {why}")
            why = await self._skipped_text(skipped) if skipped else _("Nothing of it counts any more.")
            warnings.append(text.format(when=self.state.dates.full(entry.at_us), why=why))
        if (more := len(plan.not_undoable) - _MAX_REASONS) > 0:
            text = ngettext(
                "{count} later change of yours is passed over: nothing of it can be undone.",
                "{count} later changes of yours are passed over: nothing of them can be undone.",
                more,
            )
            warnings.append(text)
        warnings += [await self._skipped_text(skipped) for skipped in plan.skipped[:_MAX_REASONS]]
        if (more := len(plan.skipped) - _MAX_REASONS) > 0:
            warnings.append(_("… and {count} more").format(count=format_number(more)))
        return warnings

    async def _skipped_text(self, skipped: Skipped) -> str:
        """Why a property is left alone."""
        state = self.state
        name = (await state.view.names([skipped.entity], state.schema))[skipped.entity]
        label = state.schema.property(name.kind, skipped.property).label(language())
        text = _("{property} of {entity} is left alone: {reason}.")
        return text.format(property=label, entity=name.title, reason=error_text(skipped.reason))

    async def _apply_plan(self, plan: UndoPlan, note: str) -> None:
        from core.workspace import undo

        self._on_save()
        await undo.apply_plan(self.state.workspace, plan, note or None)
        await self.state.refresh_data()
        self.screen.show_message(_("Redone. u undoes it.") if plan.is_redo else _("Undone. U redoes it."))
