"""The list of verbs: in groups, with every verb in one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Terminal
from tui.cli.verbs import GROUPS, VERBS


def test_every_verb_is_in_one_group() -> None:
    assert sorted(name for _heading, names in GROUPS for name in names) == sorted(VERBS)


@pytest.mark.parametrize(("lang", "first", "last"), [("en", "Begin:", "Examples:"), ("de", "Anfangen:", "Beispiele:")])
def test_the_groups_are_headings_of_the_help(tmp_path: Path, lang: str, first: str, last: str) -> None:
    shown = Terminal(tmp_path / "none", lang=lang).call("--help").out.splitlines()
    headings = [line for line in shown if line.endswith(":") and not line.startswith(" ")]
    assert headings[-len(GROUPS) - 1] == first
    assert headings[-1] == last
    for name in VERBS:
        assert sum(line.startswith(f"  {name} ") for line in shown) == 1, name
