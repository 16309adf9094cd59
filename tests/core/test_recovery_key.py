"""The recovery key is read from what people write down.

And no slip of the pen makes another one.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from core.recovery_key import parse_recovery_text, recovery_text
from tests.support.strategies import KEYS

TEXT = recovery_text(KEYS[0])


def test_it_has_eleven_groups_of_five() -> None:
    assert [len(group) for group in TEXT.split("-")] == [5] * 11


@pytest.mark.parametrize("key", KEYS[:3])
def test_it_is_read_as_it_was_written_in_any_case_and_spacing(key: object) -> None:
    text = recovery_text(key)  # type: ignore[arg-type]
    for written in (text, text.lower(), text.replace("-", " "), f"  {text.replace('-', '')}\n", text.replace("O", "0")):
        assert recovery_text(parse_recovery_text(written)) == text


@given(st.integers(0, len(TEXT) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_wrong_letter_is_noticed(place: int, char: str) -> None:
    written = TEXT[:place] + char + TEXT[place + 1 :]
    if written != TEXT:
        # One in 65,536 passes the check: then it is another key, which no genesis names.
        with suppress(Refused):
            assert recovery_text(parse_recovery_text(written)) != TEXT


@pytest.mark.parametrize("text", ["", "?", "A" * 55, TEXT[:-1], TEXT + "A", "é" * 55, "1" * 55])
def test_nothing_else_is_one(text: str) -> None:
    with pytest.raises(Refused, match="eleven groups"):
        parse_recovery_text(text)
