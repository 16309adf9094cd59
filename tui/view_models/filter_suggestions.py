"""Suggest filters of the log.

What the current change has in common with others, and who else wrote. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.store.queries.log import LogEntry
from core.workspace.log_query import GERMAN_FILTER_NAMES
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import _, language

_CANONICAL_NAMES = {**{name: name for name in GERMAN_FILTER_NAMES.values()}, **GERMAN_FILTER_NAMES}
_GERMAN_NAMES = {name: written for written, name in GERMAN_FILTER_NAMES.items()}


@dataclass(frozen=True, slots=True)
class FilterCondition:
    """One condition: its name in English, and the value."""

    name: str
    value: str

    def __str__(self) -> str:
        written = _GERMAN_NAMES[self.name] if language() == "de" else self.name
        return f'{written}:"{self.value}"' if re.search(r"\s", self.value) else f"{written}:{self.value}"


def suggest_conditions(
    entry: LogEntry,
    device: str,
    entities: Iterable[tuple[str, str]],
    properties: Iterable[str],
    users: Iterable[str],
    dates: DateFormatter,
) -> list[tuple[FilterCondition, str]]:
    """Return the conditions that a change suggests, each with what it means.

    Args:
        entry: the current change.
        device: the name of its device.
        entities: keys of its entities, and what they are called.
        properties: labels of its properties.
        users: all who ever wrote.
        dates: formats times.
    """
    moment = dates.full(entry.at_us)
    found = [(FilterCondition("by", entry.user), _("by {user}").format(user=entry.user))]
    found += [(FilterCondition("of", key), _("of {entity}").format(entity=title)) for key, title in entities]
    found += [
        (FilterCondition("property", label), _("of the property {property}").format(property=label))
        for label in properties
    ]
    found.append((FilterCondition("on", device), _("on {device}").format(device=device)))
    found.append((FilterCondition("since", moment), _("since {when}").format(when=moment)))
    found.append((FilterCondition("until", moment), _("until {when}").format(when=moment)))
    found += [(FilterCondition("by", user), _("by {user}").format(user=user)) for user in users if user != entry.user]
    return found


def add_condition(typed: str, part: FilterCondition) -> str:
    """A filter as it was typed, with one more condition.

    One of the same name is replaced.
    """
    names = "|".join(written for written, name in _CANONICAL_NAMES.items() if name == part.name)
    rest = re.sub(rf'(?<!\S)({names}):("[^"]*"|\S*)', "", typed, flags=re.IGNORECASE)
    return " ".join([*rest.split(), str(part)])
