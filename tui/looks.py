"""The one table of colours.

Roles of text, themes, and what each role looks like in each of them. Pure.

A theme gives each ink as hex, for terminals with true colour, and as an index of the 256 colours, for all others: over
a line an index is half as long. docs/looks.md says what each role is for; a test computes the contrast of all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Ink = tuple[str, int]
"""A colour as hex and as one of the 256; an empty hex is the terminal's own."""
OWN: Ink = ("", -1)
"""The colour that the terminal has by itself."""

ROLES: Mapping[str, tuple[str, str, bool]] = {
    # role: ink, ink behind it (empty: whatever is there), bold
    "plain": ("text", "", False),
    "value": ("value", "", False),
    "strong": ("value", "", True),
    "dim": ("dim", "", False),
    "off": ("off", "", False),
    "accent": ("accent", "", False),
    "key": ("accent", "", True),
    "attention": ("attention", "", False),
    "alert": ("attention", "", True),
    "added": ("added", "", False),
    "removed": ("removed", "", False),
    "added-part": ("added", "added_ground", True),
    "removed-part": ("removed", "removed_ground", True),
    "tint": ("tint", "", False),
    "line": ("line", "", False),
    "card": ("text", "band", False),
    "card-value": ("value", "band", False),
    "card-dim": ("dim", "band", False),
    "card-key": ("accent", "band", True),
    "current": ("tab", "tab_ground", True),
    "banner": ("banner", "attention", True),
    "lit": ("lit_text", "lit", True),
    "lit-attention": ("lit_attention", "lit", True),
    "cursor": ("lit_bar", "lit", True),
    "marker": ("accent", "", True),
}
"""The roles of text: an ink, the ink behind it, and whether it is bold."""
ORNAMENTS = ("tint", "line")
"""Roles that carry no text: bars and rules, beside which stands what they mean."""
_AMBER = ("attention", "alert")


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks: its colour and ground, and what replaces colours."""

    ink: Ink = OWN
    ground: Ink = OWN
    bold: bool = False
    dim: bool = False
    reverse: bool = False
    underline: bool = False


@dataclass(frozen=True, slots=True)
class Theme:
    """A set of inks.

    `attributes` are looks that take the place of inks where there are few or none.
    """

    name: str
    inks: Mapping[str, Ink] = field(default_factory=dict)
    attributes: Mapping[str, Look] = field(default_factory=dict)

    def look(self, role: str) -> Look:
        """How a role looks."""
        if role in self.attributes:
            return self.attributes[role]
        ink, ground, bold = ROLES[role]
        return Look(self.inks.get(ink, OWN), self.inks.get(ground, OWN) if ground else OWN, bold)


_DARK: Mapping[str, Ink] = {
    "ground": ("#0e141b", -1),
    "band": ("#18232e", 235),
    "value": ("#f3f7fa", 231),
    "text": ("#c3cfd9", 252),
    "dim": ("#8d9cab", 247),
    "off": ("#7f8f9f", 246),
    "accent": ("#5cc8ff", 81),
    "attention": ("#ffb454", 215),
    "added": ("#93d674", 114),
    "added_ground": ("#183a24", 22),
    "removed": ("#ff948c", 210),
    "removed_ground": ("#4b2228", 52),
    "tint": ("#3a86b4", 67),
    "line": ("#3b4a58", 239),
    "lit": ("#17496a", 24),
    "lit_text": ("#ffffff", 231),
    "lit_attention": ("#ffcb82", 222),
    "lit_bar": ("#5cc8ff", 123),
    "tab": ("#08121a", 233),
    "tab_ground": ("#5cc8ff", 81),
    "banner": ("#08121a", 233),
}
_LIGHT: Mapping[str, Ink] = {
    "ground": ("#fbfbf8", -1),
    "band": ("#e9eef2", 255),
    "value": ("#0b1620", 16),
    "text": ("#33414d", 238),
    "dim": ("#566573", 240),
    "off": ("#5f6b76", 241),
    "accent": ("#00588f", 24),
    "attention": ("#8f4700", 94),
    "added": ("#1f6b1a", 22),
    "added_ground": ("#d9efd2", 194),
    "removed": ("#ab1f1f", 124),
    "removed_ground": ("#f9dcd8", 224),
    "tint": ("#3d88b7", 67),
    "line": ("#b9c4cd", 250),
    "lit": ("#c9e4f6", 153),
    "lit_text": ("#000000", 16),
    "lit_attention": ("#7a3b00", 52),
    "lit_bar": ("#00588f", 24),
    "tab": ("#ffffff", 231),
    "tab_ground": ("#00588f", 24),
    "banner": ("#ffffff", 231),
}
_CONTRAST: Mapping[str, Ink] = {
    **_DARK,
    "ground": ("#000000", 16),
    "band": ("#000000", 16),
    "value": ("#ffffff", 231),
    "text": ("#ffffff", 231),
    "dim": ("#d6d6d6", 188),
    "off": ("#9a9a9a", 247),
    "accent": ("#7fe0ff", 117),
    "attention": ("#ffd75f", 221),
    "line": ("#9a9a9a", 247),
    "lit": ("#ffffff", 231),
    "lit_text": ("#000000", 16),
    "lit_attention": ("#7a2f00", 52),
    "lit_bar": ("#000000", 16),
    "tab": ("#000000", 16),
    "tab_ground": ("#ffffff", 231),
    "banner": ("#000000", 16),
}
_COLOUR_BLIND: Mapping[str, Ink] = {
    **_DARK,
    "attention": ("#ffd75f", 221),
    "added": ("#7db7ff", 111),
    "added_ground": ("#12325c", 17),
    "removed": ("#ffb454", 215),
    "removed_ground": ("#4d3305", 52),
}


def _own_looks() -> dict[str, Look]:
    """The terminal's own 16 colours.

    What is text has its own colour, so that it can be read on any ground.
    """
    own: dict[str, Look] = {
        role: Look(bold=bold) for role, (ink, _ground, bold) in ROLES.items() if ink in ("text", "dim", "off")
    }
    own |= {"value": Look(bold=True), "strong": Look(bold=True)}
    inks = {"accent": 14, "attention": 11, "added": 10, "removed": 9, "tint": 6, "line": 8, "lit_bar": 14}
    grounds = {"lit": 4, "tab_ground": 14, "attention": 11}
    for role, (ink, ground, bold) in ROLES.items():
        if role not in own:
            behind = ("#", grounds[ground]) if ground in grounds else OWN
            own[role] = Look(("#", inks.get(ink, 15)), behind, bold)
    own["current"] = Look(("#", 0), ("#", 14))
    own["banner"] = Look(("#", 0), ("#", 11))
    own["lit-attention"] = Look(("#", 11), ("#", 4), bold=True)
    return own


def _colourless_looks() -> dict[str, Look]:
    """No colour at all: weight, and what is lit is the other way round."""
    looks = {role: Look(bold=bold) for role, (_ink, _ground, bold) in ROLES.items()}
    looks |= {role: Look(dim=True) for role in ("dim", "off", "line")}
    looks |= {role: Look(bold=True, underline=True) for role in (*_AMBER, "added-part", "removed-part")}
    looks |= {role: Look(reverse=True) for role in ("current", "banner", "lit", "cursor")}
    looks["lit-attention"] = Look(bold=True, reverse=True)
    return looks


THEMES: Mapping[str, Theme] = {
    theme.name: theme
    for theme in (
        Theme("dark", _DARK),
        Theme("light", _LIGHT),
        Theme("contrast", _CONTRAST),
        Theme("colour-blind", _COLOUR_BLIND),
        Theme("terminal", attributes=_own_looks()),
        Theme("mono", attributes=_colourless_looks()),
    )
}
"""The themes by name: `terminal` has the terminal's own 16 colours, `mono` none."""
THEME_NAMES = ("auto", *THEMES)
"""What can be asked for; `auto` is dark or light, as the terminal's background is, or what it can show."""


