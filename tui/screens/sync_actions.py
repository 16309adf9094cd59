"""Sync with a device, a port or files from the screen.

Start, show progress, stop, and remember what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.worker import Worker, WorkType

from core.errors import FieldlineError
from core.sync.events import Event, Progress
from tui.dialogs.base import PromptDialog
from tui.i18n.translate import N_, _, error_text, format_number
from tui.screens.base import ScreenActions
from tui.screens.list_screen import ListScreen
from tui.view_models.cable_status import cable_status_word
from tui.view_models.known_endpoints import (
    ENDPOINTS_META_KEY,
    FILES_META_KEY,
    encode_endpoints,
    parse_endpoints,
    parse_files_endpoint,
)
from tui.view_models.peers import PeerRow, SyncMeter, format_bytes, link_kind, sync_warnings
from tui.widgets.lines import Lines
from tui.workers import wait_until_ended

# What a sync needs is imported where one begins: it takes time and memory, and few who look here sync.
if TYPE_CHECKING:
    from core.service.serial_sync import CableStatus
    from core.service.session_runner import SyncResult

SERVED_REASON = N_("`fieldline serve` on this device syncs with the other end by itself.")
_MAX_OUTCOMES = 20
"""Outcomes that are shown, the latest first: more have no room on any screen."""
_REDRAW_INTERVAL_S = 1.0
"""How often progress is drawn: the line to the terminal may be slow."""
_STICKS_INTERVAL_S = 2.0
"""How often it is looked which disks are mounted: whoever plugs one in waits no longer than that."""
_STOP_TIMEOUT_S = 1.0
"""How long the screen waits for a worker that has been cancelled: it has a peer to say goodbye to."""


class SyncActions(ScreenActions):
    """Runs one sync at a time.

    `meter` measures the one that is under way, None if none is. `endpoints` are where devices were reached last,
    `files_endpoint` is the folder or file that was synced with last, empty for none, and `sticks` are where removable
    disks are mounted.
    """

    screen: ListScreen

    def __init__(
        self,
        screen: ListScreen,
        selected: Callable[[], PeerRow | None],
        is_served: Callable[[str], bool],
        show_rows: Callable[[], None],
    ) -> None:
        """Act on a list of peers.

        Args:
            screen: the screen with the list.
            selected: gives the row under the cursor, None in an empty list.
            is_served: gives whether the process that serves on this device has the port of an endpoint.
            show_rows: shows the rows again.
        """
        super().__init__(screen)
        self._selected = selected
        self._is_served = is_served
        self._show_rows = show_rows
        self.meter: SyncMeter | None = None
        self.endpoints: dict[bytes, str] = {}
        self.files_endpoint = ""
        self.sticks: list[Path] = []
        self.outcomes: list[tuple[str, str]] = []
        """Time and sentence of each sync that has ended, the latest last."""
        self.shown_status = ""
        """How the sync was doing when the rows were shown last."""
        self._typed_endpoint = "tcp://"
        self._worker: Worker[None] | None = None
        self._timer: Timer | None = None

    @property
    def is_syncing(self) -> bool:
        """Whether a sync is under way."""
        return self._worker is not None and not self._worker.is_finished

    def cable_status(self) -> CableStatus | None:
        """How the cable is doing that is in use; None if none is."""
        if self.meter is None or link_kind(self.meter.target) != "serial":
            return None
        from core.service import serial_sync

        return serial_sync.read_cable_status(self.meter.target)

    def link_status(self) -> str:
        """How the sync is doing, as `peer_line` takes it."""
        cable = self.cable_status()
        return "meeting" if cable is None else cable_status_word(cable)

    def is_with(self, row: PeerRow) -> bool:
        """Whether the sync that is under way is with this row.

        One over a cable is with its port.
        """
        if self.meter is None or row.target != self.meter.target:
            return False
        return row.key == row.target or row.link != "serial"

    def last_device_at(self, endpoint: str) -> str:
        """The name of the device that was reached at an endpoint last; empty if none was."""
        device = self._device_at(endpoint)
        return self.state.names.device(device) if device else ""

    def _device_at(self, endpoint: str) -> bytes | None:
        return next((device for device, at in self.endpoints.items() if endpoint and at == endpoint), None)

    def device_of(self, row: PeerRow | None) -> bytes | None:
        """The device of a row: of a port the one that was reached there last."""
        return (row.device or self._device_at(row.target)) if row else None

    async def load(self) -> None:
        """Read where devices and files were reached."""
        store = self.state.workspace.store
        self.endpoints = parse_endpoints(await store.read_meta(ENDPOINTS_META_KEY))
        self.files_endpoint = parse_files_endpoint(await store.read_meta(FILES_META_KEY))

    async def watch_sticks(self) -> None:
        """Look while the screen is shown which removable disks are mounted."""
        from core.service import mounted_sticks

        while True:
            if self.screen.is_current:
                sticks = await asyncio.to_thread(mounted_sticks.list_sticks)
                if sticks != self.sticks:
                    self.sticks = sticks
                    self.screen.refresh_data()
            await asyncio.sleep(_STICKS_INTERVAL_S)

    async def close(self) -> None:
        """Stop what is under way, and give it a moment to end."""
        await stop_worker(self._worker)

    # --- commands ----------------------------------------------------------------------------------------------------

    def disabled_reason(self, name: str) -> str | None:
        if name == "stop":
            return None if self.is_syncing else _("No sync is in progress.")
        if self.is_syncing:
            return _("A sync is in progress: x stops it; what was received stays.")
        if name != "meet":
            return None
        row = self._selected()
        if row is None:
            return _("Nobody is on this line: m asks for an address.")
        if self._is_served(row.target):
            return _(SERVED_REASON)
        return None

    def do_meet(self) -> None:
        """Sync with what is on this line; asks for its address where that is not known."""
        if (row := self._selected()) and row.target:
            self._start(row.target, row.name)
        elif row and row.link == "bundle":
            self.do_stick()
        elif row:
            self.do_meet_at()

    def do_meet_at(self) -> None:
        """Ask for an address and sync with the device there."""
        help_text = _("tcp://HOST:PORT, where `fieldline serve` runs; without a port it is {port}.").format(port=7420)
        self._ask_endpoint(_("Sync with which address?"), self._typed_endpoint, help_text)

    def do_stick(self) -> None:
        """Ask for a folder or file and sync with it."""
        help_text = _("A folder on a stick, or a file: this device takes what is new there and adds what is missing.")
        stick = f"bundle://{self.sticks[0]}" if self.sticks else "bundle://"
        self._ask_endpoint(_("Sync with which folder or file?"), self.files_endpoint or stick, help_text)

    def _ask_endpoint(self, title: str, text: str, help_text: str) -> None:
        async def check(text: str) -> None:
            from core.service.endpoint import parse_endpoint

            parse_endpoint(text.strip())

        def typed(text: str | None) -> None:
            if text is not None:
                endpoint = text.strip()
                if link_kind(endpoint) != "bundle":
                    self._typed_endpoint = endpoint
                self._start(endpoint, endpoint)

        self.screen.app.push_screen(PromptDialog(title, text, help_text, check, _("sync now")), typed)

    def do_stop(self) -> None:
        """Stop the sync; what has come stays."""
        if self._worker is not None:
            self._worker.cancel()

    # --- a sync ------------------------------------------------------------------------------------------------------

    def _start(self, endpoint: str, name: str) -> None:
        if link_kind(endpoint) == "serial":
            # Who is there is seen when there is somebody.
            name = endpoint.partition("?")[0].rpartition("/")[2]
        self.meter = SyncMeter(endpoint, name)
        self.state.cable_monitor.active_target = endpoint
        self._timer = self.screen.set_interval(_REDRAW_INTERVAL_S, self._redraw_progress)
        work: WorkType[None] = partial(self._run, endpoint)
        self._worker = self.screen.run_worker(work, group="meeting", exclusive=True)
        self._show_rows()
        self.screen.redraw()

    def _redraw_progress(self) -> None:
        if self.link_status() != self.shown_status:
            self._show_rows()
            self.screen.redraw()
        self.screen.query_one("#details", Lines).redraw()

    async def _run(self, endpoint: str) -> None:
        outcome, has_failed = "", True
        try:
            result = await self.state.workspace.sync(endpoint, on_event=self._on_event)
            outcome, has_failed = await self._remember_result(result, endpoint), False
        except FieldlineError as error:
            outcome = error_text(error)
        except asyncio.CancelledError:
            outcome = _("Stopped: what was received is saved. Sync again to go on.")
            raise
        finally:
            self._finish(outcome, has_failed)
        await self.screen.reload_content()
        self.screen.redraw()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress) and self.meter is not None:
            self.meter.update(event, asyncio.get_running_loop().time())

    async def _remember_result(self, result: SyncResult, endpoint: str) -> str:
        """Remember where the device or the files were reached.

        Return what came of the sync in a sentence.
        """
        stats, store = result.stats, self.state.workspace.store
        # Of files their name: the figures behind it have to fit into the line.
        who = endpoint.rstrip("/").rpartition("/")[2] or endpoint
        if result.peer is not None:
            who = self.state.names.device(result.peer)
            others = {device: at for device, at in self.endpoints.items() if device != result.peer}
            await store.write_meta(ENDPOINTS_META_KEY, encode_endpoints({result.peer: endpoint, **others}))
        elif link_kind(endpoint) == "bundle":
            await store.write_meta(FILES_META_KEY, endpoint.encode("utf-8", "surrogateescape"))
        sentence = _("Synced with {who}: {received} received, {sent} sent, {bytes}.").format(
            who=who,
            received=format_number(stats.received),
            sent=format_number(stats.sent),
            bytes=format_bytes(stats.bytes_in + stats.bytes_out),
        )
        for text in sync_warnings(result, endpoint):
            self.add_outcome(text)
        return sentence

    def _finish(self, outcome: str, has_failed: bool) -> None:
        if self._timer is not None:
            self._timer.stop()
        self.meter = self._worker = self._timer = None
        self.state.cable_monitor.active_target = ""
        self.add_outcome(outcome)
        # It may have ended because the program does.
        if self.screen.query("#list"):
            self._show_rows()
            self.screen.redraw()
            self.screen.show_message(outcome, attention=has_failed)

    def add_outcome(self, sentence: str) -> None:
        """Show a sentence below the list, with the time."""
        time = self.state.dates.short(self.state.dates.clock())
        self.outcomes = [*self.outcomes, (time, sentence)][-_MAX_OUTCOMES:]


async def stop_worker(worker: Worker[None] | None) -> None:
    """Cancel a worker, and wait a moment for its end.

    It has a peer to say goodbye to, or sockets to close.
    """
    if worker is not None and not worker.is_finished:
        worker.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await wait_until_ended([worker])
