"""One test that fails never takes the others with it, however it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.deadlines import DEADLINE_S

ROOT = Path(__file__).parent.parent

UNREADABLE = """
import ast

def test_fails(monkeypatch):
    def unreadable(*_, **__):
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr(ast, "parse", unreadable)
    raise ValueError("what went wrong")
"""

NESTED = """
def test_fails():
    error = ValueError("what went wrong")
    for _ in range(5000):
        error = ExceptionGroup("a group", [error])
    raise error
"""

CHAINED = """
def test_fails():
    error = ValueError("what went wrong")
    for _ in range(2000):
        outer = ValueError("what went wrong")
        outer.__cause__ = error
        error = outer
    raise error
"""

SETTING_UP = """
import ast
import pytest

@pytest.fixture
def broken():
    parse = ast.parse
    def unreadable(*_, **__):
        ast.parse = parse
        raise SystemError("AST constructor recursion depth mismatch")

    ast.parse = unreadable
    raise ValueError("what went wrong")

def test_fails(broken):
    pass
"""

OTHERS = """
import pytest

@pytest.mark.parametrize("number", range(20))
def test_others(number):
    pass
"""


def test_failures_that_cannot_be_shown_are_failures_and_no_more(tmp_path: Path) -> None:
    for number, source in enumerate((UNREADABLE, NESTED, CHAINED, SETTING_UP, OTHERS)):
        (tmp_path / f"test_{number}.py").write_text(source)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    options = [
        "-q",
        "-n",
        "1",
        "-p",
        "tests.support.crash_report",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
    ]
    command = [sys.executable, "-m", "pytest", *options, "-c", str(tmp_path / "pytest.ini"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    reported = done.stdout + done.stderr
    assert "3 failed, 20 passed, 1 error" in reported
    assert "INTERNALERROR" not in reported
    assert "a group" in reported
    assert reported.count("ValueError: what went wrong") >= 3
    assert reported.count("pytest could not show it") == 4
    assert done.returncode == 1
