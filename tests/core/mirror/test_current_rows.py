"""What is current is written beside the facts of the mirror."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.mirror.current_rows import CurrentRows
from core.mirror.database import MirrorError
from core.schema import Schema
from tests.cli.conftest import Terminal


def test_where_no_temporary_file_can_be_made_it_says_so(
    demo: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    nowhere: Any = None
    with closing(sqlite3.connect(demo.home / "store.db")) as store, pytest.raises(MirrorError, match="TMPDIR"):
        CurrentRows(store, nowhere, Schema()).write_all()
