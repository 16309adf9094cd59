"""Beside git and plain SQLite: a table for `make soak`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import _bighome, peers
from tests.support.soak_table import soak_figure

FACTS = int(os.environ.get("FACTS", "1000000"))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not _bighome.HISTORY.exists(), reason="needs ../shared/data/site-history.jsonl")
def test_every_verb_answers_beside_git_and_sqlite(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property(*soak_figure(f"slowest answer at {FACTS:,} facts", peers.HEAD))
    for answer in peers.measure(FACTS, tmp_path):
        record_property(*soak_figure(f"  {answer.name}", str(answer)))
