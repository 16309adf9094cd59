"""What is at a path is reported; where that fails it is not taken for absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import exists, is_file, is_folder


def test_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (tmp_path / "broken").symlink_to("nowhere")
    assert [exists(file), is_file(file), is_folder(file)] == [True, True, False]
    assert [exists(tmp_path), is_file(tmp_path), is_folder(tmp_path)] == [True, False, True]
    for absent in (tmp_path / "none", file / "below", tmp_path / "broken", Path("a\0b")):
        assert [exists(absent), is_file(absent), is_folder(absent)] == [False, False, False]


def test_what_cannot_be_reported_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / ("x" * 300), tmp_path / "loop" / "below"):
        for look in (exists, is_file, is_folder):
            with pytest.raises(OSError, match=r"File name too long|Too many levels"):
                look(path)
