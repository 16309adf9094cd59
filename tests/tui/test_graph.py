"""Who knew what, drawn."""

from __future__ import annotations

from core.workspace.lineage import Step
from tui.rows.graph import draw
from tui.rows.lines import cut


def step(name: str, *seen: str) -> Step:
    return Step(name.encode(), name, "", b"", 0, tuple(each.encode() for each in seen))


def drawn(steps: list[Step], *leaves: str, width: int = 60) -> list[str]:
    return draw(
        steps, [leaf.encode() for leaf in leaves], lambda step, room: cut(str(step.value), room), "nothing", width
    )


def test_two_who_knew_the_same() -> None:
    assert drawn([step("root"), step("a", "root"), step("b", "root")], "a", "b") == [
        "root ─┬─ a",
        "      └─ b",
    ]


def test_three_of_whom_two_knew_more() -> None:
    steps = [step("root"), step("x", "root"), step("a", "x"), step("b", "x"), step("c", "root")]
    assert drawn(steps, "a", "b", "c") == [
        "root ─┬─ x ─┬─ a",
        "      │     └─ b",
        "      └─ c",
    ]


def test_nobody_knew_of_anything() -> None:
    assert drawn([step("a"), step("b")], "a", "b") == ["nothing ─┬─ a", "         └─ b"]


def test_what_is_between_is_counted() -> None:
    steps = [step("root"), step("x", "root"), step("y", "x"), step("z", "y"), step("a", "z"), step("b", "root")]
    assert drawn(steps, "a", "b") == ["root ─┬─ x ─── … 2 … ─── a", "      └─ b"]


def test_what_was_merged_is_drawn_once() -> None:
    steps = [step("root"), step("x", "root"), step("y", "root"), step("a", "x", "y"), step("b", "root")]
    assert drawn(steps, "a", "b") == ["root ─┬─ y ─── a", "      └─ b"]


def test_it_fits() -> None:
    steps = [step("a long value"), step("another long value", "a long value"), step("a third one", "a long value")]
    assert all(len(line) <= 30 for line in drawn(steps, "another long value", "a third one", width=30))
