"""The sentence for an unexpected error, instead of a traceback."""

from __future__ import annotations

import os
from collections.abc import Mapping

from core.values import printable
from tui.i18n.translate import _


def is_traceback_wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a traceback is wanted, to find a mistake in the program."""
    return bool(environ.get("FIELDLINE_DEBUG"))


def unexpected_error_text(error: BaseException) -> str:
    """The sentence for an error that should not have come about."""
    text = _("This should not have happened ({what}): please report it; FIELDLINE_DEBUG=1 shows where it was.")
    return printable(text.format(what=f"{type(error).__name__}: {error}"))
