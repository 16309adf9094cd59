"""The colours can be read.

The contrast of every theme is computed (WCAG 2.1, 1.4.3), in true colour and in 256.
"""

from __future__ import annotations

from typing import Literal

import pytest

from tui.looks import (
    ORNAMENTS,
    OWN,
    ROLES,
    THEME_NAMES,
    THEMES,
    Ink,
    Look,
    Theme,
    can_show_glyphs,
    choose_theme,
    colour_depth,
    lit_role,
)

MIN_CONTRAST = 4.5
MIN_ORNAMENT_CONTRAST = 3.0
Depth = Literal["true", "256"]
_CUBE = (0, 95, 135, 175, 215, 255)
_SIXTEEN = [
    (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128), (192, 192, 192),
    (128, 128, 128), (255, 0, 0), (0, 255, 0), (255, 255, 0), (0, 0, 255), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
]  # fmt: skip
COLOURED = [name for name, theme in THEMES.items() if theme.inks]


def rgb_of_index(index: int) -> tuple[int, int, int]:
    """What xterm shows for one of the 256 colours."""
    if index < 16:
        return _SIXTEEN[index]
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return grey, grey, grey
    red, rest = divmod(index - 16, 36)
    return _CUBE[red], _CUBE[rest // 6], _CUBE[rest % 6]


def luminance(rgb: tuple[int, int, int]) -> float:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def rgb(ink: Ink, depth: Depth, own: tuple[int, int, int]) -> tuple[int, int, int]:
    if ink == OWN or (depth == "256" and ink[1] < 0):
        return own
    if depth == "256":
        return rgb_of_index(ink[1])
    return int(ink[0][1:3], 16), int(ink[0][3:5], 16), int(ink[0][5:7], 16)


def grounds(theme: Theme, look: Look, depth: Depth) -> list[tuple[int, int, int]]:
    """What a role may stand on.

    Its own ground, else the ground of the screen and the bands; in 256 colours the ground is the terminal's, black or
    white.
    """
    own = (255, 255, 255) if theme.name == "light" else (0, 0, 0)
    inks = [look.ground] if look.ground != OWN else [theme.inks["ground"], theme.inks["band"]]
    return [rgb(ink, depth, own) for ink in inks]


@pytest.mark.parametrize("depth", ["true", "256"])
@pytest.mark.parametrize("name", COLOURED)
def test_every_role_can_be_read_on_all_that_it_stands_on(name: str, depth: Depth) -> None:
    theme = THEMES[name]
    found = {}
    for role in ROLES:
        look = theme.look(role)
        found[role] = min(contrast(rgb(look.ink, depth, (0, 0, 0)), ground) for ground in grounds(theme, look, depth))
    assert found.pop("tint") >= (MIN_ORNAMENT_CONTRAST if depth == "true" else 2.5)
    del found["line"]
    low = {role: round(value, 2) for role, value in found.items() if value < MIN_CONTRAST}
    assert not low, f"{name} in {depth}"


def test_sixteen_colours_can_be_read_on_black_and_bold_white_on_blue() -> None:
    theme = THEMES["terminal"]
    for role in ROLES:
        look = theme.look(role)
        if role not in ORNAMENTS and look.ink != OWN:
            ground = rgb_of_index(look.ground[1]) if look.ground != OWN else (0, 0, 0)
            assert contrast(rgb_of_index(look.ink[1]), ground) >= MIN_CONTRAST, role


def test_what_is_text_has_the_terminals_own_colour_where_there_are_sixteen() -> None:
    assert all(THEMES["terminal"].look(role).ink == OWN for role in ("plain", "value", "strong", "dim", "off"))


def test_without_colours_nothing_has_one_and_what_is_lit_is_inverse() -> None:
    theme = THEMES["mono"]
    assert all((theme.look(role).ink, theme.look(role).ground) == (OWN, OWN) for role in ROLES)
    assert theme.look("lit").reverse
    assert theme.look("current").reverse
    assert theme.look("alert").bold


@pytest.mark.parametrize("name", THEMES)
def test_the_cursors_row_is_one_look_but_for_what_wants_a_person(name: str) -> None:
    lit = {lit_role(role) for role in ROLES if role != "cursor"}
    assert lit == {"lit", "lit-attention"}
    theme = THEMES[name]
    assert theme.look("lit").ground == theme.look("lit-attention").ground == theme.look("cursor").ground
    assert theme.look("lit") != theme.look("plain")


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "true"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "SSH_CONNECTION": "1 2 3 4"}, "256"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "vt100"}, "16"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
        ({}, "16"),
    ],
)
def test_as_many_colours_as_the_terminal_has(environ: dict[str, str], depth: str) -> None:
    assert colour_depth(environ) == depth


@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        ({"TERM": "xterm-256color", "LANG": "de_DE.UTF-8"}, True),
        ({"TERM": "xterm-256color", "LANG": "de_DE.utf8"}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "LC_CTYPE": "C.UTF-8"}, True),
        ({"TERM": "xterm-256color", "LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"TERM": "xterm-256color", "LANG": "de_DE.UTF-8", "LC_ALL": "C"}, False),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, False),
        ({"TERM": "linux", "LANG": "de_DE.UTF-8"}, False),
        ({"TERM": "vt100", "LANG": "de_DE.UTF-8"}, False),
    ],
)
def test_glyphs_are_plain_where_others_cannot_be_shown(environ: dict[str, str], shown: bool) -> None:
    assert can_show_glyphs(environ) is shown


@pytest.mark.parametrize(
    ("wanted", "depth", "background", "theme"),
    [
        ("auto", "true", None, "dark"),
        ("auto", "true", (14, 20, 27), "dark"),
        ("auto", "256", (253, 246, 227), "light"),
        ("auto", "16", (255, 255, 255), "terminal"),
        ("auto", "none", None, "mono"),
        ("light", "none", None, "mono"),
        ("light", "16", None, "terminal"),
        ("contrast", "256", (255, 255, 255), "contrast"),
    ],
)
def test_the_theme_follows_the_terminal(
    wanted: str, depth: str, background: tuple[int, int, int] | None, theme: str
) -> None:
    assert wanted in THEME_NAMES
    assert choose_theme(wanted, depth, background) == theme
