"""Each numbered promise of docs/security.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
DOCUMENT = TESTS.parent / "docs" / "security.md"
PROMISES = re.findall(
    r"^(\d+)\. \*\*(.*?)(?=^\d+\. \*\*|\Z)",
    DOCUMENT.read_text().split("## What is promised")[1].split("\n## ")[0],
    re.MULTILINE | re.DOTALL,
)


def test_promises_are_numbered_in_order() -> None:
    assert [int(number) for number, _ in PROMISES] == list(range(1, len(PROMISES) + 1)) and len(PROMISES) >= 14


@pytest.mark.parametrize(("number", "promise"), PROMISES, ids=[number for number, _ in PROMISES])
def test_a_promise_names_tests_that_there_are(number: str, promise: str) -> None:
    files = re.findall(r"`([\w/]+\.py)`", promise)
    named = re.findall(r"`(a\d+\w?)`", promise)
    attacks = (TESTS / "attacks" / "test_attacks.py").read_text()
    assert files or named
    assert [file for file in files if not (TESTS.parent / file).is_file()] == []
    assert [name for name in named if f"def test_{name}_" not in attacks] == []
    for test in re.findall(r"`(test_\w+)`", promise):
        assert any(f"def {test}(" in (TESTS.parent / file).read_text() for file in files)
