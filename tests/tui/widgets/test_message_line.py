"""A message is read whole, however long, and takes no room when it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.support.opened_app import LARGE, SMALL, opened

SENTENCE = (
    "Lane 1 was changed on K2 by Müller since this form was opened, so nothing was saved: look at what is there now,"
    " then save again."
)


@pytest.mark.parametrize("tab", ["1", "2", "3", "4", "5", "6"])
async def test_a_long_sentence_is_wrapped_above_the_keys_and_goes_away(home: Path, tab: str) -> None:
    async with opened(home, tab, size=SMALL) as screen:
        before = screen.text()
        screen.app.screen.show_message(SENTENCE, attention=True)
        await screen.rest()
        *above, keys = screen.text().splitlines()
        assert " ".join(line.strip() for line in above[-2:]) == SENTENCE
        assert keys == before.splitlines()[-1]
        screen.app.screen.show_message("")
        await screen.rest()
        assert screen.text() == before


async def test_the_row_with_the_cursor_stays_in_sight(home: Path) -> None:
    async with opened(home, "4", size=SMALL) as screen:
        await screen.press("pagedown")
        current = next(row for row in screen.text().splitlines() if row.startswith("▌"))
        screen.app.screen.show_message(SENTENCE)
        await screen.rest()
        assert current in screen.text().splitlines()


async def test_a_message_takes_the_lines_that_it_needs_in_the_width_of_now(home: Path) -> None:
    async with opened(home, "2", size=SMALL) as screen:
        screen.app.screen.show_message(SENTENCE[:111])
        for size, count in ((LARGE, 1), (SMALL, 2), ((60, 24), 2), (LARGE, 1)):
            await screen.resize(*size)
            rows = screen.text().splitlines()[-1 - count : -1]
            assert " ".join(row.strip() for row in rows) == SENTENCE[:111]
            assert all(cell_len(row) <= size[0] for row in rows)


async def test_what_no_screen_has_room_for_is_cut_at_its_end(home: Path) -> None:
    async with opened(home, "2", size=SMALL) as screen:
        screen.app.screen.show_message("word " * 200)
        await screen.rest()
        rows = screen.text().splitlines()
        assert rows[-2].endswith("…") and rows[-5].startswith(" word")
        assert not rows[-6].startswith(" word")
