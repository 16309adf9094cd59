"""What the screens show beside what they did.

Columns, sums of branches, days, cards, bars, keys and messages.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC
from pathlib import Path

import pytest

from core.sort_order import natural_key
from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tui.app_status import Options
from tui.dialogs.help import HelpDialog
from tui.looks import THEMES
from tui.screens.fleet import Fleet
from tui.screens.form import FormScreen
from tui.screens.history import History
from tui.terminal.diff_app import ColorSystem, _cells
from tui.terminal.diff_renderer import BLANK, DiffRenderer, patch_row
from tui.widgets.lines import LineList
from tui.widgets.role_styles import Palette


def rows(screen: Screen) -> list[str]:
    return screen.text().splitlines()


def lit_columns(screen: Screen) -> int:
    """How many columns of the cursor's row have the ground of the lit row."""
    lines = screen.app.screen.query_one(LineList)
    strip = lines.render_line(lines.cursor - round(lines.scroll_y))
    ground = screen.app.palette.style("lit").bgcolor
    return sum(segment.cell_length for segment in strip if segment.style and segment.style.bgcolor == ground)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_the_whole_row_is_lit(home: Path, size: tuple[int, int]) -> None:
    async with opened(home, size=size) as screen:
        for place in "23456":
            await screen.press(place)
            assert lit_columns(screen) == screen.app.screen.query_one(LineList).size.width, place


