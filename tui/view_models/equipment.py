"""Wanted against actual in words and glyphs, for screens and verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.i18n.translate import N_, _

if TYPE_CHECKING:
    from core.equipment.location import Evidence

VERDICT_GLYPHS = {"same": "=", "differs": "Δ", "unknown": "?", "error": "✗", "unmanaged": " "}

_VERDICTS = {
    "same": N_("same"),
    "differs": N_("differs"),
    "unknown": N_("cannot tell"),
    "error": N_("could not be read"),
    "unmanaged": N_("not set up by this device"),
}
_OUTCOMES = {
    "planned": N_("to be done"),
    "done": N_("done"),
    "same": N_("same already"),
    "failed": N_("failed"),
    "skipped": N_("left alone"),
    "unknown": N_("cannot tell"),
}
_EVIDENCE = {
    "address": N_("address {value} on {source}"),
    "docking-station": N_("docking station {value} on {source}"),
    "mac": N_("MAC {value} on {source}"),
    "dmi": N_("device number {value} ({source})"),
}


def verdict_text(verdict: str) -> str:
    """How a property stands, in words."""
    return _(_VERDICTS[verdict])


def outcome_text(outcome: str) -> str:
    """What became of a step, in words."""
    return _(_OUTCOMES.get(outcome, N_("cannot tell")))


def evidence_text(evidence: Evidence) -> str:
    """One thing that this device sees of where it is."""
    template = _(_EVIDENCE[evidence.kind]) if evidence.kind in _EVIDENCE else "{kind} {value} ({source})"
    return template.format(kind=evidence.kind, value=evidence.value, source=evidence.source)
