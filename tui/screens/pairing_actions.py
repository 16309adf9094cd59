"""Pair with another device from the screen.

Choose how the two reach each other, then show the digits.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from core.device import input_validation
from tui.command_host import Answer
from tui.dialogs.base import ChoiceDialog, Dialog, PromptDialog
from tui.i18n.translate import _
from tui.screens.base import ScreenActions
from tui.screens.member_actions import role_rows
from tui.view_models.pairing import result_text

# What a pairing needs is imported where one begins: it takes time and memory, and few who look here pair.
if TYPE_CHECKING:
    from core.service.pairing_runner import Admission, PairingPerson
    from core.workspace.pairing import Pairing
    from tui.dialogs.pairing import Pair, PairingDialog


class PairingActions(ScreenActions):
    """Let a device in, or join a fleet, by six digits on both screens."""

    _typed_endpoint = "tcp://"

    def disabled_reason(self, name: str) -> str | None:
        if self.state.viewed_at_us is not None:
            return _("This is the past and stays as it is: Esc goes back to now.")
        return _(self.state.READ_ONLY_REASON) if self.state.readonly else None

    async def do_pair(self) -> None:
        """Ask how the two devices reach each other, then pair."""
        from core.sync.links.serial.serial_ports import list_serial_ports
        from tui.dialogs.pairing import reach_rows

        membership, me = await self.state.workspace.membership(), self.state.workspace.identity.device
        if membership.may_connect(me) and not membership.is_admin(me):
            reason = _("Only an admin's device can do this, and this is not one: ask an admin.")
            self.screen.show_message(reason, attention=True)
            return
        ports = await asyncio.to_thread(list_serial_ports) if self.state.options.discovery else []
        title = _("Pair with another device: how do the two reach each other?")
        self.screen.open_dialog(ChoiceDialog(title, reach_rows([port.path for port in ports])), self._begin)

    def _begin(self, choice: object) -> None:
        from tui.dialogs.pairing import CONNECT, WAIT, check_endpoint

        if choice == CONNECT:
            help_text = _("tcp:// and its address, as the other device shows it.")
            prompt = PromptDialog(
                _("Pair with which device?"), self._typed_endpoint, help_text, check_endpoint, _("pair")
            )
            self.screen.open_dialog(prompt, self._connect)
        elif choice == WAIT:
            self._open(self._wait, _("Opening this device for pairing …"))
        elif isinstance(choice, str):
            text = _("Waiting for the other end of {port}: choose the same there.").format(port=choice)
            self._open(partial(self._dial, f"serial://{choice}"), text)

    def _connect(self, endpoint: str | None) -> None:
        if endpoint is not None:
            self._typed_endpoint = endpoint.strip()
            text = _("Connecting to {target} …").format(target=self._typed_endpoint)
            self._open(partial(self._dial, self._typed_endpoint), text)

    def _open(self, pair: Pair, waiting: str) -> None:
        from tui.dialogs.pairing import PairingDialog

        self.screen.open_dialog(PairingDialog(waiting, pair, self._choose_admission), self._closed)

    def _closed(self, is_paired: bool | None) -> None:
        if is_paired is None:
            self.screen.show_message(_("The pairing was stopped: nothing was written."))
        self.screen.refresh_data()

    # --- pairing -----------------------------------------------------------------------------------------------------

    def _pairing(self, person: PairingPerson) -> Pairing:
        from core.workspace.pairing import Pairing

        workspace = self.state.workspace
        return Pairing(
            workspace.home.folder,
            workspace,
            person,
            user=workspace.user,
            name=workspace.home.name(),
            clock=workspace.clock,
            entropy=workspace.entropy,
        )

    async def _wait(self, dialog: PairingDialog) -> str:
        from tui.dialogs.pairing import wait_for_peer

        return result_text(await wait_for_peer(self._pairing(dialog), dialog, self.state.options.pair_port))

    async def _dial(self, endpoint: str, dialog: PairingDialog) -> str:
        return result_text(await self._pairing(dialog).dial(endpoint))

    # --- the admission -----------------------------------------------------------------------------------------------

    async def _choose_admission(self, peer: bytes, peer_name: str) -> Admission | None:
        from core.service.pairing_runner import Admission

        role = await self._ask(ChoiceDialog(_("What may it do?"), role_rows()))
        if not isinstance(role, str):
            return None
        name = await self._ask(PromptDialog(_("What is it called?"), peer_name, "", _check_name))
        return None if name is None else Admission(role, name.strip())

    async def _ask(self, dialog: Dialog[Answer]) -> Answer | None:
        """Show a dialog over the one that pairs.

        It goes with whoever waits for its answer.
        """
        answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()

        def answered(given: Answer | None) -> None:
            if not answer.done():
                answer.set_result(given)

        self.screen.app.push_screen(dialog, answered)
        try:
            return await answer
        except asyncio.CancelledError:
            dialog.dismiss(None)
            raise


async def _check_name(text: str) -> None:
    input_validation.check_name(text)
