"""The console script: makes sure that it runs the program's own modules.

`core` is a name that other packages have, too: nothing of it is imported here before it is known whose it is.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]


def N_(text: str) -> str:  # noqa: N802 - gettext's no-op, as that of tui.i18n.translate imports core
    """Marks a text for the catalogues and leaves it as it is."""
    return text


def main() -> None:
    """Run the program, or say in one sentence why it cannot be."""
    if path := find_foreign_core():
        _leave(N_("Another package named core is in the way: {path}. Install Fieldline by itself."), path=path)
    try:
        from tui.cli.main import main as run
    except ImportError as error:
        if os.environ.get("FIELDLINE_DEBUG"):
            raise
        _leave(N_("The program is not complete ({why}): install Fieldline again, by itself."), why=str(error))
    run()


def find_foreign_core() -> str | None:
    """Where Python would take `core` from, if that is not beside this package."""
    spec = find_spec("core")
    if spec is None or spec.origin is None or Path(spec.origin).parent.resolve() == (ROOT / "core").resolve():
        return None
    return spec.origin


def _leave(text: str, **params: str) -> NoReturn:
    """Print a sentence on stderr and end with 1, translated if that still works."""
    sys.path.insert(0, str(ROOT))
    try:
        from tui.i18n import translate

        translate.set_language(translate.choose_language(None, os.environ))
        text = translate._(text)
    except (ImportError, OSError):
        pass
    sys.exit(text.format(**params))
