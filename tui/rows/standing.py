"""How a cable that is in use stands, in words: for the screens and for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.language.i18n import N_, _, ngettext, number

if TYPE_CHECKING:
    from core.workspace.cables import Standing

WAITING = N_("waiting for the other end")


def standing_text(standing: Standing) -> str:
    """How a cable stands that is joined, in a line."""
    if standing.pulled:
        return _("the cable was pulled: it goes on when it is back")
    if standing.silent:
        return _("nothing comes from the other end: it goes on when that is back")
    text = _("{baud} bit/s, carries {rate}").format(baud=number(standing.baud), rate=number(standing.rate))
    if standing.corrected:
        text += " · " + ngettext("{count} frame corrected", "{count} frames corrected", standing.corrected)
    return text


def standing_word(standing: Standing) -> str:
    """How a meeting over a cable stands, as `seen_line` takes it."""
    if standing.pulled:
        return "pulled"
    return "waiting" if not standing.joined else "silent" if standing.silent else "meeting"


def halted_text(standing: Standing) -> str:
    """Why nothing moves; empty if that is not so."""
    word = standing_word(standing)
    return "" if word == "meeting" else _(WAITING) if word == "waiting" else standing_text(standing)
