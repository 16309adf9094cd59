"""Verbs that sync with other devices: sync, serve, peers."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from core.service.endpoint import DEFAULT_PORT
from core.service.session_runner import SyncResult
from core.store.check_note import damaged_error
from core.store.store_file import fill_pages_after
from core.sync.session import MODES
from core.timestamps import format_timestamp
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.cli.progress import show_sync_progress
from tui.i18n.translate import N_, _, error_text, format_number, ngettext
from tui.view_models.cable_status import halted_text
from tui.view_models.peers import sync_warnings

if TYPE_CHECKING:
    from core.service.peer_discovery import DiscoveredPeer
    from core.service.serve_config import ServeEvent


@verb(
    N_("Sync once with another device (tcp://HOST:PORT, serial:///dev/PORT) or the files on a stick (bundle://PATH).")
)
@argument("target")
@option("--mode", type=click.Choice(list(MODES)), help=N_("How to find out what differs."))
@option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=86400),
    metavar="S",
    help=N_("How many seconds the other side may be silent."),
)
async def sync(context: CliContext, target: str, mode: str | None, timeout: float | None) -> int:
    async with await context.open_workspace() as workspace:
        with show_sync_progress(partial(_halted_reason, target)) as on_event:
            result = await workspace.sync(target, mode=mode, timeout_s=timeout, on_event=on_event)
        await workspace.store.run(partial(fill_pages_after, added=result.stats.received))
        for text in sync_warnings(result, target):
            context.print_message(text)
        if context.json:
            damaged = {"damaged": [str(path) for path in result.damaged_bundles]} if result.damaged_bundles else {}
            sealed = {"sealed": [str(path) for path in result.sealed_bundles]} if result.sealed_bundles else {}
            context.print_json({**_sync_result_json(result), **damaged, **sealed})
            return int(result.is_all_damaged)
        formatter = await Formatter.create(workspace)
        await formatter.load_device_names()
    stats = result.stats
    peer = formatter.device_name(result.peer) if result.peer else target
    sent = ngettext("{count} change sent", "{count} changes sent", stats.sent)
    received = ngettext("{count} received", "{count} received", stats.received)
    moved = format_number(stats.bytes_out + stats.bytes_in)
    context.print_message(
        _("Synced with {peer}: {sent}, {received}, {bytes} bytes.").format(
            peer=peer, sent=sent, received=received, bytes=moved
        )
    )
    return int(result.is_all_damaged)


def _halted_reason(target: str) -> str:
    """Why a sync over a cable does not go on; empty if it does."""
    if not target.startswith("serial:"):
        return ""
    from core.service import serial_sync

    status = serial_sync.read_cable_status(target)
    return "" if status is None else halted_text(status)


def _sync_result_json(result: SyncResult) -> dict[str, Any]:
    stats = result.stats
    return {
        "peer": result.peer.hex() if result.peer else None,
        "sent": stats.sent,
        "received": stats.received,
        "bytes_out": stats.bytes_out,
        "bytes_in": stats.bytes_in,
        "reconcile_bytes": stats.reconcile_bytes,
        "round_trips": stats.round_trips,
        "mode": stats.mode,
        "seconds": round(result.duration_s, 3),
        "root": result.root.hex(),
    }


@verb(N_("Sync with other devices until stopped. What happens is one JSON object a line on stdout."))
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
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
    help=N_("Also connect to this device (tcp://HOST:PORT) by itself; may be given again."),
)
@option(
    "--serial",
    "cables",
    multiple=True,
    metavar="DEV[?baud=B]",
    help=N_("Also sync over this serial port (/dev/ttyUSB0); may be given again."),
)
async def serve(
    context: CliContext, port: int, bind: str, no_discovery: bool, peers: tuple[str, ...], cables: tuple[str, ...]
) -> None:
    from core.equipment.watch import make_surrounding
    from core.service.serial_sync import ServedSerialPort
    from core.service.serve_config import ServeConfig
    from core.sync.links.serial.serial_ports import parse_serial_endpoint
    from tui.cli.equipment_events import watch_equipment
    from tui.cli.hook_events import serve_hooks
    from tui.cli.mirror_events import serve_mirror

    async with await context.open_workspace() as workspace:

        def on_listening(host: str, port: int) -> None:
            address = f"[{host}]" if ":" in host else host
            context.print_message(f"listening on {address}:{port}")

        def print_event(event: dict[str, Any]) -> None:
            try:
                context.print_json(event)
            except BrokenPipeError:
                # Nobody reads this any more: the same as a signal to stop.
                serving.cancel()

        surrounding = make_surrounding()

        def on_event(event: ServeEvent) -> None:
            print_event(_event_json(event))
            if event.result is not None and event.result.stats.received:
                surrounding.poke()

        endpoints = [parse_serial_endpoint(cable) for cable in cables or workspace.home.served_ports()]
        ports = [ServedSerialPort(workspace, endpoint) for endpoint in endpoints]
        config = ServeConfig(bind, port, is_discovery_on=not no_discovery, peer_endpoints=peers, served_endpoints=ports)
        serving = asyncio.create_task(workspace.serve(config, on_listening=on_listening, on_event=on_event))
        beside = [
            asyncio.create_task(watch_equipment(workspace, surrounding, print_event)),
            asyncio.create_task(serve_hooks(context, print_event)),
            asyncio.create_task(serve_mirror(context, print_event)),
        ]
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            if not serving.cancelled():
                raise
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


@verb(N_("Show which devices announce themselves in the network now, and which serial ports there are."))
@option(
    "--wait",
    type=click.FloatRange(min=0, max=3600),
    default=3.0,
    show_default=True,
    metavar="S",
    help=N_("How many seconds to listen."),
)
async def peers(context: CliContext, wait: float) -> None:
    async with (
        await context.open_workspace() as workspace,
        workspace.discover_peers(lambda error: context.print_message(error_text(error))) as discovery,
    ):
        await asyncio.sleep(wait)
        found = await discovery.list_peers()
    if context.json:
        context.print_json([_peer_json(peer) for peer in found])
        return
    rows = [[peer.endpoint, peer.name or _("a device"), _peer_status_text(peer)] for peer in found]
    if rows:
        context.print_table(rows, [_("Target"), _("Name"), ""])
    context.print_message(ngettext("{count} found.", "{count} found.", len(rows)))


def _peer_json(peer: DiscoveredPeer) -> dict[str, Any]:
    return {
        "target": peer.endpoint,
        "fleet": peer.fleet.hex() if peer.fleet else None,
        "device": peer.device.hex() if peer.device else None,
        "root": peer.root.hex() if peer.root else None,
        "name": peer.name,
        "same": peer.is_in_sync,
        "state": peer.state,
        "failures": peer.failure_count,
        "next_try": None if peer.next_try_us is None else format_timestamp(peer.next_try_us),
        "met_at": None if peer.last_sync_us is None else format_timestamp(peer.last_sync_us),
        "message": error_text(peer.last_error) if peer.last_error else None,
    }


def _peer_status_text(peer: DiscoveredPeer) -> str:
    if peer.state == "meeting":
        return _("syncing now")
    if peer.last_error is not None:
        return error_text(peer.last_error)
    if peer.endpoint.startswith("serial:"):
        return _("cable, served") if peer.state == "serving" else _("cable")
    if peer.device is None:
        return _("never synced")
    if peer.is_in_sync is None:
        return _("another fleet") if peer.fleet else ""
    if not peer.is_member:
        return _("not a member")
    return _("holds the same") if peer.is_in_sync else _("holds something else")


def _event_json(event: ServeEvent) -> dict[str, Any]:
    where = {"link": event.link_name, "target": event.endpoint}
    if event.result is not None:
        return {"event": "met", **_sync_result_json(event.result), **where}
    if event.check is not None:
        message = error_text(damaged_error(event.check.damage)) if event.check.damage else None
        seconds = round(event.check.seconds, 3)
        return {"event": "checked", "changes": event.check.change_count, "seconds": seconds, "message": message}
    message = error_text(event.error) if event.error else ""
    return {"event": "failed", "peer": event.peer.hex() if event.peer else None, "message": message, **where}
