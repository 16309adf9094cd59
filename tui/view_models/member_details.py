"""The details of a device: what it may, holds and made, whom that reached. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.membership import Member
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, ngettext
from tui.layout import Line, rule_line, wrap_text
from tui.view_models.fleet_glance import FleetGlance, holds_sentences, reached_lines
from tui.view_models.members import ROLE_LABELS, WriteStats
from tui.view_models.pane_columns import Part, arrange_parts

ROLE_DESCRIPTIONS = {
    "admin": N_("It may read, write, admit devices and revoke them."),
    "technician": N_("It may read and write, but admit no devices."),
    "reader": N_("It may read and sync; nothing written on it counts."),
}
_MAX_REACHED = 10
"""Devices of which it is shown how much has reached them."""


@dataclass(frozen=True, slots=True)
class MemberTexts:
    """What is said of a device: its faults, what it may and made.

    And how busy it was, drawn for so many columns.
    """

    faults: Sequence[str]
    may: str
    made: str
    busy: Callable[[int], str]


def member_pane_lines(
    member: Member,
    texts: MemberTexts,
    glance: FleetGlance,
    latest: Part,
    dates: DateFormatter,
    width: int,
    height: int,
) -> list[Line]:
    """Draw all that there is to know of a device, as far as there is room.

    Args:
        member: the device.
        texts: what is said of it.
        glance: what is known of the devices.
        latest: draws what was changed on it lately.
        dates: formats times.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    device = member.device
    role = _(ROLE_LABELS.get(member.role, member.role))
    intro = [(role, "strong"), *((text, "attention") for text in texts.faults), (texts.may, "plain")]
    holds = holds_sentences(glance, device, dates) if device in glance.devices else []

    def made(columns: int, _room: int) -> list[Line]:
        busy = texts.busy(columns)
        drawn: list[Line] = [[(busy, "tint")]] if busy else []
        return _part(_("What it has made"), [(texts.made, "plain")] if texts.made else [], drawn, columns)

    def reached(columns: int, _room: int) -> list[Line]:
        drawn = reached_lines(glance, device, columns, _MAX_REACHED)
        return _part(_("Its changes have reached"), [], drawn, columns)

    identity = [(_("Device id {id}").format(id=device.hex()), "dim")]
    first: list[Part] = [
        lambda columns, _room: _part("", intro, [], columns),
        lambda columns, _room: _part(_("What it holds"), holds, [], columns),
        made,
        reached,
        lambda columns, _room: _part(_("Identity"), identity, [], columns),
    ]
    return arrange_parts(first, [latest], width, height)


def _part(title: str, sentences: Sequence[tuple[str, str]], drawn: Sequence[Line], width: int) -> list[Line]:
    """A head, sentences in their roles, and what is drawn; no head alone."""
    lines: list[Line] = [[(line, role)] for text, role in sentences for line in wrap_text(text, width)]
    lines += drawn
    return [rule_line(width + 1, [(title, "strong")])[1:], *lines] if title and lines else lines


def made_text(stats: WriteStats | None, dates: DateFormatter) -> str:
    """How many changes a device made, and the last; empty while it is not read."""
    if stats is None:
        return ""
    text = ngettext("It has made {count} change.", "It has made {count} changes.", stats.changes)
    if stats.at is None:
        return text
    last = _("The last on {when} by {user}.").format(when=dates.dated(stats.at), user=stats.user)
    return f"{text} {last}"


def may_text(member: Member, called_at_us: int | None, dates: DateFormatter) -> str:
    """What a device may do, or how it gets in.

    `called_at_us` is when one that is no member called last, None if it did not.
    """
    if called_at_us is not None and member.state == "pending":
        text = _("It called on {when} and was turned away. Compare its id with what its own screen shows: a admits it.")
        return text.format(when=dates.dated(called_at_us))
    if member.state == "pending":
        return _("It has no effect and no access before an admin admits it: a admits it on an admin's device.")
    if member.state == "revoked":
        return _("It is shut out: what it wrote after the last change that was accepted has no effect.")
    return _(ROLE_DESCRIPTIONS.get(member.role, ""))
