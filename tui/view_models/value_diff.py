"""What differs between an old and a new value.

Keys within JSON, items of a list, words within a text. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from rich.cells import cell_len

from core.device.display_names import is_new_key
from core.parsers import parse_json
from core.schema import RETIRED, Property
from core.store.queries.fact_diffs import FactDiff
from core.value_codec import Value
from tui.i18n.translate import _, format_number, language, ngettext
from tui.layout import Line, clean_text, cut
from tui.view_models.form import DisplayNames, format_value
from tui.view_models.kept_value import kept_text, reopened_text

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
MAX_WORDS = 400
"""Words of a text that are compared one by one: of longer ones all of it counts as different."""
MAX_JSON_CHARS = 64_000
"""Characters of a text that is looked at as JSON: as many as a value can have."""
SIGNS = {"removed": "−", "added": "+"}


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """The keys only in the old, only in the new, differing, and the equal count."""

    removed: Mapping[str, str]
    added: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]
    same_count: int


def key_changes(prop: Property, old: Value, new: Value, names: DisplayNames) -> KeyChanges | None:
    """Compare two values key by key, if both are JSON objects or lists.

    None if they are not.
    """
    before, after = _as_keys(prop, old, names), _as_keys(prop, new, names)
    if before is None or after is None or not (before or after):
        return None
    both = before.keys() & after.keys()
    return KeyChanges(
        {key: value for key, value in before.items() if key not in both},
        {key: value for key, value in after.items() if key not in both},
        {key: (before[key], after[key]) for key in after if key in both and before[key] != after[key]},
        sum(before[key] == after[key] for key in both),
    )


def _as_keys(prop: Property, value: Value, names: DisplayNames) -> dict[str, str] | None:
    """The keys of a value with their values as text.

    The items of a list are keys without a value.
    """
    if value is None:
        return {}
    if isinstance(value, tuple):
        return {format_value(prop, item, names): "" for item in value}
    if not isinstance(value, str) or len(value) > MAX_JSON_CHARS or value.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = parse_json(value)
    except ValueError:
        return None
    if isinstance(found, dict):
        return {str(key): _json_text(each) for key, each in found.items()}
    return {_json_text(each): "" for each in found} if isinstance(found, list) else None


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def word_spans(old: str, new: str) -> tuple[Line, Line]:
    """Two texts, each with the words set off that the other one lacks.

    Roles `removed-part`, `added-part`.
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    if len(before) + len(after) > MAX_WORDS or not before or not after:
        return [(old, "removed")], [(new, "added")]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    one: Line = []
    other: Line = []
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        left, right = "".join(before[i1:i2]), "".join(after[j1:j2])
        is_same = what == "equal"
        if left:
            one.append((left, "removed" if is_same else "removed-part"))
        if right:
            other.append((right, "added" if is_same else "added-part"))
    if not any(role.endswith("part") is False and text.strip() for text, role in one):
        return [(old, "removed")], [(new, "added")]  # nothing is alike
    return one, other


def change_text(prop: Property, fact: FactDiff, names: DisplayNames) -> Line:
    """What one fact did, short.

    `Printer → Brix 60`, `Assignments +lab1 −lab2`, `retired`; `Printer Brix 60 kept` as by resolving with it.
    """
    more = reopened_text(fact)
    return [*_change_spans(prop, fact, names), *([(f", {more}", "dim")] if more else [])]


def _change_spans(prop: Property, fact: FactDiff, names: DisplayNames) -> Line:
    old, new, had_value = fact.old, fact.new, fact.had_value
    label = prop.label(language())
    if prop.name == RETIRED:
        return [(_("retired") if new else _("put back in use"), "value")]
    if new is None:
        return [(f"{label} ", "plain"), ("→ ", "dim"), (_("unset"), "dim")]
    if is_new_key(prop.name, new):
        return [(format_value(prop, new, names), "value")]
    if kept := kept_text(fact):
        return [(f"{label} ", "plain"), (_one_line(prop, new, names), "value"), (f" {kept}", "dim")]
    keys = key_changes(prop, old, new, names) if had_value else None
    if keys is not None:
        parts = (
            [f"+{key}" for key in keys.added]
            + [f"−{key}" for key in keys.removed]
            + [f"~{key}" for key in keys.changed]
        )
        if parts:
            return [(f"{label} ", "plain"), (" ".join(parts[:8]), "value")]
    return [(f"{label} ", "plain"), ("→ ", "dim"), (_one_line(prop, new, names), "value")]


def _one_line(prop: Property, value: Value, names: DisplayNames) -> str:
    text = format_value(prop, value, names)
    if isinstance(value, str) and (count := value.count("\n")) and len(value) > 80:
        return ngettext("{count} line", "{count} lines", count + 1).format(count=format_number(count + 1))
    return text


def diff_block(prop: Property, old: Value, new: Value, names: DisplayNames, had_value: bool, width: int) -> list[Line]:
    """The lines that a fact took away and brought, each with its sign.

    Only what differs is shown or set off.

    Args:
        prop: the definition of the property.
        old: the value before.
        new: the value after, None if it was unset.
        names: what entities are called.
        had_value: whether there was any before.
        width: the columns that a line may take.
    """
    keys = key_changes(prop, old, new, names) if had_value and new is not None else None
    if keys is not None and (keys.added or keys.removed or keys.changed):
        return _key_lines(keys, width)
    before = format_value(prop, old, names) if had_value and old is not None else None
    after = format_value(prop, new, names) if new is not None else None
    if before is not None and after is not None:
        one, other = word_spans(before, after)
        return [*_signed("removed", one, width), *_signed("added", other, width)]
    lines: list[Line] = []
    if before is not None:
        lines += _signed("removed", [(before, "removed")], width)
    if after is not None:
        lines += _signed("added", [(after, "added")], width)
    return lines


def _key_lines(keys: KeyChanges, width: int) -> list[Line]:
    lines: list[Line] = []
    rows: list[tuple[str, str, str]] = [("removed", key, value) for key, value in keys.removed.items()]
    rows += [("added", key, value) for key, value in keys.added.items()]
    for key, (before, after) in keys.changed.items():
        rows += [("removed", key, before), ("added", key, after)]
    for role, key, value in rows:
        text = f"{key}  {value}" if value else key
        lines.append([(f"{SIGNS[role]} ", role), (cut(text, width - 2), role)])
    if keys.same_count:
        same = ngettext("= {count} key the same", "= {count} keys the same", keys.same_count)
        lines.append([(same, "dim")])
    return lines


def _signed(role: str, spans: Line, width: int) -> list[Line]:
    """A text with its sign, broken into lines where it is longer than one."""
    lines: list[Line] = []
    for line in _wrapped(spans, width - 2):
        lines.append([(f"{SIGNS[role]} " if not lines else "  ", role), *line])
    return lines


def _wrapped(spans: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Spans in lines of at most `width` columns, broken where a line is full."""
    lines: list[Line] = [[]]
    left = width
    for text, role in spans:
        for char in clean_text(text):
            size = cell_len(char)
            if size > left:
                lines.append([])
                left = width
            if lines[-1] and lines[-1][-1][1] == role:
                lines[-1][-1] = (lines[-1][-1][0] + char, role)
            else:
                lines[-1].append((char, role))
            left -= size
    return lines
