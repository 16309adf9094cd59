"""The peers of this device, and how far a sync is: what the Sync screen shows.

Pure.

Times are microseconds since 1970 UTC; those of a sync are seconds of the event loop's clock.
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
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, error_text, format_number, ngettext
from tui.layout import Column, Line, layout_columns, line_width, spread, wrap_text
from tui.view_models.fleet_glance import LINK_LABELS, SHOWN_DAYS, FleetGlance, glance_bar, holds_text

if TYPE_CHECKING:
    from core.service.session_runner import SyncResult

_STATE_LABELS = {"meeting": N_("syncing now"), "calling": N_("connecting"), "waiting": N_("waiting for it")}
_TROUBLE_LABELS = {"pulled": N_("pulled: waiting"), "silent": N_("no answer"), "failing": N_("not reached")}
_PHASE_LABELS = {
    "hello": N_("greeting"),
    "reconcile": N_("finding out what differs"),
    "exchange": N_("exchanging: what is current first, then history"),
    "done": N_("done"),
}
_KILO = 1000
"""Bytes of a kB, by SI."""


class ReachablePeer(Protocol):
    """A peer that can be reached now.

    `core.service.peer_discovery.DiscoveredPeer` is one.
    """

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
    """A device, a port or files.

    When they last brought changes, how many in all, and how to reach them.

    `same` is whether they hold the same as this device, None if they do not announce it. `state`, `next_try` and
    `trouble` are what the process that serves on this device does about them.
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
    device: bytes | None = None


def link_kind(target: str) -> str:
    """The kind of link to a target, as receipts name it."""
    scheme = target.partition("://")[0]
    return scheme if scheme in LINK_LABELS else "tcp"


def peer_rows(
    source_stats: Iterable[SourceStats],
    reachable: Iterable[ReachablePeer],
    targets: Mapping[bytes, str],
    glance: FleetGlance,
    files: str = "",
) -> list[PeerRow]:
    """Return a row for each device, port and kind of file.

    Those that can be reached first, then the latest synced.

    Args:
        source_stats: what was received from whom.
        reachable: the peers that can be reached now.
        targets: device to the endpoint where it was reached last.
        glance: the devices of the fleet and the last sessions with them.
        files: the endpoint of the folder or file that was synced with last; empty for none.
    """
    found: dict[str, PeerRow] = {}
    for stats in source_stats:
        device = stats.device
        key = device.hex() if device else stats.link
        before = found.get(key)
        found[key] = PeerRow(
            key,
            glance.name(device) if device else _("files"),
            before.link if before and (before.synced_at or 0) >= stats.last_received_at_us else stats.link,
            targets.get(device, "") if device else files,
            max(stats.last_received_at_us, before.synced_at or 0) if before else stats.last_received_at_us,
            stats.change_count + (before.changes if before else 0),
            device=device,
        )
    for device in glance.devices:
        if device != glance.me:
            found[device.hex()] = _with_contact(device, found.get(device.hex()), glance)
    if files:
        found.setdefault("bundle", PeerRow("bundle", _("files"), "bundle", files))
    for device, target in targets.items():
        key = device.hex()
        row = found.get(key) or PeerRow(key, glance.name(device), "", device=device)
        found[key] = replace(row, target=row.target or target, link=row.link or link_kind(target))
    for peer in reachable:
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


def _with_contact(device: bytes, row: PeerRow | None, glance: FleetGlance) -> PeerRow:
    """The row of a member, with the last session with it."""
    row = row or PeerRow(device.hex(), glance.name(device), "", device=device)
    contact = glance.holdings.contacts.get(device)
    if contact is None or contact.at_us < (row.synced_at or 0):
        return row
    return replace(row, link=contact.link, synced_at=contact.at_us)


def stick_rows(sticks: Iterable[Path]) -> list[PeerRow]:
    """Return a row for each removable disk that is mounted."""
    return [
        PeerRow(f"bundle://{path}", path.name or str(path), "bundle", f"bundle://{path}", is_reachable=True)
        for path in sticks
    ]


