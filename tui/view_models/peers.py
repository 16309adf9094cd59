"""Whom this device has met and can meet, and how far a meeting is: what the Sync screen shows. Pure.

Times of the facts are microseconds since 1970 UTC; those of a meeting are seconds of the event loop's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.errors import FieldlineError
from core.store.types import SourceStats
from core.sync.eta import EtaEstimator
from core.sync.events import Progress
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, format_number, ngettext
from tui.layout import Column, Line, layout_columns, spread

if TYPE_CHECKING:
    from core.service.session_runner import SyncResult

LINK_LABELS = {"tcp": N_("network"), "serial": N_("cable"), "bundle": N_("file")}
_STATE_LABELS = {"meeting": N_("syncing now"), "calling": N_("connecting"), "waiting": N_("waiting for it")}
_PHASE_LABELS = {
    "hello": N_("greeting"),
    "reconcile": N_("finding out what differs"),
    "exchange": N_("exchanging: what is current first, then history"),
    "done": N_("done"),
}
_KILO = 1000


class ReachablePeer(Protocol):
    """Something that can be met right now: `core.service.peer_discovery.DiscoveredPeer` is one."""

    @property
    def endpoint(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def device(self) -> bytes | None: ...
    @property
    def is_in_sync(self) -> bool | None: ...
    @property
    def is_member(self) -> bool: ...
    @property
    def state(self) -> str: ...
    @property
    def next_try_us(self) -> int | None: ...
    @property
    def last_error(self) -> FieldlineError | None: ...


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A device, a port or files: when they last brought something, how many changes in all, and how to meet them.

    `same` says whether they hold the same as this device, as far as they announce it; `now` whether they are there.
    The rest is what the process that serves on this device does about them.
    """

    key: str
    name: str
    link: str
    target: str = ""
    synced_at: int | None = None
    changes: int = 0
    same: bool | None = None
    is_reachable: bool = False
    state: str = ""
    next_try: int | None = None
    trouble: FieldlineError | None = None


def link_kind(target: str) -> str:
    """The kind of link to a target, as receipts name it."""
    scheme = target.partition("://")[0]
    return scheme if scheme in LINK_LABELS else "tcp"


def peer_rows(
    met: Iterable[SourceStats],
    there: Iterable[ReachablePeer],
    targets: Mapping[bytes, str],
    names: Mapping[bytes, str],
    files: str = "",
) -> list[PeerRow]:
    """A line for each device, port and kind of file: those that are there now first, then the latest met.

    `targets` says where a device was met before, `files` at which path.
    """
    found: dict[str, PeerRow] = {}
    for meeting in met:
        device = meeting.device
        key = device.hex() if device else meeting.link
        before = found.get(key)
        found[key] = PeerRow(
            key,
            (names.get(device) or device.hex()[:8]) if device else _("files"),
            before.link if before and (before.synced_at or 0) >= meeting.last_received_at_us else meeting.link,
            targets.get(device, "") if device else files,
            max(meeting.last_received_at_us, before.synced_at or 0) if before else meeting.last_received_at_us,
            meeting.change_count + (before.changes if before else 0),
        )
    if files:
        found.setdefault("bundle", PeerRow("bundle", _("files"), "bundle", files))
    for device, target in targets.items():
        key = device.hex()
        found.setdefault(key, PeerRow(key, names.get(device) or device.hex()[:8], link_kind(target), target))
    for peer in there:
        key = peer.device.hex() if peer.device and peer.is_member else peer.endpoint
        name = peer.name or (peer.device.hex()[:8] if peer.device else peer.endpoint)
        old = found.get(key, PeerRow(key, name, link_kind(peer.endpoint)))
        found[key] = replace(
            old,
            link=link_kind(peer.endpoint),
            target=peer.endpoint,
            same=peer.is_in_sync,
            is_reachable=True,
            state=peer.state,
            next_try=peer.next_try_us,
            trouble=peer.last_error,
        )
    return sorted(found.values(), key=lambda each: (not each.is_reachable, -(each.synced_at or 0), each.name))


def stick_rows(sticks: Iterable[Path]) -> list[PeerRow]:
    """A line for each removable disk that is mounted."""
    return [
        PeerRow(f"bundle://{path}", path.name or str(path), "bundle", f"bundle://{path}", is_reachable=True)
        for path in sticks
    ]


def sync_warnings(met: SyncResult, target: str) -> list[str]:
    """What whoever synced with files has to know besides what came of it."""
    said = [_("{path} is damaged and was left as it is.").format(path=path) for path in met.damaged_bundles]
    if met.is_on_own_disk:
        text = _("{path} is on the disk of this device itself: if it should be a stick, that is not mounted.")
        said.append(text.format(path=target.removeprefix("bundle://")))
    return said


