"""The README shows what is there: its picture is a snapshot, and every verb it names exists."""

from __future__ import annotations

import re
from pathlib import Path

from tui.cli.verbs import VERBS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_it_points_to_is_there() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if not target.startswith("http")]
    assert targets
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_every_verb_it_uses_exists() -> None:
    verbs = {match[1] for match in re.finditer(r"(?m)(?:^|`)fieldline ([a-z-]+)", README)}
    assert len(verbs) > 5
    assert verbs <= set(VERBS)
