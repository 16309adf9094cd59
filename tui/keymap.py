"""Parse keys as people write them in a file, and find those that conflict. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

from tui import commands

_NAMED_KEYS = frozenset(
    [
        *("enter", "escape", "space", "tab", "backspace", "insert", "delete"),
        *("up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
        *(f"f{number}" for number in range(1, 25)),
    ]
)
_TEXTUAL_NAMES = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Where Textual's name of a character is not the one of Unicode."""
_MODIFIERS = ("ctrl+", "alt+", "shift+")

_EXCLUSIVE_SCOPES = ("typing", "dialog", "several")
"""Scopes that take the place of all others, but for a few commands that work even there."""

_CONCURRENT_SCOPES = (
    ("here", "form"),
    *((scope, "everywhere") for scope in _EXCLUSIVE_SCOPES),
    *(
        (scope, "everywhere")
        for scope in commands.scope_names()
        if scope not in ("everywhere", "list", *_EXCLUSIVE_SCOPES)
    ),
    # The map has no list.
    *((scope, "list") for scope in commands.scope_names() if scope not in ("list", "map", *_EXCLUSIVE_SCOPES)),
)
"""Scopes whose keys act at the same time."""


def parse_key(text: str) -> str | None:
    """Return Textual's name of a written key; None for what is no key.

    As `x`, `X`, `?`, `enter`, `ctrl+s` or `^s`.
    """
    if len(text) == 2 and text[0] == "^" and text[1].isalpha():
        text = "ctrl+" + text[1].lower()
    modifiers = ""
    while modifier := next((each for each in _MODIFIERS if text.startswith(each) and text != each), None):
        modifiers, text = modifiers + modifier, text.removeprefix(modifier)
    if text in _NAMED_KEYS:
        return modifiers + text
    if len(text) != 1 or not text.isprintable() or text == " ":
        return None
    if text.isalnum():
        return modifiers + text
    name = unicodedata.name(text, "").lower().replace("-", "_").replace(" ", "_")
    return modifiers + _TEXTUAL_NAMES.get(name, name) if name else None


def find_key_conflicts(keys: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield keys that would do two things.

    As (key, scope, command, other scope, other command).

    `keys` gives commands other keys, by scope and name. Only what those changes bring about is reported.
    """

    def of(scope: str) -> list[tuple[str, str]]:
        wanted = keys.get(scope, {})
        return [(key, c.name) for c in commands.commands_of(scope) for key in wanted.get(c.name, c.keys)]

    pairs = [*((scope, scope) for scope in commands.scope_names()), *_CONCURRENT_SCOPES]
    for one, other in pairs:
        for key, name in of(one):
            for other_key, other_name in of(other):
                if key != other_key or (one == other and name >= other_name):
                    continue
                if one in _EXCLUSIVE_SCOPES and other == "everywhere" and other_name not in commands.ALWAYS_AVAILABLE:
                    continue
                if name in keys.get(one, {}) or other_name in keys.get(other, {}):
                    yield key, one, name, other, other_name