def peer_line(each: PeerRow, width: int, when: DateFormatter, active: str = "") -> Line:
    """A line of the list; `active` is how a meeting with it stands that is under way from here: "meeting", "waiting"
    for somebody at the other end of a cable, "silent" if nothing comes from there any more, or "pulled".
    """
    wide = width >= 100
    doing = active or each.state
    if doing in _STATE_LABELS:
        state = "▸ " + _(_STATE_LABELS[doing])
    elif doing == "pulled":
        state = "! " + _("pulled: waiting")
    elif doing == "silent":
        state = "! " + _("no answer")
    elif doing == "failing":
        state = "! " + _("not reached")
    elif doing == "serving":
        state = "○ " + _("syncs by itself")
    elif each.same:
        state = "● " + _("same as here")
    elif each.is_reachable:
        state = "○ " + (_("has other changes") if each.same is False else _("there now"))
    else:
        state = ""
    brought, count = "", ""
    if each.synced_at is not None:
        moment = when.dated(each.synced_at) if wide else when.short(each.synced_at)
        brought = _("received {when}").format(when=moment)
    if wide and each.changes:
        count = ngettext("{count} change", "{count} changes", each.changes)
    return layout_columns(
        width,
        [
            Column(each.name, 24 if wide else 16, "strong"),
            Column(_(LINK_LABELS.get(each.link, each.link)), 8),
            Column(state, 20 if wide else 19, "attention" if state[:1] in ("▸", "!") else "plain"),
            Column(brought, None, "dim"),
            Column(count, 16 if wide else 0, "dim", right=True),
        ],
    )


@dataclass(slots=True)
class SyncMeter:
    """How far the meeting with `target` is; `now` is when something was last heard of it."""

    target: str
    name: str
    eta: EtaEstimator = field(default_factory=EtaEstimator)
    updated_at_s: float = 0.0

    def update(self, progress: Progress, now: float) -> None:
        """Note how far it is."""
        self.eta.update(progress, now)
        self.updated_at_s = now


def completed_parts(progress: Progress) -> list[str]:
    """What is all there already of what is on its way; empty while nobody knows."""
    if not progress.to_receive or not progress.current_count:
        return []
    said = []
    if progress.nearby_count and progress.received >= progress.nearby_count:
        said.append(_("your place is complete"))
    if progress.received < progress.current_count:
        percent = 100 * progress.received // progress.current_count
        said.append(_("current values {percent} %").format(percent=percent))
    else:
        said.append(_("all that is current is here"))
    if progress.received < progress.to_receive:
        said.append(_("history to follow"))
    return said


def meter_lines(meter: SyncMeter, width: int, height: int, cable: str = "", halted: bool = False) -> list[Line]:
    """A meeting under way: what it is doing, changes and time left, bytes, its cable, what is complete, a bar; where
    there is no room for all, without what is complete. While it is halted nobody knows how much time is left.
    """
    progress, done, total = meter.eta.progress, meter.eta.done_count, meter.eta.total_count
    left = None if halted else meter.eta.eta_s(meter.updated_at_s)
    end: Line = []
    if left is not None:
        minutes, seconds = divmod(round(left), 60)
        end = [(_("{minutes}:{seconds:02} left").format(minutes=minutes, seconds=seconds), "plain")]
    lines: list[Line] = [spread(width, [(_(_PHASE_LABELS[progress.phase]), "strong")], end)]
    parts = []
    if progress.to_receive is not None:
        template = _("{done} of {total} received")
        parts.append(template.format(done=format_number(progress.received), total=format_number(progress.to_receive)))
    if progress.to_send is not None:
        template = _("{done} of {total} sent")
        parts.append(template.format(done=format_number(progress.sent), total=format_number(progress.to_send)))
    came, went = format_bytes(progress.bytes_in), format_bytes(progress.bytes_out)
    parts.append(_("in {received} · out {sent}").format(received=came, sent=went))
    lines.append([(" · ".join(parts), "plain")])
    more = [text for text in (cable, " · ".join(completed_parts(progress))) if text]
    lines += [[(text, "plain")] for text in more[: max(1, height - 3)]]
    if total:
        room = max(1, width - 6)
        filled = min(room, room * done // total)
        percent = min(100, 100 * done // total)
        lines.append([("█" * filled, "plain"), ("░" * (room - filled), "dim"), (f" {percent:3} %", "plain")])
    return lines


def format_bytes(count: int) -> str:
    """Bytes for people."""
    if count < _KILO:
        return _("{count} B").format(count=count)
    if count < _KILO * _KILO:
        return _("{count} kB").format(count=format_number(count // _KILO))
    return _("{count} MB").format(count=format_number(count // (_KILO * _KILO)))
