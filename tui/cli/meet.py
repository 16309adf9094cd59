"""Verbs that meet other devices: serve, sync."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from core.moments import format_time
from core.sync.session import MODES
from core.workspace.endpoint import PORT
from core.workspace.meeting import Met
from tui.cli.desk import Desk
from tui.cli.help import argument, option, verb
from tui.cli.progress import meeting
from tui.cli.written import Writing
from tui.language.i18n import N_, _, ngettext, number, say
from tui.rows.standing import halted_text

if TYPE_CHECKING:
    from core.workspace.peers import Peer
    from core.workspace.ways import Happened


@verb(N_("Meet another device (tcp://HOST:PORT, serial:///dev/PORT) or the files on a stick (bundle://PATH) once."))
@argument("target")
@option("--mode", type=click.Choice(list(MODES)), help=N_("How to find out what differs."))
@option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=86400),
    metavar="S",
    help=N_("How many seconds the other side may be silent."),
)
async def sync(desk: Desk, target: str, mode: str | None, timeout: float | None) -> None:
    async with await desk.open() as workspace:
        with meeting(partial(_halted, target)) as told:
            met = await workspace.sync(target, mode=mode, timeout=timeout, told=told)
        if desk.json:
            desk.document(_met_json(met))
            return
        writing = await Writing.of(workspace)
        await writing.learn_devices()
    figures = met.figures
    peer = writing.device(met.peer) if met.peer else target
    sent = ngettext("{count} change sent", "{count} changes sent", figures.sent)
    received = ngettext("{count} received", "{count} received", figures.received)
    moved = number(figures.bytes_out + figures.bytes_in)
    desk.say(
        _("Met {peer}: {sent}, {received}, {bytes} bytes.").format(peer=peer, sent=sent, received=received, bytes=moved)
    )
    for path in met.unreadable:
        desk.say(_("{path} is damaged and was left as it is.").format(path=path))


def _halted(target: str) -> str:
    """Why the meeting does not get on, if that is to be seen: over a cable."""
    if not target.startswith("serial:"):
        return ""
    from core.workspace import cables

    standing = cables.standing(target)
    return "" if standing is None else halted_text(standing)


def _met_json(met: Met) -> dict[str, Any]:
    figures = met.figures
    return {
        "peer": met.peer.hex() if met.peer else None,
        "sent": figures.sent,
        "received": figures.received,
        "bytes_out": figures.bytes_out,
        "bytes_in": figures.bytes_in,
        "reconcile_bytes": figures.reconcile_bytes,
        "round_trips": figures.round_trips,
        "mode": figures.mode,
        "seconds": round(met.seconds, 3),
        "root": met.root.hex(),
    }


@verb(N_("Answer other devices until stopped. What happens is one JSON object a line on stdout."))
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    metavar="N",
    help=N_("0 picks a free one."),
)
@option("--bind", default="0.0.0.0", show_default=True, metavar="ADDR", help=N_("The address to listen on."))  # noqa: S104
@option("--no-discovery", is_flag=True, help=N_("Neither look for other devices in the network nor be found there."))
@option(
    "--peer",
    "peers",
    multiple=True,
    metavar="TARGET",
    help=N_("Also call this device (tcp://HOST:PORT) by itself; may be given again."),
)
@option(
    "--serial",
    "cables",
    multiple=True,
    metavar="DEV[?baud=B]",
    help=N_("Also answer at this serial port (/dev/ttyUSB0); may be given again."),
)
async def serve(
    desk: Desk, port: int, bind: str, no_discovery: bool, peers: tuple[str, ...], cables: tuple[str, ...]
) -> None:
    from core.sync.links.ports import parse
    from core.workspace.cables import CablePort
    from core.workspace.ways import Ways

    async with await desk.open() as workspace:

        def listening(host: str, port: int) -> None:
            place = f"[{host}]" if ":" in host else host
            desk.say(f"listening on {place}:{port}")

        def happened(event: Happened) -> None:
            try:
                desk.document(_event_json(event))
            except BrokenPipeError:
                # Who read this has seen enough: the same as being told to stop.
                serving.cancel()

        places = [parse(cable) for cable in cables or workspace.home.cables()]
        ports = [CablePort(workspace, place) for place in places]
        ways = Ways(bind, port, discovery=not no_discovery, peers=peers, ports=ports)
        serving = asyncio.create_task(workspace.serve(ways, listening=listening, happened=happened))
        loop = asyncio.get_running_loop()
        for number_ in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number_, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            if not serving.cancelled():
                raise


@verb(N_("Show which devices announce themselves in the network now, and which serial ports there are."))
@option(
    "--wait",
    type=click.FloatRange(min=0, max=3600),
    default=3.0,
    show_default=True,
    metavar="S",
    help=N_("How many seconds to listen."),
)
async def peers(desk: Desk, wait: float) -> None:
    async with await desk.open() as workspace, workspace.lookout(lambda error: desk.say(say(error))) as lookout:
        await asyncio.sleep(wait)
        found = await lookout.peers()
    if desk.json:
        desk.document([_peer_json(peer) for peer in found])
        return
    rows = [[peer.target, peer.name or _("a device"), _standing(peer)] for peer in found]
    if rows:
        desk.table(rows, [_("Target"), _("Name"), ""])
    desk.say(ngettext("{count} found.", "{count} found.", len(rows)))


def _peer_json(peer: Peer) -> dict[str, Any]:
    return {
        "target": peer.target,
        "fleet": peer.fleet.hex() if peer.fleet else None,
        "device": peer.device.hex() if peer.device else None,
        "root": peer.root.hex() if peer.root else None,
        "name": peer.name,
        "same": peer.same,
        "state": peer.state,
        "failures": peer.failures,
        "next_try": None if peer.next_try is None else format_time(peer.next_try),
        "met_at": None if peer.met_at is None else format_time(peer.met_at),
        "message": say(peer.trouble) if peer.trouble else None,
    }


def _standing(peer: Peer) -> str:
    if peer.state == "meeting":
        return _("meeting now")
    if peer.trouble is not None:
        return say(peer.trouble)
    if peer.target.startswith("serial:"):
        return _("cable, served") if peer.state == "serving" else _("cable")
    if peer.device is None:
        return _("never met")
    if peer.same is None:
        return _("another fleet") if peer.fleet else ""
    if not peer.member:
        return _("not a member")
    return _("holds the same") if peer.same else _("holds something else")


def _event_json(event: Happened) -> dict[str, Any]:
    where = {"link": event.link, "target": event.target}
    if event.met is not None:
        return {"event": "met", **_met_json(event.met), **where}
    told = say(event.error) if event.error else ""
    return {"event": "failed", "peer": event.peer.hex() if event.peer else None, "message": told, **where}
