"""Wanted against actual in words and glyphs, for screens and verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tui.glyphs import GLYPHS
from tui.i18n.translate import N_, _, error_text
from tui.layout import Line, cut, fit, fit_line, line_width, wrap_text

if TYPE_CHECKING:
    from core.equipment.inspection import Inspection
    from core.equipment.journal import JournalRow
    from core.equipment.location import Evidence, Location
    from core.equipment.plan import PropertyState, Step
    from tui.i18n.dates import DateFormatter

VERDICT_GLYPHS = {
    "same": GLYPHS["equal"],
    "differs": GLYPHS["differs"],
    "unknown": GLYPHS["unknown"],
    "error": GLYPHS["failed"],
    "unmanaged": " ",
}

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


def summary_line(states: Sequence[PropertyState]) -> Line:
    """How many properties of the place are the same, differ, or cannot be told.

    In glyphs and words.
    """
    line: Line = []
    for verdict, role in (("same", "plain"), ("differs", "attention"), ("unknown", "plain"), ("error", "attention")):
        count = sum(state.verdict == verdict for state in states)
        if count:
            line += [("   ", "plain")] if line else []
            line.append((f"{VERDICT_GLYPHS[verdict]} {count} {verdict_text(verdict)}", role))
    return line


def location_lines(inspection: Inspection | None, width: int) -> list[Line]:
    """A blank line, then by what this device knows where it is, or why it does not.

    Nothing if there is nothing.
    """
    if inspection is None:
        return []
    location = inspection.location
    seen = [evidence_text(each) for each in location.evidence if each.problem is None]
    lines: list[Line] = []
    if location.problem is not None:
        lines += [[(text, "attention")] for text in wrap_text(error_text(location.problem), width)]
    if seen:
        text = _("This device sees: {evidence}.").format(evidence=", ".join(seen))
        lines += [[(part, "dim")] for part in wrap_text(text, width)]
    return [[], *lines] if lines else []


def equipment_heading(inspection: Inspection | None, states: Sequence[PropertyState]) -> tuple[Line, Line]:
    """Draw how this device knows its place, and how much is as configured.

    Where any properties are compared.
    """
    if inspection is None or not states:
        return [], []
    text = _seen_by(inspection.location)
    return [(f"  {text}", "dim")] if text else [], summary_line(states)


def _seen_by(location: Location) -> str:
    if location.is_chosen:
        return _("chosen by hand")
    seen = [each.value for each in location.evidence if each.problem is None]
    return _("seen by {evidence}").format(evidence=", ".join(seen)) if seen else ""


def actual_line(line: Line, state: PropertyState, width: int, column: int) -> Line:
    """A property's line with what this device has behind its value, at a column.

    `Δ deskB`.
    """
    left = _before(line, column)
    left.append((" " * (column - line_width(left) + 1), "plain"))
    role = "attention" if state.verdict in ("differs", "error") else "plain"
    actual = state.actual or (verdict_text(state.verdict) if state.verdict in ("unknown", "error") else "–")
    return fit_line([*left, (f"{VERDICT_GLYPHS[state.verdict]} {actual}", role)], width)


def _before(line: Line, width: int) -> Line:
    """What stands in the first columns of a line.

    A text that goes on is cut, blanks that go on are not.
    """
    kept: Line = []
    for text, role in line:
        room = width - line_width(kept)
        if line_width([(text, role)]) > room:
            return [*kept, (cut(text.rstrip(), room), role)]
        kept.append((text, role))
    return kept


def state_details(state: PropertyState, wanted: str, width: int) -> list[Line]:
    """Wanted against actual of one property, in words."""
    role = "attention" if state.verdict in ("differs", "error") else "plain"
    text = f"{VERDICT_GLYPHS[state.verdict]} {verdict_text(state.verdict)}"
    if state.verdict == "differs":
        text = _("{verdict}: configured {wanted}, this device has {actual}").format(
            verdict=text, wanted=wanted or "–", actual=state.actual or "–"
        )
    if state.is_provisional:
        text += ", " + _("provisional")
    if state.problem is not None:
        text += f". {error_text(state.problem)}"
    return [[(part, role)] for part in wrap_text(text, width)]


def step_lines(steps: Sequence[Step], labels: Mapping[str, str], width: int) -> list[Line]:
    """The steps of a plan, or what became of them.

    Label, now → wanted, outcome, and why below.
    """
    lines: list[Line] = []
    column = min(24, max((len(labels.get(step.property, step.property)) for step in steps), default=0))
    for step in steps:
        role = {"planned": "strong", "failed": "attention"}.get(step.outcome, "dim")
        change = f"{step.now or '–'} → {step.wanted or '–'}" if step.outcome != "same" else step.now or "–"
        outcome = outcome_text(step.outcome)
        room = max(8, width - column - len(outcome) - 4)
        lines.append(
            [
                (fit(labels.get(step.property, step.property), column) + "  ", "dim"),
                (fit(change, room) + "  ", "value"),
                (outcome, role),
            ]
        )
        if step.problem is not None:
            lines += [[("  " + text, "dim")] for text in wrap_text(error_text(step.problem), width - 2)]
    return lines


def journal_lines(
    rows: Sequence[JournalRow], labels: Mapping[str, str], dates: DateFormatter, width: int
) -> list[Line]:
    """What was applied, the latest first."""
    lines: list[Line] = []
    for row in rows:
        role = "plain" if row.outcome == "done" else "attention"
        lines.append([(f"{dates.full(row.at_us)}  {labels.get(row.property, row.property)}", "strong")])
        change = f"  {row.before or '–'} → {row.after or '–'}  "
        lines.append([(change, "plain"), (outcome_text(row.outcome), role)])
        if row.problem is not None:
            lines += [[("  " + text, "dim")] for text in wrap_text(error_text(row.problem), width - 2)]
    return lines or [[(_("Nothing was applied on this device yet."), "plain")]]
