"""The first run: a home without a device. Start a fleet or join one, in three steps each."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from textual.app import ComposeResult
from textual.worker import WorkType

from core.errors import FieldlineError, Refused
from core.schemafile import BUILT_IN, builtin
from core.values import quoted
from core.workspace import Workspace, checking
from tui.commands import Command
from tui.language.i18n import N_, _, say
from tui.rows.lines import Column, Line, columns, wrapped
from tui.screens.dialogs import Ask, Choose, Confirm, Dialog
from tui.screens.help import explain
from tui.terminal.driver import guarded
from tui.terminal.ending import EndingApp
from tui.terminal.plain import NoColours, PlainGlyphs
from tui.widgets.text import Lines

_INSIDE = 66
_ABOUT = {
    "service-centre": N_("Localities, their places and the equipment."),
    "site-network": N_("Sites and what is on their networks."),
}

Answer = TypeVar("Answer")


class FirstRun(EndingApp[bool]):
    """Asks what is needed and makes this device; gives True when there is one."""

    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = ["styles/fieldline.tcss", "styles/themes.tcss"]
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
        """Carry out one of the commands that work in every dialog."""
        if name == "help":
            explain(self)
        else:
            self.refresh(layout=True)

    def compose(self) -> ComposeResult:
        yield Lines(self._welcome, id="welcome")

    def _welcome(self, width: int, height: int) -> list[Line]:
        what = _("Configure a piece of equipment once: every device of the fleet knows it, with no server.")
        text = _("There is no device in {home} yet.").format(home=self._home)
        lines = [*wrapped(what, width - 2), *wrapped(text, width - 2)]
        return [[(" Fieldline", "strong")], [], *([(" " + line, "dim")] for line in lines)]

    def on_mount(self) -> None:
        self.theme = "ansi-dark"
        self.title = "Fieldline"
        work: WorkType[None] = self._guide
        self.run_worker(work)

    async def _guide(self) -> None:
        """Ask until there is a device, or somebody leaves."""
        if why := unusable(self._home):
            await self._asked(Confirm(_("This folder cannot be used"), say(why), _("leave")))
            self.exit(False)
            return
        choice: object = None
        while True:
            rows: list[tuple[str, Line]] = [
                ("found", _row(_("Start a fleet"), _("This device is its first, and its admin."))),
                ("join", _row(_("Join a fleet"), _("An admin of it lets this device in."))),
            ]
            choice = await self._asked(_Beginning(_("Welcome. What shall this device do?"), rows, choice))
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

    async def _steps(self, *steps: Callable[[str], Dialog[Any]]) -> list[str] | None:
        """The answers to some questions, each made with the answer given before; Esc goes back by one."""
        answers: list[str] = [""] * len(steps)
        step = 0
        while step < len(steps):
            answer = await self._asked(steps[step](answers[step]))
            if answer is None and step == 0:
                return None
            if answer is not None:
                answers[step] = str(answer)
            step += 1 if answer is not None else -1
        return answers

    async def _found(self) -> bool:
        """The fleet's name, the device's name, what can be configured."""

        def fleet(said: str) -> Dialog[Any]:
            help_text = _("Such as the name of your organisation or region.")
            return _Question(_title(1, _("what is the fleet called?")), said, help_text, _check_name)

        def schema(said: str) -> Dialog[Any]:
            rows: list[tuple[str, Line]] = [(name, _row(name, _(_ABOUT.get(name, "")))) for name in BUILT_IN]
            return _Choice(_title(3, _("what is to be configured?")), rows, said)

        answers = await self._steps(fleet, _ask_device, schema)
        if answers is None:
            return False
        workspace = await Workspace.init(
            self._home, user=self._user, fleet_name=answers[0], schema=builtin(answers[2]), device_name=answers[1]
        )
        await workspace.close()
        return True

    async def _join(self) -> bool:
        """The fleet's id, the device's name, and whom to ask."""

        def fleet(said: str) -> Dialog[Any]:
            help_text = _("32 hex digits: `fieldline status` shows them on any device of the fleet.")
            return _Question(_title(1, _("what is the id of the fleet?")), said, help_text, _check_fleet)

        answers = await self._steps(fleet, _ask_device)
        if answers is None:
            return False
        workspace = await Workspace.join(self._home, user=self._user, fleet=answers[0].strip(), device_name=answers[1])
        own = workspace.identity.device.hex()
        await workspace.close()
        text = _(
            "Tell an admin the id of this device: {device}. On the admin's device it is admitted on the Members page "
            "(6, then a). Then meet a device of the fleet on the Sync page (5): everything comes from there. This "
            "device shows its id on its Members page, too."
        ).format(device=own)
        await self._asked(Confirm(_title(3, _("have this device let in")), text, _("go on")))
        return True


class _Step(Dialog[Answer]):
    """Esc goes back by a step."""

    BACK = N_("back")

    def offered(self) -> list[Command]:
        return [Command(c.name, c.keys, self.BACK, c.help) if c.name == "cancel" else c for c in super().offered()]


class _Question(_Step[str], Ask):
    """A step in which something is typed."""


class _Choice(_Step[object], Choose):
    """A step in which something is chosen."""


class _Beginning(_Choice):
    """Before the first step; Esc leaves."""

    BACK = N_("leave")


def unusable(home: Path) -> FieldlineError | None:
    """Why no device can be made in a folder, as far as that is to be seen before."""
    there = home.expanduser().absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return FieldlineError("{path} is no folder: name another one with --home.", path=str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        return FieldlineError("This user may not write in {path}: name another folder with --home.", path=str(there))
    return None


def _title(step: int, what: str) -> str:
    return _("Step {step} of 3: {what}").format(step=step, what=what)


def _ask_device(said: str) -> Dialog[Any]:
    name = said or socket.gethostname().split(".")[0] or "device"
    help_text = _("The name that others see beside what it writes.")
    return _Question(_title(2, _("what is this device called?")), name, help_text, _check_name)


def _row(what: str, about: str) -> Line:
    return columns(_INSIDE, [Column(what, 22, "strong"), Column(about, None)])


async def _check_name(text: str) -> None:
    checking.name(text)


async def _check_fleet(text: str) -> None:
    checking.id_of(
        text.strip(),
        Refused(
            "{text} is not the id of a fleet: it has 32 hex digits, as `fieldline status` shows it.", text=quoted(text)
        ),
    )