def lit_role(role: str) -> str:
    """What a role becomes on the row that the cursor is on.

    All of it is lit, and what wants a person stays amber.
    """
    return "lit-attention" if role in _AMBER else "cursor" if role == "cursor" else "lit"


def is_light(red: int, green: int, blue: int) -> bool:
    """Whether dark text is read better on a ground of this colour (0 to 255 each)."""
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 140


def colour_depth(environ: Mapping[str, str]) -> str:
    """How many colours to use: "true", "256", "16" or "none".

    True colour costs a quarter more bytes, so over a line (ssh) it is left for the 256.
    """
    if environ.get("NO_COLOR"):
        return "none"
    term = environ.get("TERM", "")
    has_true_colour = environ.get("COLORTERM", "").casefold() in ("truecolor", "24bit")
    if has_true_colour and not environ.get("SSH_CONNECTION") and not environ.get("SSH_TTY"):
        return "true"
    return "256" if has_true_colour or "256color" in term or term.startswith("xterm-kitty") else "16"


def can_show_glyphs(environ: Mapping[str, str]) -> bool:
    """Whether glyphs outside ASCII can be shown, by the locale and the terminal."""
    term = environ.get("TERM", "")
    if term in ("linux", "dumb", "ansi", "cons25") or term.startswith(("vt100", "vt102", "vt220")):
        return False
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "UTF-8"
    # Where LANG is C, Python itself sets LC_CTYPE to this before anybody can look.
    if environ.get("LANG") in ("C", "POSIX") and locale in ("C.UTF-8", "C.utf8", "UTF-8"):
        return False
    return "utf8" in locale.casefold().replace("-", "")


def choose_theme(wanted: str, depth: str, background: tuple[int, int, int] | None) -> str:
    """The theme to show: what is asked for where the terminal can show it.

    Args:
        wanted: one of THEME_NAMES.
        depth: as `colour_depth` gives it.
        background: the terminal's own (0 to 255 each), None if it does not say.
    """
    if depth == "none":
        return "mono"
    if wanted != "auto":
        return wanted if depth != "16" or wanted in ("mono", "contrast") else "terminal"
    if depth == "16":
        return "terminal"
    return "light" if background is not None and is_light(*background) else "dark"