def sync_warnings(result: SyncResult, target: str) -> list[str]:
    """What whoever synced with files has to know besides what came of it."""
    damaged = _("{path} is damaged: nothing of it was taken. Delete it, or have it written again.")
    texts = [damaged.format(path=path) for path in result.damaged_bundles]
    sealed = _(
        "{path} is sealed with a key of the fleet that this device does not know yet: sync with a device over the"
        " network or a cable."
    )
    texts += [sealed.format(path=path) for path in result.sealed_bundles]
    if result.is_on_own_disk:
        text = _("{path} is on the disk of this device itself: if it should be a stick, that is not mounted.")
        texts.append(text.format(path=target.removeprefix("bundle://")))
    if result.left_out_count:
        texts.append(left_out_text(result.left_out_count))
    return texts


def left_out_text(count: int) -> str:
    """Say that changes of this device were not written to a file."""
    return ngettext(
        "{count} damaged change was left out: run `fieldline verify --repair`.",
        "{count} damaged changes were left out: run `fieldline verify --repair`.",
        count,
    )


MIN_GLANCE_COLUMNS = 66
"""Columns from which a row has room for a bar, and for how busy the device was."""


def peer_header(width: int) -> Line:
    """Draw the heads of the columns of the list."""
    return _peer_columns(
        width,
        (_("Device"), "dim"),
        (_("Link"), "dim"),
        [(" " * 8, "dim")],
        (_("Holds"), "dim"),
        (_("Last sync"), "dim"),
        (_("{count} days").format(count=SHOWN_DAYS), "dim"),
    )


def peer_line(each: PeerRow, dates: DateFormatter, active: str, glance: FleetGlance, width: int) -> Line:
    """Draw a line of the list.

    Args:
        each: the row.
        dates: formats times.
        active: the status of a sync with it that is under way from here: "meeting", "waiting" for somebody at the other
            end of a cable, "silent" if nothing comes from there any more, or "pulled"; empty if there is none.
        glance: what is known of the devices.
        width: the columns that a line may take.
    """
    is_member = each.device in glance.devices
    device = each.device if each.device and is_member else b""
    return _peer_columns(
        width,
        (each.name, "strong"),
        (_(LINK_LABELS.get(each.link, each.link)), "plain" if each.is_reachable else "dim"),
        glance_bar(glance, device, 8) if device else [(" " * 8, "plain")],
        _peer_state(each, active, glance),
        (dates.short(each.synced_at) if each.synced_at is not None else "–", "dim"),
        (glance.sparkline(device) if device else "", "tint"),
    )


def _peer_columns(
    width: int,
    name: tuple[str, str],
    link: tuple[str, str],
    bar: Line,
    state: tuple[str, str],
    when: tuple[str, str],
    days: tuple[str, str],
) -> Line:
    """Lay out a row; where there is little room, without bar and days."""
    is_wide = width >= MIN_GLANCE_COLUMNS
    start = [Column(" " + name[0], 13, name[1]), Column(link[0], 8, link[1])]
    end = [
        Column(state[0], None, state[1]),
        Column(when[0], 11, when[1]),
        Column(days[0], SHOWN_DAYS if is_wide else 0, days[1]),
    ]
    if not is_wide:
        return layout_columns(width, [*start, *end])
    lead: Line = [*layout_columns(22, start), (" ", "plain"), *bar, (" ", "plain")]
    return [*lead, *layout_columns(width - 32, end)]


def _peer_state(each: PeerRow, active: str, glance: FleetGlance) -> tuple[str, str]:
    """What happens with a peer now, else how much it holds, with its role."""
    activity = active or each.state
    if activity in _STATE_LABELS:
        return f"{GLYPHS['busy']} {_(_STATE_LABELS[activity])}", "attention"
    if activity in _TROUBLE_LABELS:
        return f"{GLYPHS['trouble']} {_(_TROUBLE_LABELS[activity])}", "attention"
    if each.same:
        return holds_text(0)
    missing = glance.missing(each.device) if each.device else None
    if missing:
        return holds_text(missing)
    if activity == "serving":
        text = _("syncs by itself")
        return f"{GLYPHS['different']} {text}", "plain"
    if each.is_reachable:
        text = _("has other changes") if each.same is False else _("there now")
        return f"{GLYPHS['different']} {text}", "plain"
    return holds_text(missing) if each.device else ("", "plain")


def trouble_texts(row: PeerRow, dates: DateFormatter) -> list[tuple[str, str]]:
    """Why a peer was not reached, and when it is tried again, each text with its role."""
    texts: list[tuple[str, str]] = []
    if row.trouble is not None:
        texts.append((error_text(row.trouble), "attention"))
    if row.next_try is not None:
        texts.append((_("Next try {when}.").format(when=dates.short(row.next_try)), "plain"))
    return texts


