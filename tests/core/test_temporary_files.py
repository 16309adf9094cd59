"""Files that take another's place: all of it or nothing, and nothing left beside."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from core import temporary_files
from core.temporary_files import open_replacement


def _names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_what_is_there_stays_until_the_whole_is_written(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    with open_replacement(path) as file:
        file.write(b"after")
        file.flush()
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _names(tmp_path) == {"kept"}


def test_after_an_error_it_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="Bad file"), open_replacement(path) as file:
        file.write(b"half")
        file.flush()
        os.write(-1, b"")
    assert path.read_bytes() == b"before"
    assert _names(tmp_path) == {"kept"}


def test_it_is_on_the_disk_before_it_has_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept"
    seen: list[bool] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (seen.append(path.exists()), fsync(number)))
    with open_replacement(path) as file:
        file.write(b"after")
    assert seen == [False, True], "the file, then the folder that has it under its name"


def test_what_a_killed_process_left_is_cleared_and_what_is_held_is_not(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    killed, other = tmp_path / ".kept.1", tmp_path / ".kept.2"
    temporary_files.temporary_path(path).write_bytes(b"of a process that had the same number")
    killed.write_bytes(b"half")
    with other.open("wb") as held:
        temporary_files.hold(held.fileno())
        with open_replacement(path) as file:
            file.write(b"after")
        assert _names(tmp_path) == {"kept", ".kept.2"}
