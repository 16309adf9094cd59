"""Choose the place where this device is."""

from __future__ import annotations

from functools import partial

from tui.i18n.translate import _
from tui.layout import Line
from tui.screens.base import BaseScreen


async def choose_device_place(screen: BaseScreen, entity: bytes, title: str) -> None:
    """Remember an entity as the place where this device is.

    Who chose another one is asked.
    """
    here = screen.state.here
    if here is None or here == entity:
        await _set_here(screen, entity, title)
        return

    from tui.dialogs.base import ChoiceDialog

    def answered(choice: object) -> None:
        if choice:
            screen.run_task(partial(_set_here, screen, entity, title), group="save")

    rows: list[tuple[bool, Line]] = [
        (True, [(_("{title} from now on").format(title=title), "plain")]),
        (False, [(_("stay at {title}").format(title=await screen.state.breadcrumb_of(here)), "plain")]),
    ]
    screen.open_dialog(ChoiceDialog(_("Where is this device?"), rows), answered)


async def _set_here(screen: BaseScreen, entity: bytes, title: str) -> None:
    await screen.state.set_here(entity)
    await screen.reload_content()
    screen.show_message(_("This device is at {title} from now on.").format(title=title))