def reach_texts(row: PeerRow, last_device: str) -> list[str]:
    """How a peer is reached.

    `last_device` is the name of the device that was there last, empty for none.
    """
    if row.is_reachable and row.link == "serial":
        texts = [
            _(
                "Press Enter to sync with the device at the other end. It has to do the same, or run "
                "`fieldline serve --serial`."
            )
        ]
        return [*texts, _("Last synced here: {device}.").format(device=last_device)] if last_device else texts
    if row.target:
        text = (
            _("It can be reached at {target}: Enter.")
            if row.is_reachable
            else _("It was last reached at {target}: Enter syncs again.")
        )
        return [text.format(target=row.target)]
    if row.link == "bundle":
        return [_("Changes that came as a file; b syncs with a file or a folder on a stick.")]
    return [_("It connected to this device; from here, m asks for its address.")]


@dataclass(slots=True)
class SyncMeter:
    """How far the sync with `target` is."""

    target: str
    name: str
    eta: EtaEstimator = field(default_factory=EtaEstimator)
    updated_at_s: float = 0.0

    def update(self, progress: Progress, now: float) -> None:
        """Note its progress at a time (seconds)."""
        self.eta.update(progress, now)
        self.updated_at_s = now


def completed_parts(progress: Progress) -> list[str]:
    """Which parts of what is received are complete; empty while nobody knows."""
    if not progress.to_receive or not progress.current_count:
        return []
    parts = []
    if progress.nearby_count and progress.received >= progress.nearby_count:
        parts.append(_("your place is complete"))
    if progress.received < progress.current_count:
        percent = 100 * progress.received // progress.current_count
        parts.append(_("current values {percent} %").format(percent=percent))
    else:
        parts.append(_("all that is current is here"))
    if progress.received < progress.to_receive:
        parts.append(_("history to follow"))
    return parts


def meter_lines(meter: SyncMeter, width: int, height: int, cable: str = "", is_halted: bool = False) -> list[Line]:
    """Draw a sync that is under way.

    Phase, time left, changes, bytes, cable, what is complete, and a bar.

    Args:
        meter: measures it.
        width: the columns that a line may take.
        height: the lines that there are; of too few, what is complete is left out.
        cable: the status of its cable, empty if there is none.
        is_halted: whether it does not go on: then nobody knows the time left.
    """
    progress, done, total = meter.eta.progress, meter.eta.done_count, meter.eta.total_count
    left = None if is_halted else meter.eta.eta_s(meter.updated_at_s)
    end: Line = []
    if left is not None:
        minutes, seconds = divmod(round(left), 60)
        end = [(_("{minutes}:{seconds:02} left").format(minutes=minutes, seconds=seconds), "plain")]
    first, *rest = wrap_text(_(_PHASE_LABELS[progress.phase]), width - line_width(end) - 1)
    lines: list[Line] = [spread(width, [(first, "strong")], end), *([(text, "strong")] for text in rest)]
    parts = []
    if progress.to_receive is not None:
        template = _("{done} of {total} received")
        parts.append(template.format(done=format_number(progress.received), total=format_number(progress.to_receive)))
    if progress.to_send is not None:
        template = _("{done} of {total} sent")
        parts.append(template.format(done=format_number(progress.sent), total=format_number(progress.to_send)))
    came, went = format_bytes(progress.bytes_in), format_bytes(progress.bytes_out)
    parts.append(_("in {received} · out {sent}").format(received=came, sent=went))
    lines += [[(text, "plain")] for text in wrap_text(" · ".join(parts), width)]
    more = [text for text in (cable, " · ".join(completed_parts(progress))) if text]
    lines += [[(part, "plain")] for text in more[: max(1, height - 3)] for part in wrap_text(text, width)]
    if total:
        room = max(1, width - 6)
        filled = min(room, room * done // total)
        percent = min(100, 100 * done // total)
        lines.append([("━" * filled, "accent"), ("─" * (room - filled), "line"), (f" {percent:3} %", "value")])
    return lines


def format_bytes(count: int) -> str:
    """Bytes for people."""
    if count < _KILO:
        return _("{count} B").format(count=count)
    if count < _KILO * _KILO:
        return _("{count} kB").format(count=format_number(count // _KILO))
    return _("{count} MB").format(count=format_number(count // (_KILO * _KILO)))
