"""The gate before the keys: what people type and paste comes through whole, a flood does not, no paste stays open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.terminal.gate import END, LONGEST_PASTE, MOST_PASTED, MOST_TYPED, PAUSE, START, Gate

SOON, LATER = 0.01, PAUSE + 0.1
pieces = st.lists(
    st.tuples(
        st.sampled_from([START, END, "\x1b[A", "q\r", "x" * 5_000, START[:3], START[3:], END[:4], END[4:]]),
        st.sampled_from([SOON, LATER]),
    ),
    max_size=60,
)


def open_paste(text: str) -> bool:
    return text.rfind(START) > text.rfind(END)


def test_what_a_person_types_and_pastes_comes_through_as_it_is() -> None:
    gate = Gate()
    for text in ("j", "\x1b[A", "\x1b", "x" * MOST_TYPED):
        assert gate.let(text, LATER) == text
    pasted = START + "y" * 30_000 + END
    assert (
        "".join(gate.let(pasted[at : at + 4096], LATER if at == 0 else SOON) for at in range(0, 40_000, 4096)) == pasted
    )
    assert gate.let("k", LATER) == "k"


def test_a_flood_is_cut_and_the_next_key_counts_again() -> None:
    gate = Gate()
    assert sum(len(gate.let("q\r" * 2048, SOON)) for _ in range(250)) <= MOST_TYPED
    assert gate.let("j", SOON) == ""
    assert gate.let("j", LATER) == "j"


@given(pieces)
def test_no_paste_is_open_that_the_terminal_has_ended(some: list[tuple[str, float]]) -> None:
    gate, came, let = Gate(), "", ""
    for text, waited in some:
        came += text
        let += gate.let(text, waited)
        assert not open_paste(let) or open_paste(came)
        assert gate.idle(SOON) == ""
    let += gate.idle(LONGEST_PASTE)
    assert not open_paste(let)


@given(pieces)
def test_a_burst_is_never_longer_than_a_paste_may_be(some: list[tuple[str, float]]) -> None:
    gate = Gate()
    assert sum(len(gate.let(text, SOON)) for text, _waited in some) <= MOST_PASTED + len(END)
