"""Whom this device has met and can meet, and how far a meeting is: what the Sync screen shows. Pure.

Times of the facts are microseconds since 1970 UTC; those of a meeting are seconds of the event loop's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from core.errors import FieldlineError
from core.store.results import Meeting
from core.sync.events import Progress
from core.sync.pace import Pace
from tui.language.i18n import N_, _, ngettext, number
from tui.language.when import When
from tui.rows.lines import Column, Line, columns, spread

LINKS = {"tcp": N_("network"), "serial": N_("cable"), "bundle": N_("file")}
_DOING = {"meeting": N_("meeting now"), "calling": N_("calling"), "waiting": N_("waiting for it")}
_PHASES = {
    "hello": N_("greeting"),
    "reconcile": N_("finding out what differs"),
    "exchange": N_("exchanging: what is current first, then history"),
    "done": N_("done"),
}
_KILO = 1000


class Reachable(Protocol):
    """Something that can be met right now: `core.workspace.peers.Peer` is one."""

    @property
    def target(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def device(self) -> bytes | None: ...
    @property
    def same(self) -> bool | None: ...
    @property
    def member(self) -> bool: ...
    @property
    def state(self) -> str: ...
    @property
    def next_try(self) -> int | None: ...
    @property
    def trouble(self) -> FieldlineError | None: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A device, a port or files: when they last brought something, how many changes in all, and how to meet them.

    `same` says whether they hold the same as this device, as far as they announce it; `now` whether they are there.
    The rest is what the process that serves on this device does about them.
    """

    key: str
    name: str
    link: str
    target: str = ""
    met_at: int | None = None
    changes: int = 0
    same: bool | None = None
    now: bool = False
    doing: str = ""
    next_try: int | None = None
    trouble: FieldlineError | None = None


def link_of(target: str) -> str:
    """The kind of link to a target, as receipts name it."""
    scheme = target.partition("://")[0]
    return scheme if scheme in LINKS else "tcp"


def seen(
    met: Iterable[Meeting], there: Iterable[Reachable], targets: Mapping[bytes, str], names: Mapping[bytes, str]
) -> list[Seen]:
    """A line for each device, port and kind of file: those that are there now first, then the latest met.

    `targets` says where a device was met before.
    """
    found: dict[str, Seen] = {}
    for meeting in met:
        device = meeting.device
        key = device.hex() if device else meeting.link
        before = found.get(key)
        found[key] = Seen(
            key,
            (names.get(device) or device.hex()[:8]) if device else _("files"),
            before.link if before and (before.met_at or 0) >= meeting.at else meeting.link,
            targets.get(device, "") if device else "",
            max(meeting.at, before.met_at or 0) if before else meeting.at,
            meeting.changes + (before.changes if before else 0),
        )
    for device, target in targets.items():
        key = device.hex()
        found.setdefault(key, Seen(key, names.get(device) or device.hex()[:8], link_of(target), target))
    for peer in there:
        key = peer.device.hex() if peer.device and peer.member else peer.target
        name = peer.name or (peer.device.hex()[:8] if peer.device else peer.target)
        old = found.get(key, Seen(key, name, link_of(peer.target)))
        found[key] = replace(
            old,
            link=link_of(peer.target),
            target=peer.target,
            same=peer.same,
            now=True,
            doing=peer.state,
            next_try=peer.next_try,
            trouble=peer.trouble,
        )
    return sorted(found.values(), key=lambda each: (not each.now, -(each.met_at or 0), each.name))


def seen_line(each: Seen, width: int, when: When, active: str = "") -> Line:
    """A line of the list; `active` is how a meeting with it stands that is under way from here: "meeting", "waiting"
    for somebody at the other end of a cable, "silent" if nothing comes from there any more, or "pulled".
    """
    wide = width >= 100
    doing = active or each.doing
    if doing in _DOING:
        state = "▸ " + _(_DOING[doing])
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
    elif each.now:
        state = "○ " + (_("has other changes") if each.same is False else _("there now"))
    else:
        state = ""
    brought, count = "", ""
    if each.met_at is not None:
        moment = when.dated(each.met_at) if wide else when.short(each.met_at)
        brought = _("brought something {when}").format(when=moment)
    if wide and each.changes:
        count = ngettext("{count} change", "{count} changes", each.changes)
    return columns(
        width,
        [
            Column(each.name, 24 if wide else 16, "strong"),
            Column(_(LINKS.get(each.link, each.link)), 8),
            Column(state, 20 if wide else 19, "attention" if state[:1] in ("▸", "!") else "plain"),
            Column(brought, None, "dim"),
            Column(count, 16 if wide else 0, "dim", right=True),
        ],
    )


@dataclass(slots=True)
class Meter:
    """How far the meeting with `target` is; `now` is when something was last heard of it."""

    target: str
    name: str
    pace: Pace = field(default_factory=Pace)
    now: float = 0.0

    def hear(self, progress: Progress, now: float) -> None:
        """Note how far it is."""
        self.pace.hear(progress, now)
        self.now = now


def complete(progress: Progress) -> list[str]:
    """What is all there already of what is on its way; empty while nobody knows."""
    if not progress.to_receive or not progress.current:
        return []
    said = []
    if progress.near and progress.received >= progress.near:
        said.append(_("your place is complete"))
    if progress.received < progress.current:
        percent = 100 * progress.received // progress.current
        said.append(_("current values {percent} %").format(percent=percent))
    else:
        said.append(_("all that is current is here"))
    if progress.received < progress.to_receive:
        said.append(_("history to follow"))
    return said


def meter_lines(meter: Meter, width: int, height: int, cable: str = "", halted: bool = False) -> list[Line]:
    """A meeting under way: what it is doing, changes and time left, bytes, its cable, what is complete, a bar; where
    there is no room for all, without what is complete. While it is halted nobody knows how much time is left.
    """
    progress, done, total = meter.pace.progress, meter.pace.done, meter.pace.total
    left = None if halted else meter.pace.seconds_left(meter.now)
    end: Line = []
    if left is not None:
        minutes, seconds = divmod(round(left), 60)
        end = [(_("{minutes}:{seconds:02} left").format(minutes=minutes, seconds=seconds), "plain")]
    lines: list[Line] = [spread(width, [(_(_PHASES[progress.phase]), "strong")], end)]
    parts = []
    if progress.to_receive is not None:
        template = _("{done} of {total} received")
        parts.append(template.format(done=number(progress.received), total=number(progress.to_receive)))
    if progress.to_send is not None:
        template = _("{done} of {total} sent")
        parts.append(template.format(done=number(progress.sent), total=number(progress.to_send)))
    came, went = size(progress.bytes_in), size(progress.bytes_out)
    parts.append(_("in {received} · out {sent}").format(received=came, sent=went))
    lines.append([(" · ".join(parts), "plain")])
    more = [text for text in (cable, " · ".join(complete(progress))) if text]
    lines += [[(text, "plain")] for text in more[: max(1, height - 3)]]
    if total:
        room = max(1, width - 6)
        filled = min(room, room * done // total)
        percent = min(100, 100 * done // total)
        lines.append([("█" * filled, "plain"), ("░" * (room - filled), "dim"), (f" {percent:3} %", "plain")])
    return lines


def size(count: int) -> str:
    """Bytes for people."""
    if count < _KILO:
        return _("{count} B").format(count=count)
    if count < _KILO * _KILO:
        return _("{count} kB").format(count=number(count // _KILO))
    return _("{count} MB").format(count=number(count // (_KILO * _KILO)))
