"""Whether there is something at a path, the same with every Python.

From 3.14 on `Path.exists` and its like say no where they could not look: in a folder that may not be entered, on a disk
that fails, at a name that is too long. What is taken for absent there would be made anew, or not be asked for.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def exists(path: Path) -> bool:
    """Whether there is anything at a path; raises OSError where that cannot be told."""
    return _status(path) is not None


def is_file(path: Path) -> bool:
    """Whether there is a regular file at a path.

    Raises OSError where that cannot be told.
    """
    status = _status(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def is_folder(path: Path) -> bool:
    """Whether there is a folder at a path; raises OSError where that cannot be told."""
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:  # a null byte: no file can be called so
        return None
