"""The status of a cable in words: for the screens and for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.i18n.translate import N_, _, format_number, ngettext

if TYPE_CHECKING:
    from core.service.serial_sync import CableStatus

WAITING_TEXT = N_("waiting for the other end")


def cable_status_text(status: CableStatus) -> str:
    """The status of a cable at whose other end is a device, in a line."""
    if status.is_unplugged:
        return _("the cable was pulled: it goes on when it is back")
    if status.is_silent:
        return _("nothing comes from the other end: it goes on when that is back")
    text = _("{baud} bit/s, carries {rate}").format(
        baud=format_number(status.baud), rate=format_number(status.bits_per_second)
    )
    if status.corrected_count:
        text += " · " + ngettext("{count} frame corrected", "{count} frames corrected", status.corrected_count)
    return text


def cable_status_word(status: CableStatus) -> str:
    """The status of a sync over a cable, as `peer_line` takes it."""
    if status.is_unplugged:
        return "pulled"
    return "waiting" if not status.has_session else "silent" if status.is_silent else "meeting"


def halted_text(status: CableStatus) -> str:
    """Why nothing moves; empty if that is not so."""
    word = cable_status_word(status)
    return "" if word == "meeting" else _(WAITING_TEXT) if word == "waiting" else cable_status_text(status)
