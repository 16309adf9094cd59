"""Find what is wrong with the mirror that `serve` keeps, for `doctor`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from core.device.home import Home
from core.errors import FieldlineError
from core.mirror.settings import parse_dsn
from core.mirror.state_file import is_running, read_state
from core.workspace.diagnostics import Finding

NOT_INSTALLED = FieldlineError(
    "The mirror needs psycopg, which is not installed: run `pip install '.[mirror]'` in the clone."
)


def check_mirror(folder: Path) -> list[Finding]:
    """Check the mirror of a home.

    Nothing is found where there is none, nor where the settings cannot be read, which another check tells.
    """
    try:
        settings = Home(folder).read_settings()
    except FieldlineError:
        return []
    try:
        if parse_dsn(settings) is None:
            return []
    except FieldlineError as error:
        return [Finding("mirror", "problem", error)]
    if find_spec("psycopg") is None:
        return [Finding("mirror", "problem", NOT_INSTALLED)]
    if not is_running(folder):
        message = FieldlineError("Nothing is mirrored, as `fieldline serve` does not run for this device: start it.")
        return [Finding("mirror", "warning", message)]
    state = read_state(folder)
    if (why := state.last_error()) is not None:
        message = FieldlineError("The mirror failed {count} times in a row: {why}", count=state.failure_count, why=why)
        return [Finding("mirror", "warning", message)]
    return [Finding("mirror", "good")]
