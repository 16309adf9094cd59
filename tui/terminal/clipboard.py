"""Copy through the terminal, however far away (OSC 52 of xterm). Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping

_PIECE_CHARS = 512
"""GNU screen passes on control strings of up to 768 bytes."""


def clipboard_sequence(text: str, environ: Mapping[str, str]) -> str:
    """What to write so that the terminal copies a text.

    A multiplexer in between takes the plain sequence for itself if it is set up so (tmux: `set-clipboard on`), and
    hands on what is wrapped if that is allowed (`allow-passthrough on`): it gets both. Over SSH only TERM shows it.
    """
    plain = f"\x1b]52;c;{b64encode(text.encode()).decode()}\a"
    term = environ.get("TERM", "")
    if "STY" in environ:
        return "".join(f"\x1bP{piece}\x1b\\" for piece in _pieces(plain))
    if "TMUX" in environ or term.startswith(("tmux", "screen")):
        return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return plain


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE_CHARS):
        yield text[start : start + _PIECE_CHARS]
