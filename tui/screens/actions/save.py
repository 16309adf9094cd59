"""Save from a screen: ask first; and stop the search for what would be saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from tui.i18n.translate import _
from tui.layout import Line
from tui.screens.base import BaseScreen

PREPARE_GROUP = "prepare"
"""The group of the workers that find out what would be saved: Esc stops them."""


def ask_save(
    screen: BaseScreen,
    title: str,
    rows: Iterable[Line],
    warnings: Sequence[str],
    save: Callable[[str], Awaitable[None]],
) -> None:
    """Show what would be saved, and save it all at once if the answer is yes.

    Args:
        screen: where it is asked.
        title: what the dialog is called.
        rows: what would be saved, line by line.
        warnings: what to know before.
        save: saves it, with the note that was typed, empty for none.
    """

    from tui.dialogs.base import SaveDialog

    def answered(note: str | None) -> None:
        if note is not None:
            screen.run_task(partial(save, note), group="save")

    screen.open_dialog(SaveDialog(title, rows, warnings), answered)


def stop_preparing(screen: BaseScreen) -> bool:
    """Stop the search for what would be saved; return whether it was under way."""
    was_preparing = bool(screen.workers.cancel_group(screen, PREPARE_GROUP))
    if was_preparing:
        screen.show_message(_("Stopped: nothing was saved."))
    return was_preparing
