"""Texts beside each other in few columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.layout import fit_pair


@pytest.mark.parametrize(
    ("old", "new", "width", "shown"),
    [
        ("Acme LookNice 5030", "Acme LookNice 5031", 40, ("Acme LookNice 5030", "Acme LookNice 5031")),
        ("Acme LookNice 5030", "Acme LookNice 5031", 26, ("Acme LookNice 5030", "…5031")),
        ("Acme LookNice 5030", "Acme LookNice 5031", 14, ("…5030", "…5031")),
        ("not configured", "Acme LookNice 5031 with a tray", 34, ("not configured", "Acme LookNice 5031…")),
    ],
)
def test_what_differs_can_be_read(old: str, new: str, width: int, shown: tuple[str, str]) -> None:
    assert fit_pair(old, new, width) == shown


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.integers(8, 80))
def test_two_texts_fit_and_differ_where_they_do(same: str, one: str, other: str, width: int) -> None:
    before, after = fit_pair(same + one, same + other, width)
    assert cell_len(before) + cell_len(after) <= width
