"""Networks that overlap as a picture.

The smaller ones lie where they are in the large one.
"""

from __future__ import annotations

import pytest

from core.value_codec import Value
from tui.layout import line_width
from tui.view_models.network_bars import network_bars


def drawn(*values: Value, chosen: int = 0, width: int = 34) -> list[str]:
    lines = network_bars(list(values), "ABCDE", chosen, width)
    assert all(line_width(line) <= width for line in lines)
    return ["".join(text for text, _role in line) for line in lines]


def test_the_smaller_ones_lie_in_the_large_one() -> None:
    scale, outer, bars, marks = drawn("10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/26")
    assert scale.split() == ["10.0.0.0", "10.0.0.255"]
    assert "10.0.0.0/24, 256 addresses" in outer
    assert bars[1:] == "▆" * 8 + " " * 8 + "▆" * 16
    assert marks.index("C") < 9 <= 17 <= marks.index("B")


def test_a_single_address_is_seen_in_a_large_network() -> None:
    _scale, _outer, bars, _marks = drawn("10.0.0.0/8", "10.255.255.255/32")
    assert bars.rstrip().endswith("▆")


@pytest.mark.parametrize(
    "values", [("10.0.0.0/24",), ("10.0.0.0/24", "none"), ("10.0.0.0/24", "2001:db8::/64"), (None, 7)]
)
def test_without_two_networks_of_one_kind_there_is_no_picture(values: tuple[Value, ...]) -> None:
    assert drawn(*values) == []


def test_the_same_network_twice_is_drawn() -> None:
    assert len(drawn("2001:db8::/64", "2001:db8::/64", width=60)) == 4
