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

ROLE_LABELS = {"admin": N_("admin"), "technician": N_("technician"), "reader": N_("reader")}
_STATE_LABELS = {"active": N_("active"), "revoked": N_("revoked"), "pending": N_("waits to be admitted")}


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
    ) -> None:
        self._members = members
        self._synced_at = synced_at_us
        self._own_device = me
        self._view = view
        self._dates = dates
        self._faulty = faulty
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
        wide = width >= 100
        synced_text = _("this device") if member.device == self._own_device else "–"
        if synced_at_us is not None:
            synced_text = self._dates.dated(synced_at_us) if wide else self._dates.short(synced_at_us)
        return layout_columns(
            width,
            [
                Column(" " + member_name(member), None, "strong"),
                Column(_(ROLE_LABELS.get(member.role, member.role)) or "–", 12),
                Column(glyph, 1, role),
                Column(state, 22 if wide else 20, role),
                Column(synced_text, 17 if wide else 11, "dim"),
                Column(format_number(stats.changes) if stats else "", 10, "dim", right=True),
            ],
        )

    def header(self, width: int) -> Line:
        """What the columns are."""
        wide = width >= 100
        return layout_columns(
            width,
            [
                Column(" " + _("Device"), None, "dim"),
                Column(_("Role"), 12, "dim"),
                Column("", 1),
                Column(_("State"), 22 if wide else 20, "dim"),
                Column(_("Last sync"), 17 if wide else 11, "dim"),
                Column(_("Changes"), 10, "dim", right=True),
            ],
        )

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
