"""The styles of roles, from the table of looks for a theme and colours."""

from __future__ import annotations

from functools import cached_property

from rich.color import Color
from rich.style import Style

from tui.looks import OWN, ROLES, THEMES, Ink, Look

GROUNDS = ("ground", "band")
"""What text stands on: the ground of everything, or a band across it."""


class Palette:
    """The styles of the roles in a theme.

    `depth` is how many colours there are: "true", "256", "16" or "none".
    """

    def __init__(self, theme: str = "dark", depth: str = "true") -> None:
        self.theme = THEMES[theme]
        self.depth = depth
        self._styles = {
            (role, on): self._style(self.theme.look(role), self.theme.inks.get(on, OWN))
            for role in ROLES
            for on in GROUNDS
        }

    def style(self, role: str, on: str = "ground") -> Style:
        """How a role is drawn on one of the grounds."""
        return self._styles[role, on]

    @cached_property
    def css_variables(self) -> dict[str, str]:
        """The inks that style sheets name.

        Grounds, text, rules, and where the next letter is typed.
        """
        if not self.theme.inks:
            own = dict.fromkeys(("ground", "band", "text-ink", "line-ink"), "ansi_default")
            return own | {"cursor-ground": "ansi_white", "cursor-ink": "ansi_black"}
        inks = {name: self._hex(self.theme.inks[name]) for name in ("ground", "band", "text", "line", "banner")}
        return {
            "ground": inks["ground"],
            "band": inks["band"],
            "text-ink": inks["text"],
            "line-ink": inks["line"],
            "cursor-ground": inks["text"],
            "cursor-ink": inks["banner"],
        }

    def _hex(self, ink: Ink) -> str:
        if self.depth == "true":
            return ink[0]
        return Color.from_ansi(ink[1]).get_truecolor().hex if ink[1] >= 0 else "ansi_default"

    def _style(self, look: Look, ground: Ink) -> Style:
        return Style(
            color=self._colour(look.ink),
            bgcolor=self._colour(look.ground if look.ground != OWN else ground),
            bold=look.bold or None,
            dim=look.dim or None,
            reverse=look.reverse or None,
            underline=look.underline or None,
        )

    def _colour(self, ink: Ink) -> Color | None:
        if ink == OWN:
            return None
        if self.depth == "true" and len(ink[0]) > 1:
            return Color.parse(ink[0])
        return Color.from_ansi(ink[1]) if ink[1] >= 0 else None
