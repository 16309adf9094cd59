"""What a filter of the log can be made of without typing: what the current change says of itself, and who else wrote.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.store.log import LogEntry
from core.workspace.filters import GERMAN
from tui.language.i18n import _, language
from tui.language.when import When

_NAMES = {**{name: name for name in GERMAN.values()}, **GERMAN}
_WRITTEN = {name: written for written, name in GERMAN.items()}


@dataclass(frozen=True, slots=True)
class Part:
    """One condition: its name in English, and the value."""

    name: str
    value: str

    def __str__(self) -> str:
        written = _WRITTEN[self.name] if language() == "de" else self.name
        return f'{written}:"{self.value}"' if re.search(r"\s", self.value) else f"{written}:{self.value}"


def parts(
    entry: LogEntry,
    device: str,
    entities: Iterable[tuple[str, str]],
    properties: Iterable[str],
    users: Iterable[str],
    when: When,
) -> list[tuple[Part, str]]:
    """The conditions that a change suggests, each with what it means; `entities` are keys and what they are called,
    `properties` labels, `users` all who ever wrote.
    """
    moment = when.full(entry.at)
    found = [(Part("by", entry.user), _("by {user}").format(user=entry.user))]
    found += [(Part("of", key), _("of {entity}").format(entity=title)) for key, title in entities]
    found += [(Part("property", label), _("of the property {property}").format(property=label)) for label in properties]
    found.append((Part("on", device), _("on {device}").format(device=device)))
    found.append((Part("since", moment), _("since {when}").format(when=moment)))
    found.append((Part("until", moment), _("until {when}").format(when=moment)))
    found += [(Part("by", user), _("by {user}").format(user=user)) for user in users if user != entry.user]
    return found


def narrowed(typed: str, part: Part) -> str:
    """A filter as it was typed, with one more condition; one of the same name is replaced."""
    names = "|".join(written for written, name in _NAMES.items() if name == part.name)
    rest = re.sub(rf'(?<!\S)({names}):("[^"]*"|\S*)', "", typed, flags=re.IGNORECASE)
    return " ".join([*rest.split(), str(part)])
