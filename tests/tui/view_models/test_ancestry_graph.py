"""Who knew what, drawn."""

from __future__ import annotations

from core.workspace.lineage import AncestryStep
from tui.layout import cut
from tui.view_models.ancestry_graph import GraphWords, draw_ancestry


def step(name: str, *seen: str, more: bool = False) -> AncestryStep:
    return AncestryStep(name.encode(), name, "", b"", 0, tuple(each.encode() for each in seen), more)


def drawn(steps: list[AncestryStep], *leaves: str, width: int = 60, whole: bool = False) -> list[str]:
    return draw_ancestry(
        steps,
        [leaf.encode() for leaf in leaves],
        lambda step, room: cut(str(step.value), room),
        GraphWords("nothing", "earlier"),
        width,
        whole,
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


def test_nothing_between_is_left_out_where_all_is_wanted() -> None:
    steps = [step("root"), step("x", "root"), step("y", "x"), step("z", "y"), step("a", "z"), step("b", "root")]
    assert drawn(steps, "a", "b", whole=True) == ["root ─┬─ x ─── y ─── z ─── a", "      └─ b"]


def test_an_arrow_leads_to_who_replaced_two_at_once() -> None:
    steps = [step("root"), step("x", "root"), step("y", "root"), step("a", "x", "y"), step("b", "root")]
    assert drawn(steps, "a", "b") == [
        "root ─┬─ x ───→ a",
        "      ├─ y ─── a",
        "      └─ b",
    ]


def test_many_that_were_replaced_together_are_counted() -> None:
    many = [step(f"x{number}", "root") for number in range(5)]
    steps = [step("root"), *many, step("a", *(f"x{number}" for number in range(5))), step("b", "root")]
    assert drawn(steps, "a", "b") == [
        "root ─┬─ … 4 … ───→ a",
        "      ├─ x4 ─── a",
        "      └─ b",
    ]
    assert drawn(steps, "a", "b", whole=True)[:2] == ["root ─┬─ x0 ───→ a", "      ├─ x1 ───→ a"]


def test_what_is_older_or_not_here_yet_is_not_called_nothing() -> None:
    assert drawn([step("a", more=True), step("b", more=True)], "a", "b") == ["earlier ─┬─ a", "         └─ b"]
    assert drawn([step("a"), step("b", more=True)], "a", "b") == ["nothing ─┬─ a", "         └─ earlier ─── b"]


def test_what_has_no_room_side_by_side_stands_below_each_other() -> None:
    steps = [step("root of all"), step("b", "root of all"), step("one of them", "root of all")]
    steps += [step("another one", "one of them"), step("c", "one of them"), step("a", "another one", "b")]
    assert drawn(steps, "a", "c", width=40, whole=True) == [
        "root of all",
        "├─ b",
        "│  └─→ a",
        "└─ one of them",
        "   ├─ another one",
        "   │  └─ a",
        "   └─ c",
    ]


def test_it_fits() -> None:
    steps = [step("a long value"), step("another long value", "a long value"), step("a third one", "a long value")]
    assert all(len(line) <= 30 for line in drawn(steps, "another long value", "a third one", width=30))
