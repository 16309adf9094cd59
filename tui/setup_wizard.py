"""The first run: a home without a device.

Start a fleet, pair with one's admin or join it, in three steps each.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from textual.app import ComposeResult
from textual.worker import WorkType

from core.device import input_validation
from core.errors import FieldlineError, Refused
from core.identity import Identity, new_private_key
from core.paths import exists, is_folder
from core.recovery_key import recovery_text
from core.schema_toml import BUILT_IN_SCHEMAS, load_builtin_schema
from core.sync.links.serial.serial_ports import list_serial_ports
from core.values import quote_value
from core.workspace import Workspace
from tui.commands import Command
from tui.dialogs.base import ChoiceDialog, ConfirmDialog, Dialog, PromptDialog
from tui.dialogs.help import show_help
from tui.i18n.translate import N_, _, error_text
from tui.layout import Column, Line, layout_columns, wrap_text
from tui.terminal.ascii_filter import AsciiFilter, NoColourFilter
from tui.terminal.driver import limit_input
from tui.terminal.end_signals import suspend
from tui.terminal.themes import ThemedApp
from tui.view_models.pairing import result_text
from tui.widgets.lines import Lines
from tui.widgets.role_styles import Palette

_ROW_COLUMNS = 66
"""Columns of a row in a dialog, on the smallest terminal."""
_SCHEMA_DESCRIPTIONS = {
    "service-centre": N_("Localities, their places and the equipment."),
    "site-network": N_("Sites and what is on their networks."),
}

StepAnswer = TypeVar("StepAnswer")


class SetupWizard(ThemedApp[bool]):
    """Asks what is needed and sets up this device; returns True when that is done."""

    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "styles/fieldline.tcss"
    CSS = "#welcome { height: 1fr; }"

    def __init__(
        self, home: Path, user: str, *, plain: bool = False, palette: Palette | None = None, pair_port: int = 7421
    ) -> None:
        """Set up a device in a home.

        `pair_port` is where it listens while it waits to pair, 0 for any.
        """
        super().__init__(palette or Palette())
        self._pair_port = pair_port
        self.driver_class = limit_input(self.driver_class)
        self._home = home
        self._user = user
        if plain:
            self._filters.append(AsciiFilter())
        if self.no_color:
            self._filters.append(NoColourFilter())

    def action_command(self, name: str) -> None:
        """Carry out one of the commands that work in every dialog."""
        if name == "help":
            show_help(self)
        elif name == "suspend":
            suspend(self)
        else:
            self.do_redraw()

    def do_redraw(self) -> None:
        """Draw all of it again."""
        self.refresh(layout=True)

    def compose(self) -> ComposeResult:
        yield Lines(self._welcome, id="welcome")

    def _welcome(self, width: int, height: int) -> list[Line]:
        what = _("Configure a piece of equipment once: every device of the fleet knows it, with no server.")
        text = _("There is no device in {home} yet.").format(home=self._home)
        lines = [*wrap_text(what, width - 2), *wrap_text(text, width - 2)]
        return [[(" Fieldline", "strong")], [], *([(" " + line, "dim")] for line in lines)]

    def on_mount(self) -> None:
        self.title = "Fieldline"
        work: WorkType[None] = self._run_steps
        self.run_worker(work)

    async def _run_steps(self) -> None:
        """Ask until there is a device, or somebody leaves."""
        if why := find_unusable_reason(self._home):
            await self._ask(ConfirmDialog(_("This folder cannot be used"), error_text(why), _("leave")))
            self.exit(False)
            return
        choice: object = None
        while True:
            rows: list[tuple[str, Line]] = [
                ("found", _choice_row(_("Create a fleet"), _("This device is its first, and its admin."))),
                ("pair", _choice_row(_("Pair"), _("By six digits, with an admin's device."))),
                ("join", _choice_row(_("Join a fleet"), _("By ids: an admin lets this device in."))),
            ]
            choice = await self._ask(_StartChoice(_("Welcome. What shall this device do?"), rows, choice))
            if choice is None:
                self.exit(False)
                return
            steps = {"found": self._create_fleet, "pair": self._pair, "join": self._join_fleet}
            try:
                if await steps[str(choice)]():
                    self.exit(True)
                    return
            except FieldlineError as error:
                await self._ask(ConfirmDialog(_("That did not work"), error_text(error), _("go back")))

    async def _ask(self, dialog: Dialog[StepAnswer]) -> StepAnswer | None:
        return await self.push_screen_wait(dialog)

    async def _ask_in_order(self, *steps: Callable[[str], Dialog[Any]]) -> list[str] | None:
        """The answers to some questions, each made with the answer given before.

        Esc goes back by one.
        """
        answers: list[str] = [""] * len(steps)
        step = 0
        while step < len(steps):
            answer = await self._ask(steps[step](answers[step]))
            if answer is None and step == 0:
                return None
            if answer is not None:
                answers[step] = str(answer)
            step += 1 if answer is not None else -1
        return answers

    async def _create_fleet(self) -> bool:
        """The fleet's name, the device's name, what can be configured."""

        def fleet(answer: str) -> Dialog[Any]:
            help_text = _("Such as the name of your organisation or region.")
            return _Question(_step_title(1, _("what is the fleet called?")), answer, help_text, _check_name)

        def schema(answer: str) -> Dialog[Any]:
            rows: list[tuple[str, Line]] = [
                (name, _choice_row(name, _(_SCHEMA_DESCRIPTIONS.get(name, "")))) for name in BUILT_IN_SCHEMAS
            ]
            return _Choice(_step_title(3, _("what is to be configured?")), rows, answer)

        answers = await self._ask_in_order(fleet, _device_question, schema)
        if answers is None:
            return False
        recovery = new_private_key()
        workspace = await Workspace.init(
            self._home,
            user=self._user,
            fleet_name=answers[0],
            schema=load_builtin_schema(answers[2]),
            device_name=answers[1],
            recovery_key=Identity(recovery).public_key,
        )
        await workspace.close()
        text = _(
            "{key} is the recovery key of this fleet. It is shown only now: write it down and lock it "
            "away. Should the admins' devices be lost or stolen, `fieldline key recover` makes any device "
            "of the fleet an admin with it."
        ).format(key=recovery_text(recovery))
        await self._ask(ConfirmDialog(_("Write down the recovery key"), text, _("written down")))
        return True

    async def _join_fleet(self) -> bool:
        """The fleet's id, the device's name, and whom to ask."""

        def fleet(answer: str) -> Dialog[Any]:
            help_text = _("32 hex digits: `fieldline status` shows them on any device of the fleet.")
            return _Question(_step_title(1, _("what is the id of the fleet?")), answer, help_text, _check_fleet)

        answers = await self._ask_in_order(fleet, _device_question)
        if answers is None:
            return False
        workspace = await Workspace.join(self._home, user=self._user, fleet=answers[0].strip(), device_name=answers[1])
        own = workspace.identity.device.hex()
        await workspace.close()
        text = _(
            "Tell an admin the id of this device: {device}. On the admin's device it is admitted on "
            "the Devices screen (6, then a). Then sync with a device of the fleet on the Sync screen "
            "(5): everything comes from there. This device shows its id on its Devices screen, too."
        ).format(device=own)
        await self._ask(ConfirmDialog(_step_title(3, _("have this device let in")), text, _("go on")))
        return True

    async def _pair(self) -> bool:
        """The device's name, how the two devices reach each other, and the digits."""
        from core.workspace.pairing import Pairing
        from tui.dialogs import pairing

        def device(answer: str) -> Dialog[Any]:
            return _device_question(answer, step=1)

        def reach(answer: str) -> Dialog[Any]:
            ports = [port.path for port in list_serial_ports()]
            return _Choice(
                _step_title(2, _("how do the two devices reach each other?")), pairing.reach_rows(ports), answer
            )

        answers = await self._ask_in_order(device, reach)
        if answers is None:
            return False
        name, way = answers
        endpoint: str | None = f"serial://{way}"
        if way == pairing.CONNECT:
            help_text = _("tcp:// and its address, as the other device shows it.")
            endpoint = await self._ask(
                _Question(_("Pair with which device?"), "tcp://", help_text, pairing.check_endpoint)
            )
        if endpoint is None:
            return False

        async def pair(dialog: pairing.PairingDialog) -> str:
            side = Pairing(self._home, None, dialog, user=self._user, name=name)
            if way == pairing.WAIT:
                return result_text(await pairing.wait_for_peer(side, dialog, self._pair_port))
            return result_text(await side.dial(endpoint.strip()))

        waiting = _("Looking for the other device …")
        return await self._ask(pairing.PairingDialog(waiting, pair, _admit_nobody)) is True


