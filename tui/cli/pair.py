"""The verb pair: dials a device that waits with `pair --listen`."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import click

from core.device import input_validation
from core.device.home import Home
from core.errors import FieldlineError, Refused
from core.member_values import ROLES
from core.paths import exists
from core.service.pairing_links import PAIR_PORT
from core.service.pairing_runner import Admission
from core.sync.pairing.protocol import MIN_LOOK_S
from tui.cli.context import CliContext
from tui.cli.help import argument, option, verb
from tui.cli.line_input import LineInput
from tui.cli.progress import show_sync_progress
from tui.i18n.translate import N_, _, error_text, ngettext
from tui.view_models.pairing import result_text

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.sync.pairing.protocol import Comparison
    from core.workspace.pairing import Pairing, PairResult

DEFAULT_ROLE = "technician"


class TerminalPerson:
    """Asks the person at the terminal.

    A role and a name that were given with the call are not asked for.
    """

    def __init__(self, context: CliContext, role: str | None, name: str | None) -> None:
        self._context = context
        self._role = role
        self._name = name
        self._lines = LineInput()

    async def compare(self, comparison: Comparison) -> bool:
        """Show the digits; only the word itself says that they are the same."""
        show = self._context.print_message
        fleet = f"{comparison.fleet_name} ({comparison.fleet.hex()})"
        show(_("The other device calls itself {name}.").format(name=comparison.peer_name))
        if comparison.is_admin:
            show(_("It wants to join the fleet {fleet}.").format(fleet=fleet))
        else:
            show(_("It lets this device into the fleet {fleet}.").format(fleet=fleet))
        show("")
        show(f"    {comparison.digits}")
        show("")
        await asyncio.sleep(MIN_LOOK_S)
        self._lines.discard()
        question = _("Does the other screen show the same digits? Type `{word}` if so, Enter if not:")
        answer = await self._lines.ask(question.format(word=_("same")))
        is_same = answer is not None and answer.casefold() in ("same", _("same").casefold())
        if is_same:
            show(_("Waiting for the other side …"))
        return is_same

    async def choose_admission(self, peer: bytes, peer_name: str) -> Admission | None:
        """Ask for the role and the name; the end of the input stops it."""
        role = self._role
        while role not in ROLES:
            roles = ", ".join(ROLES)
            answer = await self._lines.ask(
                _("What may it do ({roles})? [{role}]").format(roles=roles, role=DEFAULT_ROLE)
            )
            if answer is None:
                return None
            role = answer or DEFAULT_ROLE
        name = self._name
        while name is None:
            answer = await self._lines.ask(_("What is it called? [{name}]").format(name=peer_name))
            if answer is None:
                return None
            try:
                name = input_validation.check_name(answer or peer_name)
            except Refused as error:
                self._context.print_message(error_text(error))
        return Admission(role, name)


@verb(
    N_(
        "Pair with another device by six digits that both screens show: an admin's device lets the other one into its "
        "fleet, and both sync. One waits with --listen, the other names it (tcp://HOST); over a cable "
        "both name the port (serial:///dev/PORT). The device that joins needs nothing else."
    )
)
@argument("target", required=False)
@option("--listen", "listens", is_flag=True, help=N_("Wait for the other device, for two minutes."))
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PAIR_PORT,
    show_default=True,
    metavar="N",
    help=N_("0 picks a free one."),
)
@option("--bind", default="0.0.0.0", show_default=True, metavar="ADDR", help=N_("The address to listen on."))  # noqa: S104
@option("--serial", "cable", metavar="DEV[?baud=B]", help=N_("Wait at this serial port instead."))
@option("--device", metavar="NAME", help=N_("What this device is called, if it joins (else: the machine's name)."))
@option("--role", type=click.Choice(ROLES), help=N_("What the other device may do, if this one lets it in."))
@option("--name", metavar="NAME", help=N_("What the other device is called, if this one lets it in."))
async def pair(
    context: CliContext,
    target: str | None,
    listens: bool,
    port: int,
    bind: str,
    cable: str | None,
    device: str | None,
    role: str | None,
    name: str | None,
) -> None:
    if (target is None) == (not listens):
        raise Refused("Name the device to pair with (tcp://HOST), or wait for it with --listen.")
    if name is not None:
        name = input_validation.check_name(name)
    home = Home(context.home)
    own_name = device if device is not None else socket.gethostname().split(".")[0] or "device"
    if not exists(home.store):
        result = await _run(context, None, target, (bind, port, cable), own_name, (role, name))
    else:
        async with await context.open_workspace() as workspace:
            result = await _run(context, workspace, target, (bind, port, cable), own_name, (role, name))
    _print_result(context, result)


async def _run(
    context: CliContext,
    device: DeviceContext | None,
    target: str | None,
    where: tuple[str, int, str | None],
    own_name: str,
    admission: tuple[str | None, str | None],
) -> PairResult:
    from core.workspace.pairing import Pairing

    def on_rejected(error: FieldlineError) -> None:
        context.print_message(error_text(error))

    with show_sync_progress() as on_event:
        pairing = Pairing(
            context.home,
            device,
            TerminalPerson(context, *admission),
            user=context.user,
            name=own_name,
            on_event=on_event,
            on_rejected=on_rejected,
        )
        if target is not None:
            return await pairing.dial(target)
        return await _listen(context, pairing, *where)


async def _listen(context: CliContext, pairing: Pairing, bind: str, port: int, cable: str | None) -> PairResult:
    if cable is not None:
        from core.sync.links.serial.serial_ports import parse_serial_endpoint

        return await pairing.listen_at_cable(parse_serial_endpoint(cable))

    def on_listening(host: str, port: int) -> None:
        address = f"[{host}]" if ":" in host else host
        context.print_message(f"listening on {address}:{port}")

    return await pairing.listen(bind, port, on_listening)


def _print_result(context: CliContext, result: PairResult) -> None:
    context.print_message(result_text(result))
    if result.sync is not None:
        stats = result.sync.stats
        sent = ngettext("{count} change sent", "{count} changes sent", stats.sent)
        received = ngettext("{count} received", "{count} received", stats.received)
        context.print_message(f"{sent}, {received}.")
    if context.json:
        context.print_json(_result_json(result))


def _result_json(result: PairResult) -> dict[str, Any]:
    return {
        "device": result.device.hex(),
        "role": result.role,
        "name": result.name,
        "fleet": result.fleet.hex(),
        "peer": result.peer.hex(),
        "synced": result.sync is not None,
    }
