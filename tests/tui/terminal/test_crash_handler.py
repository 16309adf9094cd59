"""What nobody foresaw ends the program with a sentence, as every verb does."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.pty_app import started


@pytest.fixture
def broken(home: Path) -> Path:
    """A home whose store says that it is whole and lacks what the list is read from."""
    with closing(sqlite3.connect(home / "store.db")) as connection, connection:
        connection.execute("DROP TABLE clues")
        connection.execute("DELETE FROM unread")
    return home


@pytest.mark.parametrize("debug", ["", "1"])
def test_it_ends_with_a_sentence_and_shows_a_traceback_only_to_who_asks(broken: Path, debug: str) -> None:
    environ = {"FIELDLINE_DEBUG": debug} if debug else {}
    with started(broken, "tui", "--no-discovery", environ=environ) as program:
        program.wait_for_end()
        program.read(0.2)
        assert program.ended is not None
        assert os.waitstatus_to_exitcode(program.ended) == 1
        message = program.output.rpartition(b"\x1b[?1049l")[2].decode()
        assert ("Traceback" in message) == bool(debug), message
        if not debug:
            assert "This should not have happened (" in " ".join(message.split())
            assert "no such table: clues" in " ".join(message.split())
            assert len(message.split()) < 40


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_show_screens_learns_it(home: Path, term: str) -> None:
    with started(home, "tui", environ={"TERM": term}) as program:
        program.wait_for_end()
        program.read(0.2)
        assert f"TERM={term}".encode() in program.output
        assert b"\x1b" not in program.output
        assert program.ended is not None
        assert os.waitstatus_to_exitcode(program.ended) == 2