class _Step(Dialog[StepAnswer]):
    """Esc goes back by a step."""

    CANCEL_LABEL = N_("back")

    def available_commands(self) -> list[Command]:
        return [
            Command(c.name, c.keys, self.CANCEL_LABEL, c.help) if c.name == "cancel" else c
            for c in super().available_commands()
        ]


class _Question(_Step[str], PromptDialog):
    """A step in which something is typed."""


class _Choice(_Step[object], ChoiceDialog):
    """A step in which something is chosen."""


class _StartChoice(_Choice):
    """Before the first step; Esc leaves."""

    CANCEL_LABEL = N_("leave")


def _is_seen(path: Path) -> bool:
    """Whether there is something at a path that this user may look at."""
    try:
        return exists(path)
    except OSError:
        return False


def find_unusable_reason(home: Path) -> FieldlineError | None:
    """Why no device can be made in a folder, as far as that is to be seen before."""
    there = home.expanduser().absolute()
    while there != there.parent and not _is_seen(there):
        there = there.parent
    if not is_folder(there):
        return FieldlineError("{path} is no folder: name another one with --home.", path=str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        return FieldlineError("This user may not write in {path}: name another folder with --home.", path=str(there))
    return None


def _step_title(step: int, what: str) -> str:
    return _("Step {step} of 3: {what}").format(step=step, what=what)


def _device_question(answer: str, step: int = 2) -> Dialog[Any]:
    name = answer or socket.gethostname().split(".")[0] or "device"
    help_text = _("The name that others see beside what it writes.")
    return _Question(_step_title(step, _("what is this device called?")), name, help_text, _check_name)


def _choice_row(what: str, about: str) -> Line:
    return layout_columns(_ROW_COLUMNS, [Column(what, 22, "strong"), Column(about, None)])


async def _admit_nobody(peer: bytes, peer_name: str) -> None:
    """Only an admin's device admits another one, and this one is new."""


async def _check_name(text: str) -> None:
    input_validation.check_name(text)


async def _check_fleet(text: str) -> None:
    input_validation.parse_id(
        text.strip(),
        Refused(
            "{text} is not the id of a fleet: it has 32 hex digits, as `fieldline status` shows it.",
            text=quote_value(text),
        ),
    )
