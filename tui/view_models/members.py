"""The devices of the fleet as a list shows them.

How much each has written is read when its line is seen.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from core.membership import Member
from core.store.queries.log import LogFilter
from core.store.view import View
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, format_number
from tui.layout import Column, Line, layout_columns
from tui.view_models.fleet_glance import SHOWN_DAYS, FleetGlance

ROLE_LABELS = {"admin": N_("admin"), "technician": N_("technician"), "reader": N_("reader")}
_STATE_LABELS = {"active": N_("active"), "revoked": N_("revoked"), "pending": N_("wants to join")}


_MIN_DAYS_COLUMNS = 74
"""Columns from which a row has room for how far a device is behind, and how busy it was."""


@dataclass(frozen=True, slots=True)
class WriteStats:
    """The count of a device's changes, and time and user of the last.

    Time in microseconds since 1970 UTC.
    """

    changes: int
    at: int | None
    user: str


def _state_text(member: Member) -> str:
    """What a device is in the fleet at present."""
    return _("old key") if member.replaced_by else _(_STATE_LABELS.get(member.state, member.state))


def member_name(member: Member) -> str:
    """A device's name, or the start of its id."""
    return member.name or member.device.hex()[:8]


def member_texts(member: Member) -> tuple[str, ...]:
    """The texts of a device's line, and its id, to filter by."""
    state = _state_text(member)
    return member.name, member.device.hex(), _(ROLE_LABELS.get(member.role, member.role)), state


class MemberRows:
    """A row for each device.

    Until its changes are counted again, those of `before` are shown.

    `faulty` are the devices whose chains have a fault.
    """

    def __init__(
        self,
        members: Sequence[Member],
        synced_at_us: Mapping[bytes, int],
        me: bytes,
        view: View,
        dates: DateFormatter,
        faulty: Container[bytes] = (),
        before: MemberRows | None = None,
        glance: FleetGlance | None = None,
    ) -> None:
        self._members = members
        self._synced_at = synced_at_us
        self._own_device = me
        self._view = view
        self._dates = dates
        self._faulty = faulty
        self._glance = glance or FleetGlance(me)
        self._write_stats: dict[bytes, WriteStats] = {}
        self._old_stats: Mapping[bytes, WriteStats] = before._write_stats if before else {}

    def __len__(self) -> int:
        return len(self._members)

    def member(self, index: int) -> Member | None:
        """The device on a line."""
        return self._members[index] if 0 <= index < len(self._members) else None

    def write_stats(self, device: bytes) -> WriteStats | None:
        """What a device has written, None while it is not read."""
        return self._write_stats.get(device) or self._old_stats.get(device)

    def index(self, device: object) -> int | None:
        """The line of a device."""
        return next((i for i, member in enumerate(self._members) if member.device == device), None)

    def key(self, index: int) -> bytes:
        return self._members[index].device

    def is_skipped(self, index: int) -> bool:
        return False

    def line(self, index: int, width: int) -> Line:
        member = self._members[index]
        is_faulty = member.device in self._faulty and member.state == "active"
        role = "plain" if member.state == "active" and not is_faulty else "attention"
        state = _("look: its chain") if is_faulty else _state_text(member)
        glyph = GLYPHS["trouble"] if is_faulty else GLYPHS.get(member.state, GLYPHS["trouble"])
        stats = self.write_stats(member.device)
        synced_at_us = self._synced_at.get(member.device)
        synced_text = _("here") if member.device == self._own_device else "–"
        if synced_at_us is not None:
            synced_text = self._dates.brief(synced_at_us)
        is_active = member.device in self._glance.devices
        missing = self._glance.missing(member.device) if is_active else None
        return _columns(
            width,
            (" " + member_name(member), "strong"),
            (_(ROLE_LABELS.get(member.role, member.role)) or "–", "plain"),
            (glyph, role),
            (state, role),
            (format_number(missing) if missing else "", "attention"),
            (synced_text, "dim"),
            (format_number(stats.changes) if stats else "", "dim"),
            (self._glance.sparkline(member.device) if is_active else "", "tint"),
        )

    def header(self, width: int) -> Line:
        """What the columns are."""
        heads = (" " + _("Device"), _("Role"), "", _("State"), _("Behind"), _("Last sync"), _("Made"))
        days = _("{count} days").format(count=SHOWN_DAYS)
        return _columns(width, *((head, "dim") for head in (*heads, days)))

    def needs_load(self, first: int, last: int) -> bool:
        return any(member.device not in self._write_stats for member in self._members[first : last + 1])

    async def load(self, first: int, last: int) -> None:
        for member in self._members[first : last + 1]:
            if member.device not in self._write_stats:
                of = LogFilter(device=member.device)
                entry = next(iter(await self._view.log(of, limit=1)), None)
                count = await self._view.count_log_entries(of)
                self._write_stats[member.device] = WriteStats(
                    count, entry.at_us if entry else None, entry.user if entry else ""
                )


def _columns(width: int, *cells: tuple[str, str]) -> Line:
    """Lay out a row; where there is little room, without what is behind and the days."""
    is_wide = width >= _MIN_DAYS_COLUMNS
    widths = (None, 10, 1, 15, 6, 9, 6, SHOWN_DAYS) if is_wide else (None, 10, 1, 15, 0, 9, 7, 0)
    rights = (False, False, False, False, True, False, True, False)
    return layout_columns(
        width,
        [
            Column(text, columns, role, right)
            for (text, role), columns, right in zip(cells, widths, rights, strict=True)
        ],
    )
