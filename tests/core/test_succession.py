"""A new key goes on for an old one only if both have signed that.

Each for the other.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.header import device_id
from core.succession import (
    MAX_VOUCHERS,
    SUCCESSION_CHARS,
    VOUCHER_BYTES,
    is_succession,
    make_voucher,
    succession_value,
    vouching_devices,
)
from tests.support.strategies import DEVICES, KEYS

OLD, NEW, OTHER = KEYS[:3]
OLD_ID, NEW_ID, OTHER_ID = DEVICES[:3]
VALUE = succession_value(NEW, OLD_ID)


def test_a_new_key_agrees_to_go_on_for_one_device_only() -> None:
    assert len(VALUE) == SUCCESSION_CHARS
    assert is_succession(VALUE, OLD_ID, NEW_ID)
    assert not is_succession(VALUE, OTHER_ID, NEW_ID)
    assert not is_succession(VALUE, OLD_ID, OTHER_ID)
    assert not is_succession(succession_value(OLD, OLD_ID), OLD_ID, OLD_ID), "nobody goes on for itself"


@given(st.integers(0, SUCCESSION_CHARS - 1), st.sampled_from("0f g:"))
def test_no_character_can_be_another(place: int, char: str) -> None:
    changed = VALUE[:place] + char + VALUE[place + 1 :]
    assert changed == VALUE or not is_succession(changed, OLD_ID, NEW_ID)


@pytest.mark.parametrize("value", [None, 1, "", "successor ", "admin", VALUE + " ", VALUE.upper()])
def test_nothing_else_is_a_succession(value: object) -> None:
    assert not is_succession(value, OLD_ID, NEW_ID)


def test_vouchers_are_followed_as_far_as_they_are_right() -> None:
    first, second = make_voucher(OLD, NEW_ID), make_voucher(NEW, OTHER_ID)
    assert device_id(first[:32]) == OLD_ID and len(first) == VOUCHER_BYTES
    assert vouching_devices(NEW_ID, [first]) == [OLD_ID]
    assert vouching_devices(OTHER_ID, [second, first]) == [NEW_ID, OLD_ID]
    assert vouching_devices(OTHER_ID, [first]) == [], "it speaks of another"
    assert vouching_devices(OTHER_ID, [second, second, first]) == [NEW_ID]
    assert vouching_devices(NEW_ID, [first[:-1] + bytes([first[-1] ^ 1])]) == []
    assert vouching_devices(NEW_ID, [b"\xff" * VOUCHER_BYTES] * MAX_VOUCHERS) == []
