"""Pairing on the screen.

What is waited for, the six digits to compare, and what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from textual.app import ComposeResult
from textual.worker import Worker, WorkType

from core.errors import FieldlineError
from core.service.pairing_links import PAIR_PORT, own_addresses, parse_pairing_endpoint
from core.service.pairing_runner import Admission
from core.sync.pairing.protocol import MIN_LOOK_S, Comparison
from core.workspace.pairing import Pairing, PairResult
from tui.commands import Command
from tui.dialogs.base import BOX_COLUMNS, Dialog
from tui.i18n.translate import _, error_text
from tui.layout import Column, Line, layout_columns, wrap_text
from tui.widgets.lines import LineList, Lines, StaticRows

PAIRING_GROUP = "pairing"
"""Of the worker that pairs: it ends when the other device has come, or the person leaves."""
_DIGITS_INDENT = 28
"""The digits stand in the middle of the box, by themselves."""

WAIT, CONNECT = "wait", "connect"
"""How two devices reach each other, beside a cable, which is its port."""
_ROW_COLUMNS = 66
"""Columns of a row in a dialog, on the smallest terminal."""

Pair = Callable[["PairingDialog"], Awaitable[str]]
"""Pairs with a device, asking the person by this dialog; gives what came of it in a sentence, raises FieldlineError."""
ChooseAdmission = Callable[[bytes, str], Awaitable[Admission | None]]
"""`(device, its name)` -> how to admit it; None to stop."""


class PairingDialog(Dialog[bool]):
    """Pairs while it is open.

    The answer is whether that came to its end, None if the person left.

    It is the person that the pairing asks. `different` is chosen until somebody chooses otherwise.
    """

    def __init__(self, waiting: str, pair: Pair, choose_admission: ChooseAdmission) -> None:
        """`waiting` says what is waited for, before the other device has come."""
        super().__init__(_("Pairing"))
        self._pair = pair
        self._choose_admission = choose_admission
        self._texts: list[Line] = [[(line, "plain")] for line in wrap_text(waiting, BOX_COLUMNS)]
        self._answer: asyncio.Future[bool] | None = None
        self._looked_at_s = 0.0
        self._is_over = self._is_paired = False
        self._worker: Worker[None] | None = None

    def body(self) -> ComposeResult:
        yield Lines(lambda width, height: self._texts[:height], id="pairing-text", classes="to-read")
        choices = LineList(StaticRows([]), id="pairing-choices")
        choices.display = False
        choices.styles.height = 2
        yield choices

    def on_mount(self) -> None:
        self._show(self._texts)
        work: WorkType[None] = self._run
        self._worker = self.run_worker(work, group=PAIRING_GROUP)

    async def _run(self) -> None:
        try:
            sentence, self._is_paired = await self._pair(self), True
        except FieldlineError as error:
            sentence = error_text(error)
        self._is_over = True
        self._show_choices(False)
        self._show(
            [[(line, "strong" if self._is_paired else "attention")] for line in wrap_text(sentence, BOX_COLUMNS)]
        )
        self.redraw_keys()

    def set_waiting(self, text: str) -> None:
        """Show what is waited for now."""
        self._show([[(line, "plain")] for line in wrap_text(text, BOX_COLUMNS)])

    # --- the person --------------------------------------------------------------------------------------------------

    async def compare(self, comparison: Comparison) -> bool:
        """Show the digits until the person has chosen.

        Cancelled when that has become pointless.
        """
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._looked_at_s = loop.time() + MIN_LOOK_S
        self._show(_comparison_lines(comparison))
        self._show_choices(True)
        self.redraw_keys()
        try:
            is_same = await self._answer
        finally:
            self._answer = None
            self._show_choices(False)
            self.show_message("")
        self.set_waiting(_("Waiting for the other side …"))
        return is_same

    async def choose_admission(self, peer: bytes, peer_name: str) -> Admission | None:
        """Ask for the role and the name."""
        return await self._choose_admission(peer, peer_name)

    # --- what it shows -----------------------------------------------------------------------------------------------

    def _show(self, lines: Sequence[Line]) -> None:
        self._texts = list(lines)
        block = self.query_one("#pairing-text", Lines)
        block.styles.height = max(1, len(self._texts))
        block.redraw()

    def _show_choices(self, is_shown: bool) -> None:
        choices = self.query_one("#pairing-choices", LineList)
        if is_shown:
            rows: list[tuple[bool, Line]] = [
                (False, [(_("They differ: end it, and write nothing."), "plain")]),
                (True, [(_("They are the same."), "plain")]),
            ]
            choices.show_rows(StaticRows(rows), cursor=0)
        choices.display = is_shown
        if is_shown:
            choices.focus()

    def redraw_keys(self) -> None:
        """Show the keys that act now."""
        self.query_one("#dialog-keys", Lines).redraw()

    def available_commands(self) -> list[Command]:
        """Enter chooses, or closes what is over.

        While something is waited for there is only Esc.
        """
        found = []
        for command in super().available_commands():
            if command.name != "accept":
                found.append(command)
            elif self._is_over or self._answer is not None:
                label = _("close") if self._is_over else command.label
                found.append(Command(command.name, command.keys, label, command.help))
        return found

    # --- keys --------------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        if self._is_over:
            self.dismiss(self._is_paired)
        elif self._answer is not None and not self._answer.done():
            is_same = bool(self.query_one("#pairing-choices", LineList).key)
            if is_same and asyncio.get_running_loop().time() < self._looked_at_s:
                self.show_message(_("Compare them first: look at both screens, then choose again."))
            else:
                self._answer.set_result(is_same)

    def do_cancel(self) -> None:
        """Stop it, if it is not over; the other device is told."""
        if self._worker is not None and not self._worker.is_finished:
            self._worker.cancel()
        self.dismiss(self._is_paired if self._is_over else None)


def reach_rows(ports: Sequence[str]) -> list[tuple[str, Line]]:
    """The rows to choose from how the two devices reach each other."""
    return [
        (WAIT, _reach_row(_("wait"), _("Wait here for the other device, which names this one."))),
        (CONNECT, _reach_row(_("connect"), _("Name the other device, which waits."))),
        *((port, _reach_row(port.rpartition("/")[2], _("Over this cable: choose the same there."))) for port in ports),
    ]


def _reach_row(what: str, about: str) -> Line:
    return layout_columns(_ROW_COLUMNS, [Column(what, 12, "strong"), Column(about, None)])


async def check_endpoint(text: str) -> None:
    """Raise Refused for what is no endpoint of a device."""
    parse_pairing_endpoint(text.strip())


async def wait_for_peer(pairing: Pairing, dialog: PairingDialog, port: int) -> PairResult:
    """Be open for pairing over TCP, and show how this device is reached meanwhile."""

    def on_listening(host: str, port: int) -> None:
        suffix = "" if port == PAIR_PORT else f":{port}"
        targets = ", ".join(f"tcp://{address}{suffix}" for address in own_addresses())
        dialog.set_waiting(
            _(
                "This device is open for pairing for two minutes. On the other one choose p (on the Devices screen) "
                "and connect, or run `fieldline pair`, with {target}."
            ).format(target=targets or f"tcp://…{suffix}")
        )

    return await pairing.listen("0.0.0.0", port, on_listening)  # noqa: S104 - whoever is asked to wait is to be reached


def _comparison_lines(comparison: Comparison) -> list[Line]:
    who = _("The other device calls itself {name}.").format(name=comparison.peer_name)
    fleet = f"{comparison.fleet_name} ({comparison.fleet.hex()})"
    if comparison.is_admin:
        what = _("It wants to join the fleet {fleet}.")
    else:
        what = _("It lets this device into the fleet {fleet}.")
    texts = [line for text in (who, what.format(fleet=fleet)) for line in wrap_text(text, BOX_COLUMNS)]
    question = wrap_text(_("Does the other screen show the same digits?"), BOX_COLUMNS)
    return [
        *([(line, "plain")] for line in texts),
        [],
        [(" " * _DIGITS_INDENT, "plain"), (f" {comparison.digits} ", "current")],
        [],
        *([(line, "plain")] for line in question),
    ]
