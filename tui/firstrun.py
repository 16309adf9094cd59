"""The first run: a home without a device. Start a fleet or join one, in three steps each."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TypeVar

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.worker import WorkType

from core.errors import FieldlineError, Refused
from core.schema import BUILT_IN, builtin
from core.values import quoted
from core.workspace import Workspace, checking
from tui import commands
from tui.driver import guarded
from tui.i18n import N_, _, say
from tui.lines import Column, Line, columns, wrapped
from tui.plain import NoColours, PlainGlyphs
from tui.screens.dialogs import Ask, Choose, Confirm, Dialog
from tui.screens.help import Help
from tui.widgets.text import Lines

_INSIDE = 66
_ABOUT = {
    "service-centre": N_("Localities, their places and the equipment."),
    "site-network": N_("Sites and what is on their networks."),
}

Answer = TypeVar("Answer")


class FirstRun(App[bool]):
    """Asks what is needed and makes this device; gives True when there is one."""

    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = ["styles/fieldline.tcss", "styles/themes.tcss"]
    BINDINGS = [Binding(",".join(commands.find(("everywhere",), "help").keys), "command('help')", show=False)]
    CSS = "#welcome { height: 1fr; }"

    def __init__(self, home: Path, user: str, *, plain: bool = False, theme: str = "terminal") -> None:
        super().__init__()
        self.driver_class = guarded(self.driver_class)
        self._home = home
        self._user = user
        self.set_class(True, f"-{theme}")
        if plain:
            self._filters.append(PlainGlyphs())
        if self.no_color:
            self._filters.append(NoColours())

    def action_command(self, name: str) -> None:
        """Show what the keys do, the one command that there is here besides those of the dialogs."""
        if name == "help" and isinstance(self.screen, Dialog) and not isinstance(self.screen, Help):
            self.push_screen(Help(self.screen.SCOPES))

    def compose(self) -> ComposeResult:
        yield Lines(self._welcome, id="welcome")

    def _welcome(self, width: int, height: int) -> list[Line]:
        text = _("There is no device in {home} yet.").format(home=self._home)
        return [[(" Fieldline", "strong")], [], *([(" " + line, "dim")] for line in wrapped(text, width - 2))]

    def on_mount(self) -> None:
        self.theme = "ansi-dark"
        self.title = "Fieldline"
        work: WorkType[None] = self._guide
        self.run_worker(work)

    async def _guide(self) -> None:
        """Ask until there is a device, or somebody leaves."""
        while True:
            rows: list[tuple[str, Line]] = [
                ("found", _row(_("Start a fleet"), _("This device is its first, and its admin."))),
                ("join", _row(_("Join a fleet"), _("An admin of it lets this device in."))),
            ]
            choice = await self._asked(Choose(_("Welcome. What shall this device do?"), rows))
            if choice is None:
                self.exit(False)
                return
            try:
                if await (self._found() if choice == "found" else self._join()):
                    self.exit(True)
                    return
            except FieldlineError as error:
                await self._asked(Confirm(_("That did not work"), say(error), _("go back")))

    async def _asked(self, dialog: Dialog[Answer]) -> Answer | None:
        return await self.push_screen_wait(dialog)

    async def _found(self) -> bool:
        """The fleet's name, the device's name, what can be configured."""
        title = _("Step {step} of 3: {what}")
        fleet = await self._asked(
            Ask(
                title.format(step=1, what=_("what is the fleet called?")),
                "",
                _("Such as the name of your organisation or region."),
                _check_name,
            )
        )
        if fleet is None:
            return False
        device = await self._ask_device(title)
        if device is None:
            return False
        rows: list[tuple[str, Line]] = [(name, _row(name, _(_ABOUT.get(name, "")))) for name in BUILT_IN]
        schema = await self._asked(Choose(title.format(step=3, what=_("what is to be configured?")), rows))
        if not isinstance(schema, str):
            return False
        workspace = await Workspace.init(
            self._home, user=self._user, fleet_name=fleet, schema=builtin(schema), device_name=device
        )
        await workspace.close()
        return True

    async def _join(self) -> bool:
        """The fleet's id, the device's name, and whom to ask."""
        title = _("Step {step} of 3: {what}")
        fleet = await self._asked(
            Ask(
                title.format(step=1, what=_("what is the id of the fleet?")),
                "",
                _("32 hex digits: `fieldline status` shows them on any device of the fleet."),
                _check_fleet,
            )
        )
        if fleet is None:
            return False
        device = await self._ask_device(title)
        if device is None:
            return False
        workspace = await Workspace.join(self._home, user=self._user, fleet=fleet.strip(), device_name=device)
        own = workspace.identity.device.hex()
        await workspace.close()
        text = _(
            "Tell an admin the id of this device: {device}. On the admin's device it is admitted on the Members page "
            "(6, then a). Then meet a device of the fleet on the Sync page (5): everything comes from there. This "
            "device shows its id on its Members page, too."
        ).format(device=own)
        await self._asked(Confirm(title.format(step=3, what=_("have this device let in")), text, _("go on")))
        return True

    async def _ask_device(self, title: str) -> str | None:
        name = socket.gethostname().split(".")[0] or "device"
        question = title.format(step=2, what=_("what is this device called?"))
        return await self._asked(Ask(question, name, _("The name that others see beside what it writes."), _check_name))


def _row(what: str, about: str) -> Line:
    return columns(_INSIDE, [Column(what, 18, "strong"), Column(about, None)])


async def _check_name(text: str) -> None:
    checking.name(text)


async def _check_fleet(text: str) -> None:
    checking.id_of(
        text.strip(),
        Refused(
            "{text} is not the id of a fleet: it has 32 hex digits, as `fieldline status` shows it.", text=quoted(text)
        ),
    )
