"""Undo and redo, for the pages that offer them: the difference first, then an ordinary edit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tui.language.i18n import _, language, ngettext, number, say
from tui.rows.forms import Names
from tui.rows.preview import preview
from tui.screens.dialogs import Save
from tui.screens.listing import Listing

if TYPE_CHECKING:
    from core.workspace.undoing import Turn

SAVING = "saving"
"""The group of the workers that Esc stops."""


class Turning(Listing):
    """A page on which one's own changes can be taken back and brought back."""

    async def do_undo(self) -> None:
        """Show what taking back the latest change writes."""
        from core.workspace import undoing

        self.message(_("Looking at what you saved last …"))
        turn = await undoing.next_undo(self.desk.workspace)
        self.message("")
        if turn is None:
            self.message(_("You have saved nothing on this device that could still be taken back."))
        else:
            await self._show_turn(turn)

    async def do_redo(self) -> None:
        """Show what bringing back writes."""
        from core.workspace import undoing

        self.message(_("Looking at what you took back last …"))
        turn = await undoing.next_redo(self.desk.workspace)
        self.message("")
        if turn is None:
            self.message(_("There is nothing to bring back: something was saved since, or nothing taken back."))
        else:
            await self._show_turn(turn)

    async def _show_turn(self, turn: Turn) -> None:
        desk = self.desk
        edits = [edit for batch in turn.batches for edit in batch]
        rows = await preview(edits, desk.view, desk.schema, desk.names, where=True)
        when = desk.when.full(turn.changes[-1].at)
        title = _("Bring back what you took back on {when}") if turn.again else _("Take back what you saved on {when}")
        remarks = await self._remarks(turn)

        def answered(note: str | None) -> None:
            if note is not None:
                self.work(partial(self._turn, turn, note), group=SAVING)

        self.ask(Save(title.format(when=when), rows, remarks), answered)

    async def _remarks(self, turn: Turn) -> list[str]:
        desk, remarks = self.desk, []
        if more := sum(map(len, turn.batches[1:])):
            text = ngettext(
                "{count} value more is said again beside these: the question is open as it was.",
                "{count} values more are said again beside these: the questions are open as they were.",
                more,
            )
            remarks.append(text)
        if turn.passed:
            text = ngettext(
                "{count} later change of yours is passed over: nothing of it can be taken back.",
                "{count} later changes of yours are passed over: nothing of them can be taken back.",
                turn.passed,
            )
            remarks.append(text)
        called = await desk.view.names({left.entity for left in turn.left[:3]}, desk.schema)
        names = Names({entity: name.title for entity, name in called.items()}, {})
        for left in turn.left[:3]:
            label = desk.schema.property(called[left.entity].kind, left.property).label(language())
            text = _("{property} of {entity} is left alone: {reason}.")
            remarks.append(text.format(property=label, entity=names.entity(left.entity), reason=say(left.reason)))
        if len(turn.left) > 3:
            remarks.append(_("… and {count} more").format(count=len(turn.left) - 3))
        return remarks

    def saved(self, done: int, total: int) -> None:
        """Say how much of something long is saved."""
        if done < total:
            self.message(_("{done} of {count} saved · Esc stops").format(done=number(done), count=number(total)))

    def stopped(self) -> bool:
        """Stop what is being saved; gives whether anything was."""
        under_way = bool(self.workers.cancel_group(self, SAVING))
        if under_way:
            self.message(_("Stopped. What was saved by then stays; u takes it back."))
        return under_way

    async def _turn(self, turn: Turn, note: str) -> None:
        from core.workspace import undoing

        await undoing.carry_out(self.desk.workspace, turn, note or None, self.saved)
        await self.desk.news()
        self.message(_("Brought back. u takes it back.") if turn.again else _("Taken back. U brings it back."))
