"""The latest changes of the whole fleet, in few lines.

What stands below a list that leaves room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.device.display_names import mask_secrets
from core.schema import KIND, Schema
from core.store.queries.fact_diffs import FactDiff
from core.store.queries.log import NO_FILTER, LogEntry, LogFilter
from core.store.view import View
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import _
from tui.layout import Column, Line, fit_line, layout_columns, line_width, rule_line
from tui.view_models.breadcrumbs import shorten_breadcrumb
from tui.view_models.form import DisplayNames, value_references
from tui.view_models.log import entity_labels
from tui.view_models.value_diff import change_text

MAX_LATEST, MAX_LATEST_TALL = 12, 36
"""Changes that are read, and on a tall screen: what stands below a list on a large terminal."""
_READ_FACTS = 4
_PLACE_COLUMNS, _USER_COLUMNS = 26, 8
_MIN_USER_COLUMNS = 70
"""Columns from which there is room for who it was."""


@dataclass(frozen=True, slots=True)
class LatestChanges:
    """Changes, newest first, what each did, and their entities' names."""

    entries: Sequence[LogEntry] = ()
    diffs: Mapping[bytes, Sequence[FactDiff]] = field(default_factory=dict)
    labels: Mapping[bytes, str] = field(default_factory=dict)
    kinds: Mapping[bytes, str | None] = field(default_factory=dict)


async def read_latest(
    view: View, schema: Schema, names: DisplayNames, wanted: LogFilter = NO_FILTER, is_tall: bool = False
) -> LatestChanges:
    """Read the latest of the changes that are wanted, more of them for a tall screen."""
    entries = await view.log(wanted, limit=MAX_LATEST_TALL if is_tall else MAX_LATEST)
    diffs = await view.first_diffs(entries, _READ_FACTS)
    facts = [fact for some in diffs.values() for fact in some]
    entities = {fact.entity for fact in facts}
    entities |= {each for fact in facts for value in (fact.old, fact.new) for each in value_references(value)}
    named = await view.names(entities, schema)
    labels = await entity_labels(named, view, schema, names)
    return LatestChanges(entries, diffs, labels, {entity: name.kind for entity, name in named.items()})


def latest_lines(
    latest: LatestChanges,
    schema: Schema,
    devices: Mapping[bytes, str],
    dates: DateFormatter,
    width: int,
    height: int,
    title: str = "",
) -> list[Line]:
    """A head, and a line for each change: when, who, where and what.

    Args:
        latest: what was read.
        schema: the definitions of kinds and properties.
        devices: what devices are called.
        dates: formats times.
        width: the columns that a line may take.
        height: the lines that there are.
        title: what the head says; empty for that of the whole fleet.
    """
    if not latest.entries or height < 2:
        return []
    lines: list[Line] = [rule_line(width, [(title or _("Changed lately"), "strong")])]
    names = DisplayNames(latest.labels, devices)
    user = _USER_COLUMNS if width >= _MIN_USER_COLUMNS else 0
    columns = min(_PLACE_COLUMNS, (width - 12 - user) // 2)
    for entry in latest.entries:
        facts = mask_secrets(latest.diffs.get(entry.change, ()))
        if not facts:
            continue
        fact = min(facts, key=lambda each: (each.property == KIND, each.property))
        prop = schema.property(latest.kinds.get(fact.entity), fact.property)
        place = shorten_breadcrumb(latest.labels.get(fact.entity, ""), columns)
        cells = [Column(dates.brief(entry.at_us), 9, "dim"), Column(entry.user, user, "plain")]
        cells.append(Column(place, columns, "value"))
        lead: Line = [("  ", "plain"), *layout_columns(11 + user + columns, cells), (" ", "plain")]
        what = change_text(prop, fact, names)
        lines.append([*lead, *fit_line(what, max(0, width - 1 - line_width(lead)))])
    return lines[:height]


def pane_latest_lines(
    latest: LatestChanges,
    schema: Schema,
    devices: Mapping[bytes, str],
    dates: DateFormatter,
    width: int,
    height: int,
    title: str,
) -> list[Line]:
    """Draw latest changes as a part of a pane, a column further left."""
    lines = latest_lines(latest, schema, devices, dates, width + 1, height, title)
    return [[(line[0][0][1:], line[0][1]), *line[1:]] for line in lines]
