"""The life of one entity.

How busy it was, and its latest changes with what they made of it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from core.device.display_names import mask_secrets
from core.schema import KIND, Kind, Property
from core.store.queries.fact_diffs import FactDiff
from core.store.queries.log import LogEntry, LogFilter
from core.store.view import View
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import _, format_number, ngettext
from tui.layout import Column, Line, fit_line, layout_columns, line_width, rule_line
from tui.view_models.form import DisplayNames, format_value
from tui.view_models.sparkline import bucket_counts, sparkline
from tui.view_models.value_diff import change_text

MAX_COUNTED_CHANGES = 500
"""Changes of which the times are read for the picture of a life."""
MAX_LATEST_CHANGES, MAX_LATEST_CHANGES_TALL = 12, 30
"""Changes that are shown one by one, and on a tall screen: what there is room for beside everything else."""
_USER_COLUMNS = 44
"""Columns from which there is room for who it was: the value says more."""
_READ_FACTS = 16
"""Facts of a change that are looked through for what it did to this entity."""


@dataclass(frozen=True, slots=True)
class EntityLife:
    """The latest changes of an entity, newest first, and what they did."""

    entity: bytes = b""
    changes: Sequence[LogEntry] = ()
    diffs: Mapping[bytes, Sequence[FactDiff]] = field(default_factory=dict)


async def read_life(entity: bytes, view: View, is_tall: bool = False) -> EntityLife:
    """Read the life of an entity, more of it for a tall screen."""
    changes = await view.log(LogFilter(entity=entity), limit=MAX_COUNTED_CHANGES)
    latest = changes[: MAX_LATEST_CHANGES_TALL if is_tall else MAX_LATEST_CHANGES]
    return EntityLife(entity, changes, await view.first_diffs(latest, _READ_FACTS, entity) if latest else {})


def life_lines(
    life: EntityLife, kind: Kind, names: DisplayNames, dates: DateFormatter, width: int, height: int
) -> list[Line]:
    """Draw a head, the picture of its life, and as many changes as have room.

    Args:
        life: what was read.
        kind: the kind of the entity.
        names: what entities are called.
        dates: formats times, and says what time it is.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    changes = life.changes
    if not changes or height < 3:
        return []
    first = min(entry.at_us for entry in changes)
    count = ngettext("{count} change", "{count} changes", len(changes))
    number = format_number(len(changes))
    more = "+" if len(changes) == MAX_COUNTED_CHANGES else ""
    since = _("since {when}").format(when=dates.day(first))
    context = f"{count.replace('{count}', number)}{more} {since}"
    if cell_len(_("Changes")) + 2 + cell_len(context) > width - 1:
        context = f"{number}{more} {since}"
    lines: list[Line] = [rule_line(width + 1, [(_("Changes"), "strong"), (f"  {context}", "dim")])[1:]]
    counts = bucket_counts([entry.at_us for entry in changes], first, max(dates.clock(), first + 1), width - 2)
    lines.append([(" ", "plain"), (sparkline(counts), "tint")])
    for entry in changes[: min(height - 2, max(len(life.diffs), 1))]:
        user = 8 if width >= _USER_COLUMNS else 0
        cells = [Column(dates.brief(entry.at_us), 9, "dim"), Column(entry.user, user, "plain")]
        lead: Line = [(" ", "plain"), *layout_columns(10 + user, cells), (" ", "plain")]
        lines.append([*lead, *fit_line(_what(life, entry, kind, names), max(0, width - line_width(lead)))])
    return lines


def value_lines(
    life: EntityLife, prop: Property, names: DisplayNames, dates: DateFormatter, width: int, height: int
) -> list[Line]:
    """Draw a head, and the values that a property was given, the latest first.

    Args:
        life: what was read.
        prop: the definition of the property.
        names: what entities are called.
        dates: formats times.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    lines: list[Line] = []
    for entry in life.changes:
        for fact in mask_secrets(life.diffs.get(entry.change, ())):
            if fact.entity != life.entity or fact.property != prop.name:
                continue
            value = format_value(prop, fact.new, names) if fact.new is not None else _("unset")
            cells = [Column(dates.brief(entry.at_us), 9, "dim"), Column(entry.user, 8, "plain")]
            cells.append(Column(value, None, "value" if fact.new is not None else "dim"))
            lines.append([(" ", "plain"), *layout_columns(width - 1, cells)])
    if not lines or height < 2:
        return []
    return [rule_line(width + 1, [(_("Its values so far"), "strong")])[1:], *lines[: height - 1]]


def _what(life: EntityLife, entry: LogEntry, kind: Kind, names: DisplayNames) -> Line:
    """What a change did to the entity."""
    facts = [fact for fact in mask_secrets(life.diffs.get(entry.change, ())) if fact.entity == life.entity]
    if not facts:
        return []
    fact = min(facts, key=lambda each: (each.property == KIND, *kind.rank(each.property)[1:]))
    more = f" +{format_number(len(facts) - 1)}" if len(facts) > 1 else ""
    text = change_text(kind.property(fact.property), fact, names)
    return [*text, (more, "dim")]
