"""The table at the end of `make soak`."""

from __future__ import annotations

from tests.support.soak_table import soak_figure, soak_lines, soak_row


def test_rows_of_one_name_are_added_up_and_a_failure_is_told() -> None:
    recorded = [
        soak_row("set: killed", 80, {"killed": 50, "told": 30}),
        soak_row("set: killed", 20, {"told": 20}),
        soak_row("the power fails", 301),
        soak_figure("status at 1,000,000 facts", "0.4 s"),
        ("another property", 7),
    ]
    head, one, other, failed, total, figure = (line.split() for line in soak_lines(recorded, ["tests/x.py::test_y"]))
    assert head == ["what", "tried", "survived", "lost"]
    assert one == ["set:", "killed", "100", "100", "0", "50", "killed,", "50", "told"]
    assert other == ["the", "power", "fails", "301", "301", "0"]
    assert failed == ["tests/x.py::test_y", "no", "?"]
    assert total == ["in", "all", "401", "401", "1"]
    assert figure == ["status", "at", "1,000,000", "facts", "0.4", "s"]


def test_a_run_without_any_prints_none() -> None:
    assert soak_lines([("another property", 7)], []) == []
