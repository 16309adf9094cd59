"""The gate before the keys.

What people type and paste comes through whole, a flood does not, no paste stays open.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.terminal.input_limiter import (
    BURST_PAUSE_S,
    MAX_PASTE_PAUSE_S,
    MAX_PASTED_CHARS,
    MAX_TYPED_CHARS,
    PASTE_END,
    PASTE_START,
    InputLimiter,
)

SOON, LATER = 0.01, BURST_PAUSE_S + 0.1
pieces = st.lists(
    st.tuples(
        st.sampled_from(
            [
                PASTE_START,
                PASTE_END,
                "\x1b[A",
                "q\r",
                "x" * 5_000,
                PASTE_START[:3],
                PASTE_START[3:],
                PASTE_END[:4],
                PASTE_END[4:],
            ]
        ),
        st.sampled_from([SOON, LATER]),
    ),
    max_size=60,
)


def open_paste(text: str) -> bool:
    return text.rfind(PASTE_START) > text.rfind(PASTE_END)


def test_what_a_person_types_and_pastes_comes_through_as_it_is() -> None:
    gate = InputLimiter()
    for text in ("j", "\x1b[A", "\x1b", "x" * MAX_TYPED_CHARS):
        assert gate.take(text, LATER) == text
    pasted = PASTE_START + "y" * 30_000 + PASTE_END
    assert (
        "".join(gate.take(pasted[at : at + 4096], LATER if at == 0 else SOON) for at in range(0, 40_000, 4096))
        == pasted
    )
    assert gate.take("k", LATER) == "k"


def test_a_flood_is_cut_and_the_next_key_counts_again() -> None:
    gate = InputLimiter()
    assert sum(len(gate.take("q\r" * 2048, SOON)) for _ in range(250)) <= MAX_TYPED_CHARS
    assert gate.take("j", SOON) == ""
    assert gate.take("j", LATER) == "j"


@given(pieces)
def test_no_paste_is_open_that_the_terminal_has_ended(some: list[tuple[str, float]]) -> None:
    gate, came, let = InputLimiter(), "", ""
    for text, waited in some:
        came += text
        let += gate.take(text, waited)
        assert not open_paste(let) or open_paste(came)
        assert gate.take_idle(SOON) == ""
    let += gate.take_idle(MAX_PASTE_PAUSE_S)
    assert not open_paste(let)


@given(pieces)
def test_a_burst_is_never_longer_than_a_paste_may_be(some: list[tuple[str, float]]) -> None:
    gate = InputLimiter()
    assert sum(len(gate.take(text, SOON)) for text, _waited in some) <= MAX_PASTED_CHARS + len(PASTE_END)
