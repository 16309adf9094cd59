"""Sync: whom this device has met and can meet now, meeting them from here, and how far that is."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.worker import Worker, WorkerCancelled, WorkerFailed, WorkType

from core.errors import FieldlineError
from core.store.types import SetSummary
from core.sync.events import Event, Progress
from tui.cable_monitor import cable_waiting_lines
from tui.command_host import command_bindings
from tui.dialogs.base import PromptDialog
from tui.i18n.translate import N_, _, error_text, format_number, ngettext
from tui.layout import Line, wrap_text
from tui.screens.actions.filter import FilterActions
from tui.view_models.cable_status import cable_status_text, cable_status_word
from tui.view_models.known_endpoints import (
    ENDPOINTS_META_KEY,
    FILES_META_KEY,
    encode_endpoints,
    parse_endpoints,
    parse_files_endpoint,
)
from tui.view_models.peers import (
    PeerRow,
    SyncMeter,
    format_bytes,
    link_kind,
    meter_lines,
    peer_line,
    peer_rows,
    stick_rows,
    sync_warnings,
)
from tui.widgets.lines import Lines, StaticRows

# What carries a meeting is imported where one begins: it takes time and memory, and few who look here meet anybody.
if TYPE_CHECKING:
    from core.service.peer_discovery import DiscoveredPeer
    from core.service.serial_sync import CableStatus
    from core.service.session_runner import SyncResult
    from core.service.transfer_backlog import TransferBacklog

_SERVED_REASON = N_("`fieldline serve` on this device syncs with the other end by itself.")
_MAX_OUTCOMES = 20
_REDRAW_INTERVAL_S = 1.0
_DISCOVERY_INTERVAL_S = 2.0
_STOP_TIMEOUT_S = 1.0


class Sync(FilterActions):
    """Devices, ports and files, and the meeting that is under way."""

    TAB = "sync"
    SCOPES = ("sync", "sifting", "listing")
    BINDINGS = command_bindings("sync")

    def __init__(self) -> None:
        super().__init__()
        self._summary: SetSummary | None = None
        self._peer_rows: list[PeerRow] = []
        self._endpoints: dict[bytes, str] = {}
        self._typed_endpoint = "tcp://"
        self._files_endpoint = ""
        self._sticks: list[Path] = []
        self.meter: SyncMeter | None = None
        self._sync_worker: Worker[None] | None = None
        self._discovery_worker: Worker[None] | None = None
        self._redraw_timer: Timer | None = None
        self._outcomes: list[tuple[str, str]] = []
        self._found_peers: list[DiscoveredPeer] = []
        self._shown_status = ""
        self._backlog: TransferBacklog | None = None

    @property
    def current_row(self) -> PeerRow | None:
        """The line under the cursor."""
        return next((each for each in self._peer_rows if each.key == self.lines.key), None)

    @property
    def is_syncing(self) -> bool:
        """Whether a meeting is under way."""
        return self._sync_worker is not None and not self._sync_worker.is_finished

    def breadcrumb(self) -> str:
        return _("Sync")

    def heading(self) -> tuple[Line, Line]:
        if self._summary is None:
            return [], []
        held = ngettext("this device holds {count} change", "this device holds {count} changes", self._summary.count)
        right: Line = [(f"{held} · {self._summary.root.hex()[:8]}", "dim")]
        return [(_("Devices and files"), "plain")], self.filter_line() or right

    async def reload_content(self) -> None:
        store = self.state.workspace.store
        self._summary = await store.summary()
        self._endpoints = parse_endpoints(await store.read_meta(ENDPOINTS_META_KEY))
        self._files_endpoint = parse_files_endpoint(await store.read_meta(FILES_META_KEY))
        met = await store.source_stats()
        self._backlog = await self.state.workspace.transfer_backlog()
        every = peer_rows(met, self._found_peers, self._endpoints, self.state.names.devices, self._files_endpoint)
        every[:0] = stick_rows(self._sticks)
        if (meter := self.meter) and not any(self._is_active(each) for each in every):
            # As a cable that was pulled meanwhile.
            every.insert(0, PeerRow(meter.target, meter.name, link_kind(meter.target), meter.target, is_reachable=True))
        self._peer_rows = [each for each in every if self.is_match(each.name, each.target, each.key)]
        self._show_rows()

    def _show_rows(self) -> None:
        key, offered = self.lines.key, self.state.cable_monitor.offered_target
        if any(each.key == offered for each in self._peer_rows):
            key, self.state.cable_monitor.offered_target = offered, ""
        width = self.lines.size.width - 2
        self._shown_status = self._link_status()
        rows = [
            (each.key, peer_line(each, width, self.state.dates, self._shown_status if self._is_active(each) else ""))
            for each in self._peer_rows
        ]
        self.lines.show_rows(StaticRows(rows), cursor=next((i for i, row in enumerate(rows) if row[0] == key), None))

    def on_resize(self) -> None:
        self._show_rows()

    def on_mount(self) -> None:
        sticks: WorkType[None] = self._watch_sticks
        self.run_worker(sticks, group="watch")
        if self.state.options.discovery:
            work: WorkType[None] = self._watch_peers
            self._discovery_worker = self.run_worker(work, group="watch")

    async def on_unmount(self) -> None:
        # One has a peer to say goodbye to, the other sockets to close.
        for worker in (self._sync_worker, self._discovery_worker):
            if worker is not None and not worker.is_finished:
                worker.cancel()
                with suppress(WorkerCancelled, WorkerFailed, TimeoutError):
                    async with asyncio.timeout(_STOP_TIMEOUT_S):
                        await worker.wait()

    async def _watch_sticks(self) -> None:
        """Look while this screen is shown which removable disks are mounted."""
        from core.service import mounted_sticks

        while True:
            if self.is_current and (sticks := await asyncio.to_thread(mounted_sticks.list_sticks)) != self._sticks:
                self._sticks = sticks
                self.refresh_data()
            await asyncio.sleep(_DISCOVERY_INTERVAL_S)

    async def _watch_peers(self) -> None:
        """Look while this screen is shown what announces itself in the network, and what is plugged in."""
        from core.service.peer_discovery import discover_peers

        async with discover_peers(self.state.workspace, self._on_discovery_error) as out:
            while True:
                if self.is_current:
                    try:
                        there = await out.list_peers()
                    except FieldlineError as error:
                        self._on_discovery_error(error)
                        return
                    if there != self._found_peers:
                        self._found_peers = there
                        self.refresh_data()
                await asyncio.sleep(_DISCOVERY_INTERVAL_S)

    def _on_discovery_error(self, error: FieldlineError) -> None:
        self._add_outcome(error_text(error))
        self.redraw()

    # --- details -----------------------------------------------------------------------------------------------------

    def subject(self) -> Line:
        if self.meter is not None:
            who = self.meter.name
            if (cable := self._cable_status()) and cable.peer:
                device = self.state.names.device(cable.peer)
                who = _("{device} at {port}").format(device=device, port=who)
            return [(_("Syncing with {who}").format(who=who), "strong")]
        return [(self.current_row.name, "strong")] if self.current_row else []

    def details(self, width: int, height: int) -> list[Line]:
        indent = ("   ", "plain")
        if self.meter is not None:
            cable, stands = self._cable_status(), self._link_status()
            if stands == "waiting":
                lines = cable_waiting_lines(width - 6)
            else:
                told, halted = (cable_status_text(cable) if cable else ""), stands != "meeting"
                lines = meter_lines(self.meter, width - 6, height, told, halted)
            return [[indent, *line] for line in lines[:height]]
        said: list[tuple[str, str]] = [(self.admission_hint(), "attention")]
        if coming := self._backlog:
            template = _("{count} of {total} changes are still to come from {device}. Sync again to go on.")
            who = self.state.names.device(coming.peer)
            missing, total = format_number(coming.missing_count), format_number(coming.total_count)
            said.append((template.format(count=missing, total=total, device=who), "attention"))
        if each := self.current_row:
            said += self._peer_texts(each)
        elif self.filter_text:
            said.append((self.no_match_text(), "plain"))
        else:
            said.append(
                (
                    _(
                        "Nothing was received from another device yet. On the other device run `fieldline "
                        "serve`, then press m here and type tcp:// and its address; or press b and carry a "
                        "folder on a stick."
                    ),
                    "plain",
                )
            )
        said += [(f"{when}  {what}", "dim") for when, what in reversed(self._outcomes)]
        broken = [(line, role) for text, role in said for line in wrap_text(text, width - 6)]
        return [[indent, line] for line in broken[:height]]

    def _peer_texts(self, each: PeerRow) -> list[tuple[str, str]]:
        """What there is to say of a line, and in which role."""
        said = []
        if each.trouble is not None:
            said.append((error_text(each.trouble), "attention"))
        if each.next_try is not None:
            said.append((_("Next try {when}.").format(when=self.state.dates.short(each.next_try)), "plain"))
        if self._is_served(each.target):
            said.append((_(_SERVED_REASON), "plain"))
        elif each.is_reachable and each.link == "serial":
            said.append(
                (
                    _(
                        "Press Enter to sync with the device at the other end. It has to do the same, or run "
                        "`fieldline serve --serial`."
                    ),
                    "plain",
                )
            )
            if last := self._last_device_at(each.target):
                said.append((_("Last synced here: {device}.").format(device=last), "plain"))
        elif each.target:
            there = (
                _("It can be reached at {target}: Enter.")
                if each.is_reachable
                else _("It was last reached at {target}: Enter syncs again.")
            )
            said.append((there.format(target=each.target), "plain"))
        elif each.link == "bundle":
            said.append((_("Changes that came as a file; b syncs with a file or a folder on a stick."), "plain"))
        else:
            said.append((_("It connected to this device; from here, m asks for its address."), "plain"))
        return said

    def _cable_status(self) -> CableStatus | None:
        """How the cable that is in use stands."""
        if self.meter is None or link_kind(self.meter.target) != "serial":
            return None
        from core.service import serial_sync

        return serial_sync.read_cable_status(self.meter.target)

    def _link_status(self) -> str:
        """How the meeting stands, for its line."""
        cable = self._cable_status()
        return "meeting" if cable is None else cable_status_word(cable)

    def _is_active(self, each: PeerRow) -> bool:
        """Whether the meeting that is under way from here is with this line; that over a cable is with its port."""
        if self.meter is None or each.target != self.meter.target:
            return False
        return each.key == each.target or each.link != "serial"

    def _is_served(self, target: str) -> bool:
        """Whether the process that serves on this device has the port of this target."""
        port = target.partition("?")[0]
        there = (each for each in self._found_peers if each.state in ("serving", "meeting"))
        return link_kind(target) == "serial" and port in {each.endpoint.partition("?")[0] for each in there}

    def _last_device_at(self, target: str) -> str:
        """The device that was met at this target last."""
        return next((self.state.names.device(device) for device, at in self._endpoints.items() if at == target), "")

    def clipboard_text(self) -> str:
        """Where it is to be met."""
        return self.current_row.target if self.current_row else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def screen_disabled_reason(self, name: str) -> str | None:
        if name == "stop":
            return None if self.is_syncing else _("No sync is in progress.")
        if self.is_syncing:
            return _("A sync is in progress: x stops it; what was received stays.")
        if name == "meet":
            if self.current_row is not None and self._is_served(self.current_row.target):
                return _(_SERVED_REASON)
            if self.current_row is None:
                return _("Nobody is on this line: m asks for an address.")
        return None

    def do_meet(self) -> None:
        """Sync with what is on this line; asks for its address where that is not known."""
        if (each := self.current_row) and each.target:
            self._start_sync(each.target, each.name)
        elif each and each.link == "bundle":
            self.do_stick()
        elif each:
            self.do_meet_at()

    def do_meet_at(self) -> None:
        """Ask for an address and meet the device there."""
        help_text = _("tcp://HOST:PORT, where `fieldline serve` runs; without a port it is {port}.").format(port=7420)
        self.app.push_screen(
            PromptDialog(
                _("Sync with which address?"), self._typed_endpoint, help_text, self._check_endpoint, _("sync now")
            ),
            self._on_endpoint_typed,
        )

    def do_stick(self) -> None:
        """Ask for a folder or file and meet it."""
        help_text = _("A folder on a stick, or a file: this device takes what is new there and adds what is missing.")
        stick = f"bundle://{self._sticks[0]}" if self._sticks else "bundle://"
        self.app.push_screen(
            PromptDialog(
                _("Sync with which folder or file?"),
                self._files_endpoint or stick,
                help_text,
                self._check_endpoint,
                _("sync now"),
            ),
            self._on_endpoint_typed,
        )

    async def _check_endpoint(self, text: str) -> None:
        from core.service.endpoint import parse_endpoint

        parse_endpoint(text.strip())

    def _on_endpoint_typed(self, text: str | None) -> None:
        if text is not None:
            target = text.strip()
            if link_kind(target) != "bundle":
                self._typed_endpoint = target
            self._start_sync(target, target)

    def do_stop(self) -> None:
        """Stop the meeting; what has come stays."""
        if self._sync_worker is not None:
            self._sync_worker.cancel()

    # --- a meeting ---------------------------------------------------------------------------------------------------

    def _start_sync(self, target: str, name: str) -> None:
        if link_kind(target) == "serial":
            # Who is there is seen when there is somebody.
            name = target.partition("?")[0].rpartition("/")[2]
        self.meter = SyncMeter(target, name)
        self.state.cable_monitor.active_target = target
        self._redraw_timer = self.set_interval(_REDRAW_INTERVAL_S, self._redraw_progress)
        work: WorkType[None] = partial(self._run_sync, target, name)
        self._sync_worker = self.run_worker(work, group="meeting", exclusive=True)
        self._show_rows()
        self.redraw()

    def _redraw_progress(self) -> None:
        """Show how far it is, at most once a second: the line may be slow."""
        if self._link_status() != self._shown_status:
            self._show_rows()
            self.redraw()
        self.query_one("#details", Lines).redraw()

    async def _run_sync(self, target: str, name: str) -> None:
        outcome, failed = "", True
        try:
            met = await self.state.workspace.sync(target, on_event=self._on_sync_event)
            outcome, failed = await self._remember_result(met, target), False
        except FieldlineError as error:
            outcome = error_text(error)
        except asyncio.CancelledError:
            outcome = _("Stopped: what was received is saved. Sync again to go on.")
            raise
        finally:
            self._finish_sync(name, outcome, failed)
        await self.reload_content()
        self.redraw()

    def _on_sync_event(self, event: Event) -> None:
        if isinstance(event, Progress) and self.meter is not None:
            self.meter.update(event, asyncio.get_running_loop().time())

    async def _remember_result(self, met: SyncResult, target: str) -> str:
        """What came of it, in a sentence; where a device was met is remembered."""
        figures = met.stats
        # Of files their name: the figures behind it have to fit into the line.
        who = target.rstrip("/").rpartition("/")[2] or target
        if met.peer is not None:
            who = self.state.names.device(met.peer)
            kept = {met.peer: target, **{d: t for d, t in self._endpoints.items() if d != met.peer}}
            await self.state.workspace.store.write_meta(ENDPOINTS_META_KEY, encode_endpoints(kept))
        elif link_kind(target) == "bundle":
            await self.state.workspace.store.write_meta(FILES_META_KEY, target.encode("utf-8", "surrogateescape"))
        sentence = _("Synced with {who}: {received} received, {sent} sent, {bytes}.").format(
            who=who,
            received=format_number(figures.received),
            sent=format_number(figures.sent),
            bytes=format_bytes(figures.bytes_in + figures.bytes_out),
        )
        for text in sync_warnings(met, target):
            self._add_outcome(text)
        return sentence

    def _finish_sync(self, name: str, outcome: str, failed: bool) -> None:
        if self._redraw_timer is not None:
            self._redraw_timer.stop()
        self.meter = self._sync_worker = self._redraw_timer = None
        self.state.cable_monitor.active_target = ""
        self._add_outcome(outcome)
        # It may have ended because the program does.
        if self.query("#list"):
            self._show_rows()
            self.redraw()
            self.show_message(outcome, attention=failed)

    def _add_outcome(self, outcome: str) -> None:
        when = self.state.dates.short(self.state.dates.clock())
        self._outcomes = [*self._outcomes, (when, outcome)][-_MAX_OUTCOMES:]