class Wire:
    """Counts what the terminal would be sent for what is on the screen."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._renderer = DiffRenderer()

    def count(self) -> int:
        width, height = self._screen.app.size
        strips = self._screen.app.screen._compositor.render_strips()[:height]
        cells = {y: _cells(strip, ColorSystem.EIGHT_BIT) for y, strip in enumerate(strips)}
        shown = {y: patch_row([BLANK] * width, 0, row) for y, row in cells.items()}
        return len(self._renderer.render(shown, width, height).encode())


@pytest.mark.parametrize(("is_slow", "most"), [(False, 450), (True, 350)])
async def test_a_cursor_key_writes_few_bytes_before_the_details(home: Path, is_slow: bool, most: int) -> None:
    options = Options(zone=UTC, colours="256", slow=is_slow, details_delay_s=3600)
    async with opened(home, options=options) as screen:
        costs: dict[str, list[int]] = {}
        for place in ("2", "3", "4", "5", "6", "2 g l j enter"):
            await screen.press(*place.split())
            wire = Wire(screen)
            wire.count()
            for key in ("j", "j", "j", "k", "k", "k"):
                await screen.press(key)
                costs.setdefault(place, []).append(wire.count())
        # The dearest of each place may have been drawn together with what came in the background.
        dear = {place: sorted(each)[-2] for place, each in costs.items()}
        assert max(dear.values()) <= most, costs
        assert min(dear.values()) > 20, costs


async def test_on_a_slow_line_only_the_beginning_of_the_row_is_lit(home: Path) -> None:
    async with opened(home, "2", options=Options(zone=UTC, slow=True)) as screen:
        assert 1 < lit_columns(screen) < 30


async def test_a_folded_line_sums_its_branch_and_says_it_in_words(home: Path) -> None:
    async with opened(home, "2") as screen:
        kiel = next(row for row in rows(screen) if "TSC Kiel" in row)
        assert re.match(r".{1,2}≠\d ▸ TSC Kiel", kiel), kiel
        count = int(kiel[kiel.index("≠") + 1])
        while "TSC Kiel" not in next(row for row in rows(screen) if row.startswith("▌")):
            await screen.press("j")
        assert f"{count} to resolve" in "\n".join(rows(screen)[10:])


async def test_what_is_to_resolve_is_counted_anew_when_it_changes(home: Path) -> None:
    async with opened(home, "2") as screen:
        assert "≠2" in next(row for row in rows(screen) if "TSC Hamburg Nord" in row)
        async with await Workspace.open(home, user="Jones", clock=lambda: NOW) as other:
            items = [item for item in await other.inbox() if item.type == "conflict"]
            for item in items:
                await other.set(await other.record(item.entity), {item.property: item.candidates[0].value})
        async with asyncio.timeout(DEADLINE_S):
            while "≠" in "".join(rows(screen)[2:14]):
                await screen.pilot.pause(0.05)


async def test_lines_are_sorted_by_a_column_and_turned_round(home: Path) -> None:
    async with opened(home, "2", "l", "j", size=LARGE) as screen:
        page = screen.app.base_screen
        assert isinstance(page, Fleet)

        async def sort_by(label: str) -> list[str]:
            await screen.press("o")
            while not any("▌" in row and label in row for row in rows(screen)):
                await screen.press("down")
            await screen.press("enter")
            head = next(row for row in rows(screen) if "▲" in row or "▼" in row)
            at = head.index(label.split(maxsplit=1)[0])
            shown = [row[:76] for row in rows(screen) if re.match(r".{6,10}(Entrance|Lane)", row)]
            return [row[at : at + 18].strip() for row in shown]

        up = await sort_by("Docking station")
        assert up == sorted(up, key=natural_key)
        assert await sort_by("Docking station") == up[::-1]


async def test_a_click_on_the_head_of_a_column_sorts_by_it(home: Path) -> None:
    async with opened(home, "2") as screen:
        at = next(index for index, row in enumerate(rows(screen)) if "▲" in row)
        for arrow in "▲▼":
            await screen.pilot.click(offset=(rows(screen)[at].index("Subnet"), at))
            await screen.rest()
            assert f"Subnet{arrow}" in rows(screen)[at]
        shown = [row.split()[-1] for row in rows(screen)[at + 1 : at + 7]]
        assert shown == sorted(shown, key=natural_key, reverse=True)


async def test_a_key_goes_to_the_day_before_and_back(home: Path) -> None:
    async with opened(home, "4", size=LARGE) as screen:
        page = screen.app.base_screen
        assert isinstance(page, History)
        days = [page.density.day]
        for _step in range(3):
            await screen.press("left_square_bracket")
            days.append(page.density.day)
        assert days == sorted(set(days), key=str, reverse=True), "each time an older day"
        await screen.press("right_square_bracket")
        assert page.density.day == days[2]


async def test_a_click_on_a_bar_goes_to_its_day(home: Path) -> None:
    async with opened(home, "4", size=LARGE) as screen:
        page = screen.app.base_screen
        assert isinstance(page, History)
        at = next(index for index, row in enumerate(rows(screen)) if "one bar a day" in row)
        await screen.pilot.click(offset=(1, at))
        await screen.rest()
        assert page.density.day is not None
        assert page.density.day.isoformat() == "2026-08-18"


async def test_a_month_has_one_heading_and_a_day_is_said_once(home: Path) -> None:
    async with opened(home, "4", size=LARGE) as screen:
        shown = [row[:78] for row in rows(screen)]
        assert sum(re.search(r"Oct 2026 +──", row) is not None for row in shown) == 1
        assert sum(row[1:7].strip() == "Tue  6" or "Tue  6" in row[:9] for row in shown) == 1


async def test_the_details_name_what_changed_once_above_its_properties(home: Path) -> None:
    async with opened(home, "4", "slash", size=LARGE) as screen:
        await screen.type("moved in")
        await screen.press("enter")
        details = [line.rpartition("│")[2].strip(" ─") for line in screen.text().splitlines()]
        start = details.index("TSC Hamburg Nord › Entrance right")
        assert details[start + 1 : start + 6] == [
            "Card terminal", "− 48503035", "+ 90367959", "BEA configuration", "+ bea-7.xml",
        ]  # fmt: skip


async def test_candidates_stand_side_by_side_and_the_chosen_one_is_lit(home: Path) -> None:
    async with opened(home, "3", size=LARGE) as screen:
        await screen.go_to_item("conflict", "printer")
        head = next(row for row in rows(screen) if "in use, provisional" in row and "another value" in row)
        assert head.index("▌", 60) < head.index(" A ")
        await screen.press("right")
        head = next(row for row in rows(screen) if "in use, provisional" in row and "another value" in row)
        assert head.index(" A ") < head.index("▌", 62) < head.index(" B ")
        assert "If you take B" in screen.text()


async def test_networks_that_overlap_are_drawn(home: Path) -> None:
    async with opened(home, "3", size=LARGE) as screen:
        await screen.go_to_item("overlap")
        assert "10.24.0.0/16, 65,536 addresses" in screen.text()
        assert "▆" in screen.text()


async def test_help_is_filtered_says_how_much_is_below_and_does_what_is_chosen(home: Path) -> None:
    async with opened(home, "2", "l", "j", "question_mark") as screen:
        assert re.search(r"\d+ more below ▾", screen.text())
        assert "Look ──" in screen.text()
        await screen.type("form")
        assert "Look ──" in screen.text()
        assert "more below" not in screen.text()
        await screen.press("enter")
        assert isinstance(screen.app.screen, FormScreen)
        await screen.press("escape", "question_mark")
        await screen.type("zzz")
        assert "No key does this." in screen.text()
        await screen.press("question_mark")
        assert not isinstance(screen.app.screen, HelpDialog)


async def test_the_palette_begins_with_what_was_found_lately(home: Path) -> None:
    async with opened(home, "2", "colon") as screen:
        await screen.type("read only")
        await screen.press("enter", "colon")
        assert "lately" in next(row for row in rows(screen) if "▌" in row[:12] and "read only" in row)


async def test_a_message_goes_away_by_itself_and_with_the_screen(home: Path) -> None:
    async with opened(home, "2", "escape", options=Options(zone=UTC, message_s=0.01)) as screen:
        async with asyncio.timeout(DEADLINE_S):
            while "Nothing is marked" in screen.text():
                await screen.pilot.pause(0.01)
    async with opened(home, "2", "escape") as screen:
        assert "Nothing is marked" in screen.text()
        await screen.press("3", "2")
        assert "Nothing is marked" not in screen.text()


async def test_the_details_follow_when_the_cursor_has_rested(home: Path) -> None:
    async with opened(home, "2", "j", options=Options(zone=UTC, details_delay_s=3600)) as screen:
        page = screen.app.base_screen
        assert isinstance(page, Fleet)
        assert page.details_delay.timer is not None, "a key that is held down writes rows only"
    async with opened(home, "2", options=Options(zone=UTC, details_delay_s=0.01)) as screen:
        await screen.press("j")
        async with asyncio.timeout(DEADLINE_S):
            while not any(row.startswith(" TSC Hamburg Hafen") for row in rows(screen)):
                await screen.pilot.pause(0.01)


@pytest.mark.parametrize("theme", THEMES)
async def test_every_theme_draws_every_screen(home: Path, theme: str) -> None:
    for depth in ("true", "256", "16", "none"):
        palette = Palette(theme, depth)
        assert palette.css_variables.keys() == Palette().css_variables.keys()
    async with opened(home, options=Options(zone=UTC, theme=theme, colours="256")) as screen:
        for key in "123456":
            await screen.press(key)
            assert screen.app.is_running


HUGE = (200, 50)


@pytest.mark.parametrize("keys", ["1", "2", "3", "4", "5 j", "6 j", "2 l j enter"])
async def test_no_pane_is_two_thirds_empty_on_a_large_terminal(home: Path, keys: str) -> None:
    async with opened(home, *keys.split(), size=HUGE) as screen:
        content = rows(screen)[2:-2]
        divider = next((row.index("│") for row in content if "│" in row), 100)
        is_two_panes = divider != 100
        filled = [
            sum(bool(row[part].strip()) for row in content) for part in (slice(divider), slice(divider + 1, None))
        ]
        assert min(filled if is_two_panes else filled[:1]) > len(content) / 3, screen.text()


async def test_details_have_two_columns_from_160_columns(home: Path) -> None:
    def is_beside(screen: Screen) -> bool:
        return any("To resolve ─" in row and "Below it" in row for row in rows(screen))

    async with opened(home, "2", "g", "G", "k", size=(160, 40)) as screen:
        assert is_beside(screen), screen.text()
    async with opened(home, "2", "g", "G", "k", size=(159, 40)) as screen:
        assert not is_beside(screen) and "Below it" in screen.text(), screen.text()
