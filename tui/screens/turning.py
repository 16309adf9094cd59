"""Undo and redo, for the pages that offer them: the difference first, then an ordinary edit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tui.language.i18n import _, language, ngettext, number, say
from tui.rows.preview import preview
from tui.rows.remarks import edits_clash
from tui.screens.dialogs import Save
from tui.screens.listing import Listing

if TYPE_CHECKING:
    from core.history import Left
    from core.workspace.undoing import Turn

_MOST_REASONS = 3
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
        if turn.batches:
            await self._show_turn(turn)
        elif left := next((left for _entry, left in turn.passed if left), None):
            self.message(await self._why(left))
        else:
            self.message(_("You have saved nothing on this device that could still be taken back."))

    async def do_redo(self) -> None:
        """Show what bringing back writes."""
        from core.workspace import undoing

        self.message(_("Looking at what you took back last …"))
        turn = await undoing.next_redo(self.desk.workspace)
        self.message("")
        if turn is None:
            self.message(_("There is nothing to bring back: something was saved since, or nothing taken back."))
        elif turn.batches:
            await self._show_turn(turn)
        elif turn.left:
            self.message(await self._why(turn.left[0]))
        else:
            self.message(_("Everything is as it was before you took it back."))

    async def _show_turn(self, turn: Turn) -> None:
        if reason := self.why_not("undo"):  # by now, such as since somebody went to look at the past
            self.message(reason, attention=True)
            return
        desk = self.desk
        edits = [edit for batch in turn.batches for edit in batch]
        rows = await preview(edits, desk.view, desk.schema, desk.names, where=True)
        when = desk.when.full(turn.changes[-1].at)
        title = _("Bring back what you took back on {when}") if turn.again else _("Take back what you saved on {when}")
        remarks = [*await edits_clash(desk.view, desk.schema, turn.batches[0]), *await self._remarks(turn)]

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
        for entry, left in turn.passed[:_MOST_REASONS]:
            text = _("What you saved on {when} is passed over. {why}")
            why = await self._why(left) if left else _("Nothing of it counts any more.")
            remarks.append(text.format(when=desk.when.full(entry.at), why=why))
        if (more := len(turn.passed) - _MOST_REASONS) > 0:
            text = ngettext(
                "{count} later change of yours is passed over: nothing of it can be taken back.",
                "{count} later changes of yours are passed over: nothing of them can be taken back.",
                more,
            )
            remarks.append(text)
        remarks += [await self._why(left) for left in turn.left[:_MOST_REASONS]]
        if (more := len(turn.left) - _MOST_REASONS) > 0:
            remarks.append(_("… and {count} more").format(count=number(more)))
        return remarks

    async def _why(self, left: Left) -> str:
        """Why something is left alone."""
        desk = self.desk
        name = (await desk.view.names([left.entity], desk.schema))[left.entity]
        label = desk.schema.property(name.kind, left.property).label(language())
        text = _("{property} of {entity} is left alone: {reason}.")
        return text.format(property=label, entity=name.title, reason=say(left.reason))

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
