"""The glyphs by the role they play, each with its form in ASCII. Pure.

A glyph repeats what a word says beside it; of the same shape are roles that never stand in the same column.
"""

from __future__ import annotations

_FORMS = {
    # how a property is
    "good": ("●", "*"),
    "absent": ("○", "o"),
    "cleared": ("–", "-"),
    "invalid": ("!", "!"),
    "edited": ("~", "~"),
    "retired": ("–", "-"),
    # types of inbox items, `invalid` among them
    "conflict": ("≠", "#"),
    "duplicate": ("‼", '"'),
    "overlap": ("∩", "&"),
    "dangling": ("?", "?"),
    "retired-edit": ("↯", "%"),
    # states of members
    "active": ("●", "*"),
    "revoked": ("–", "-"),
    "pending": ("○", "o"),
    # how a peer is doing
    "busy": ("▸", "+"),
    "same": ("●", "*"),
    "different": ("○", "o"),
    "trouble": ("!", "!"),
    # what this device has beside what is configured
    "equal": ("=", "="),
    "differs": ("Δ", "x"),
    "unknown": ("?", "?"),
    "failed": ("✗", "!"),
    # places in a list
    "cursor": ("▌", ">"),
    "marked": ("●", "*"),
    "folded": ("▸", "+"),
    "unfolded": ("▾", "-"),
    "above": ("▴", "^"),
    "here": ("◆", "@"),
    "site": ("•", "*"),
    # a value before and after
    "added": ("+", "+"),
    "removed": ("−", "-"),
}
GLYPHS = {role: glyph for role, (glyph, _ascii) in _FORMS.items()}
"""Role to glyph: one column wide, in every font that a terminal has."""

_DRAWING = (
    ("–›→←↑↓…·⏎↵✓␣", "->><^v~-//v_"),
    ("─│┌┐└┘├┤┬█░━", "-|+++++++#.="),
    ("▁▂▃▄▅▆▇", ".:-=+*#"),
    ("▲▼", "^v"),
    ("“”„’", '"""\''),
)
"""What else is drawn, and its forms in ASCII, character by character."""

ASCII_GLYPHS = str.maketrans(
    dict(_FORMS.values()) | {char: plain for chars, forms in _DRAWING for char, plain in zip(chars, forms, strict=True)}
)
"""Each character that is drawn to its form in ASCII, which is as wide."""
ASCII_GLYPHS |= {0x2800 + dots: "." if dots else " " for dots in range(256)}
