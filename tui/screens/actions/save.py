"""Save a large change from a screen: ask first, show how far it is, and stop it on request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from tui.dialogs.base import SaveDialog
from tui.i18n.translate import _, format_number
from tui.layout import Line
from tui.screens.base import BaseScreen

SAVE_GROUP = "saving"
"""The group of the workers that Esc stops."""


def ask_save(
    screen: BaseScreen,
    title: str,
    rows: Iterable[Line],
    warnings: Sequence[str],
    save: Callable[[str], Awaitable[None]],
    group: str = SAVE_GROUP,
) -> None:
    """Show what would be saved, and save it if the answer is yes.

    Args:
        screen: where it is asked and where progress is shown.
        title: what the dialog is called.
        rows: what would be saved, line by line.
        warnings: what to know before.
        save: saves it, with the note that was typed, empty for none.
        group: of the worker; only one of `SAVE_GROUP` is stopped by `stop_saving`.
    """

    def answered(note: str | None) -> None:
        if note is not None:
            screen.run_task(partial(save, note), group=group)

    screen.open_dialog(SaveDialog(title, rows, warnings), answered)


def show_save_progress(screen: BaseScreen, done: int, total: int) -> None:
    """Show how many of `total` batches are saved."""
    if done < total:
        screen.show_message(
            _("{done} of {count} saved · Esc stops").format(done=format_number(done), count=format_number(total))
        )


def stop_saving(screen: BaseScreen) -> bool:
    """Stop what is being saved; return whether anything was."""
    is_saving = bool(screen.workers.cancel_group(screen, SAVE_GROUP))
    if is_saving:
        screen.show_message(_("Stopped. What was saved by then stays; u undoes it."))
    return is_saving


def is_saving(screen: BaseScreen) -> bool:
    """Whether something is being saved that can be stopped."""
    return any(worker.group == SAVE_GROUP for worker in screen.workers)
