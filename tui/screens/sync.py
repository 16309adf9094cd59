"""Sync: known and reachable devices, ports and files, and a sync's progress."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.worker import Worker, WorkType

from core.errors import FieldlineError
from core.store.types import SetSummary
from tui.cable_monitor import cable_waiting_lines
from tui.command_host import command_bindings
from tui.i18n.translate import _, error_text, format_number, ngettext
from tui.layout import Line, wrap_text
from tui.screens.actions.filter import FilterActions
from tui.screens.device_changes import DeviceChanges
from tui.screens.frame import admission_text
from tui.screens.list_screen import ListScreen
from tui.screens.pairing_actions import PairingActions
from tui.screens.sync_actions import SERVED_REASON, SyncActions, stop_worker
from tui.view_models.cable_status import cable_status_text
from tui.view_models.fleet_glance import (
    FleetGlance,
    cable_sentences,
    device_parts,
    holds_sentences,
    read_glance,
    summary_lines,
)
from tui.view_models.pane_columns import Part, arrange_parts
from tui.view_models.peers import (
    PeerRow,
    link_kind,
    meter_lines,
    peer_header,
    peer_line,
    peer_rows,
    reach_texts,
    stick_rows,
    trouble_texts,
)
from tui.widgets.lines import DrawnRows, Lines

# What a sync needs is imported where one begins: it takes time and memory, and few who look here sync.
if TYPE_CHECKING:
    from core.service.peer_discovery import DiscoveredPeer
    from core.service.transfer_backlog import TransferBacklog

_MIN_TAIL_LINES = 8
"""Lines below the list from which there is room for who holds what."""
_DISCOVERY_INTERVAL_S = 2.0
"""How often the screen looks for new announcements, which devices repeat every few seconds."""


class Sync(ListScreen):
    """Devices, ports and files, and the sync that is under way."""

    TAB = "sync"
    SCOPES = ("sync", "sifting", "listing")
    BINDINGS = command_bindings("sync", "sifting")

    def __init__(self) -> None:
        super().__init__()
        self.syncing = SyncActions(self, lambda: self.current_row, self._is_served, self._show_rows)
        self.filter = FilterActions(self)
        self.actions = (self.syncing, self.filter, PairingActions(self))
        self.found_peers: list[DiscoveredPeer] = []
        """What announces itself in the network or is plugged in."""
        self._summary: SetSummary | None = None
        self._glance = FleetGlance()
        self._peer_rows: list[PeerRow] = []
        self._changes = DeviceChanges(self)
        self._backlog: TransferBacklog | None = None
        self._discovery_worker: Worker[None] | None = None

    @property
    def current_row(self) -> PeerRow | None:
        """The line under the cursor."""
        return next((row for row in self._peer_rows if row.key == self.lines.key), None)

    @property
    def is_syncing(self) -> bool:
        """Whether a sync is under way."""
        return self.syncing.is_syncing

    def body(self) -> ComposeResult:
        yield Lines(lambda width, _height: [[(" ", "plain"), *peer_header(width - 2)]], id="heads")
        yield from super().body()

    def breadcrumb(self) -> str:
        return _("Sync")

    def heading(self) -> tuple[Line, Line]:
        if self._summary is None:
            return [], []
        held = ngettext("this device holds {count} change", "this device holds {count} changes", self._summary.count)
        right: Line = [(f"{held} · {self._summary.root.hex()[:8]}", "dim")]
        return [(_("Devices and files"), "plain")], self.filter.heading() or right

    async def reload_content(self) -> None:
        workspace = self.state.workspace
        self._summary = await workspace.store.summary()
        await self.syncing.load()
        stats = await workspace.store.source_stats()
        self._glance = await read_glance(workspace, self.state.names.devices, self.state.dates.clock())
        self._backlog = await workspace.transfer_backlog()
        targets, files = self.syncing.endpoints, self.syncing.files_endpoint
        every = peer_rows(stats, self.found_peers, targets, self._glance, files)
        every[:0] = stick_rows(self.syncing.sticks)
        if (meter := self.syncing.meter) and not any(self.syncing.is_with(row) for row in every):
            # As a cable that was pulled meanwhile.
            every.insert(0, PeerRow(meter.target, meter.name, link_kind(meter.target), meter.target, is_reachable=True))
        self._peer_rows = [row for row in every if self.filter.is_match(row.name, row.target, row.key)]
        self._changes.clear()
        self._show_rows()

    def on_line_list_moved(self) -> None:
        super().on_line_list_moved()
        self._changes.follow(self.current_row.device if self.current_row else None)

    def _show_rows(self) -> None:
        key, offered = self.lines.key, self.state.cable_monitor.offered_target
        if any(row.key == offered for row in self._peer_rows):
            key, self.state.cable_monitor.offered_target = offered, ""
        self.syncing.shown_status = status = self.syncing.link_status()
        dates, glance = self.state.dates, self._glance
        rows = [
            (row.key, partial(peer_line, row, dates, status if self.syncing.is_with(row) else "", glance))
            for row in self._peer_rows
        ]
        self.lines.show_rows(DrawnRows(rows), cursor=next((i for i, row in enumerate(rows) if row[0] == key), None))

    # --- discovery ---------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        sticks: WorkType[None] = self.syncing.watch_sticks
        self.run_worker(sticks, group="watch")
        if self.state.options.discovery:
            work: WorkType[None] = self._watch_peers
            self._discovery_worker = self.run_worker(work, group="watch")

    async def on_unmount(self) -> None:
        await self.syncing.close()
        await stop_worker(self._discovery_worker)

    async def _watch_peers(self) -> None:
        """Look for network announcements and plugged cables while shown."""
        from core.service.peer_discovery import discover_peers

        async with discover_peers(self.state.workspace, self._on_discovery_error) as discovery:
            while True:
                if self.is_current:
                    try:
                        found = await discovery.list_peers()
                    except FieldlineError as error:
                        self._on_discovery_error(error)
                        return
                    if found != self.found_peers:
                        self.found_peers = found
                        self.refresh_data()
                await asyncio.sleep(_DISCOVERY_INTERVAL_S)

    def _on_discovery_error(self, error: FieldlineError) -> None:
        self.syncing.add_outcome(error_text(error))
        self.redraw()

    def _is_served(self, target: str) -> bool:
        """Whether the process that serves on this device has the port of this target."""
        port = target.partition("?")[0]
        served = (peer for peer in self.found_peers if peer.state in ("serving", "meeting"))
        return link_kind(target) == "serial" and port in {peer.endpoint.partition("?")[0] for peer in served}

    # --- details -----------------------------------------------------------------------------------------------------

    def subject(self) -> Line:
        if (meter := self.syncing.meter) is None:
            return [(self.current_row.name, "strong")] if self.current_row else []
        who = meter.name
        if (cable := self.syncing.cable_status()) and cable.peer:
            who = _("{device} at {port}").format(device=self.state.names.device(cable.peer), port=who)
        return [(_("Syncing with {who}").format(who=who), "strong")]

    def details(self, width: int, height: int) -> list[Line]:
        draw = self._meter_lines if self.syncing.meter else self._text_lines
        if not self.has_panes:
            return [[("   ", "plain"), *line] for line in draw(width - 6, min(8, height))[:height]]
        device = self.syncing.device_of(self.current_row)
        first: list[Part] = [lambda columns, room: draw(columns, min(8, room))[:room]]
        second = [*device_parts(self._glance, device, self.state.dates), self._changes.part(device)]
        return [[(" ", "plain"), *line] for line in arrange_parts(first, second, width - 2, height)]

    def tail(self, width: int, height: int) -> list[Line]:
        if not self.has_panes or height < _MIN_TAIL_LINES:
            return []
        return summary_lines(self._glance, self.syncing.outcomes, self.state.dates, width, height)

    def _meter_lines(self, width: int, height: int) -> list[Line]:
        cable, status = self.syncing.cable_status(), self.syncing.link_status()
        if status == "waiting" or self.syncing.meter is None:
            return cable_waiting_lines(width)
        cable_text = cable_status_text(cable) if cable else ""
        return meter_lines(self.syncing.meter, width, height, cable_text, status != "meeting")

    def _text_lines(self, width: int, _height: int) -> list[Line]:
        texts: list[tuple[str, str]] = [(admission_text(self.state), "attention")]
        if backlog := self._backlog:
            template = _("{count} of {total} changes are still to come from {device}. Sync again to go on.")
            device = self.state.names.device(backlog.peer)
            missing, total = format_number(backlog.missing_count), format_number(backlog.total_count)
            texts.append((template.format(count=missing, total=total, device=device), "attention"))
        if row := self.current_row:
            texts += [*(self._holds_sentences() if self.has_panes else []), *self._peer_texts(row)]
        elif self.filter.text:
            texts.append((self.filter.no_match_text(), "plain"))
        else:
            text = _(
                "Nothing was received from another device yet. On the other device run `fieldline "
                "serve`, then press m here and type tcp:// and its address; or press b and carry a "
                "folder on a stick."
            )
            texts.append((text, "plain"))
        if not self.has_panes:
            texts += [(f"{time}  {outcome}", "dim") for time, outcome in reversed(self.syncing.outcomes)]
            texts += self._holds_sentences() + cable_sentences(self._glance, self.syncing.device_of(self.current_row))
        return [[(line, role)] for text, role in texts for line in wrap_text(text, width)]

    def _holds_sentences(self) -> list[tuple[str, str]]:
        row = self.current_row
        return holds_sentences(self._glance, row.device, self.state.dates) if row and row.device else []

    def _peer_texts(self, row: PeerRow) -> list[tuple[str, str]]:
        is_served, last = self._is_served(row.target), self.syncing.last_device_at(row.target)
        reached = [_(SERVED_REASON)] if is_served else reach_texts(row, last)
        return [*trouble_texts(row, self.state.dates), *((text, "plain") for text in reached)]

    def clipboard_text(self) -> str:
        """Where it is reached."""
        return self.current_row.target if self.current_row else ""
