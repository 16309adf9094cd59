"""History: what is shown, what changes did, and ways back, by keys alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from syrupy.assertion import SnapshotAssertion

from core.store.queries.log import LogEntry, LogFilter
from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tui.demo.fleet import DAY_US, DEMO_USER
from tui.i18n.dates import DateFormatter
from tui.screens.diff import TimeDiffScreen
from tui.screens.history import History
from tui.view_models.log import LogPages

SIZES = {"80x24": SMALL, "120x40": LARGE}


def _page(screen: Screen) -> History:
    page = screen.app.base_screen
    assert isinstance(page, History)
    return page


async def _go_to(screen: Screen, is_wanted: Callable[[LogEntry], bool]) -> LogEntry:
    """Put the cursor on the newest change that is wanted."""
    lines = _page(screen).lines
    pages = lines.source
    assert isinstance(pages, LogPages)
    await pages.load(0, len(pages) - 1)
    row = next(row for row in range(len(pages)) if (entry := pages.entry(row)) and is_wanted(entry))
    lines.move_to(row)
    await screen.rest()
    entry = _page(screen).entry
    assert entry is not None
    return entry


async def _go_to_note(screen: Screen, note: str) -> LogEntry:
    return await _go_to(screen, lambda entry: entry.note == note)


def _before_today(entry: LogEntry) -> bool:
    return entry.at_us < NOW - DAY_US


async def _own_times(screen: Screen) -> list[str]:
    """When the one who looks saved something, newest first."""
    entries = await screen.app.view.log(LogFilter(user=DEMO_USER))
    return [screen.app.dates.full(entry.at_us) for entry in entries]


async def _filter(screen: Screen, text: str) -> None:
    await screen.press("slash", "ctrl+u")
    await screen.type(text)
    await screen.press("enter")


@pytest.mark.parametrize("size", SIZES)
async def test_a_change_with_its_difference(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "4", size=SIZES[size]) as screen:
        await _go_to_note(screen, "terminal was stolen")
        (edit,) = _page(screen).selection.edits
        shown = f"{edit.old} → unset" if size == "80x24" else f"− {edit.old}"
        assert shown in screen.text()
        assert screen.screenshot() == picture


async def test_a_row_says_the_new_value_of_the_first_property_of_the_schema(home: Path) -> None:
    async with opened(home, "4", size=LARGE) as screen:
        await _go_to(screen, lambda entry: set(entry.properties) == {"bea_configuration", "card_terminal"})
        assert re.search(r"Card terminal → \d+… \+1", _row(screen)), _row(screen)


async def test_a_time_that_cannot_be_true_is_marked_and_whole(home: Path) -> None:
    async with await Workspace.open(home, user="Neumann", clock=lambda: NOW - 400 * DAY_US) as workspace:
        await workspace.set(await workspace.record(await workspace.find("place:241/Lane 1")), {"printer": "Brix 91"})
    async with opened(home, "4") as screen:
        await _filter(screen, "by:neumann")
        row = _row(screen)
        assert re.match(r"[▌ ]\?.{6} \d\d:\d\d Neumann", row), row


async def test_the_row_of_somebody_s_first_change_says_what_was_changed(home: Path) -> None:
    await _save(home, "Neumann", "Brix 90")
    async with opened(home, "4") as screen:
        assert "Printer → Brix 90" in next(row for row in screen.text().splitlines() if "Neumann" in row)


@pytest.mark.parametrize("size", SIZES)
async def test_as_of_here_all_places_show_the_past(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "4", size=SIZES[size]) as screen:
        await _go_to(screen, _before_today)
        await screen.press("enter")
        assert "AS OF 4 Oct 2026" in screen.text()
        assert screen.screenshot() == picture(name="history")
        for key in ("2", "6", "3"):
            await screen.press(key)
            assert "AS OF 4 Oct 2026" in screen.text()
        assert screen.screenshot() == picture(name="inbox")


async def test_as_this_device_knew_it_then(home: Path) -> None:
    """The change was made on another device at 12:53, and reached this one at 13:36."""
    async with opened(home, "4") as screen:
        await _go_to_note(screen, "as on the switch")
        await screen.press("K")
        assert "AS KNOWN" in screen.text()
        assert "13:36" in screen.text()
        assert "Brix 60" not in screen.text()
        assert "as on the switch" in screen.text()
        await screen.press("escape", "g")
        assert "Brix 60" in screen.text()


async def test_nothing_can_be_written_in_the_past_and_escape_leads_back(home: Path) -> None:
    async with opened(home, "4") as screen:
        await _go_to(screen, _before_today)
        await screen.press("enter")
        count = len(_page(screen).lines.source)
        for key in ("r", "u", "U"):
            await screen.press(key)
            assert "This is the past" in screen.text()
        await screen.press("3", "t")
        assert "This is the past" in screen.text()
        await screen.press("escape", "4")
        assert "AS OF" not in screen.text()
        assert len(_page(screen).lines.source) > count


async def test_a_filter_is_shown_and_escape_takes_it_away(home: Path) -> None:
    async with opened(home, "4") as screen:
        everything = len(_page(screen).lines.source)
        found = sum("toner" in (entry.note or "") for entry in await screen.app.view.log())
        assert 1 < found < everything
        await _filter(screen, "toner")
        assert f"filter: toner · 1 of {found}" in screen.text()
        await screen.press("escape")
        assert len(_page(screen).lines.source) == everything


async def test_a_wrong_filter_says_what_is_possible_and_changes_nothing(home: Path) -> None:
    async with opened(home, "4") as screen:
        await _filter(screen, "by:nobody")
        assert "there are Jones, Maier, Müller, Smith" in screen.text()
        await screen.press("escape")
        assert "filter:" not in screen.text()


async def test_a_filter_that_lets_nothing_through(home: Path) -> None:
    async with opened(home, "4") as screen:
        await _filter(screen, "xyz")
        assert "Esc shows those of everything" in screen.text()


async def test_a_filter_is_put_together_from_what_the_changes_say(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "4") as screen:
        await _go_to_note(screen, "terminal was stolen")
        change = _page(screen).lines.key
        await screen.press("o")
        assert screen.screenshot() == picture
        await screen.press("down", "down", "enter")
        assert 'filter: property:"Card terminal" ·' in screen.text()
        assert _page(screen).lines.key == change
        await screen.press("o", "enter")
        assert 'filter: property:"Card terminal" by:Smith ·' in screen.text()
        size = len(_page(screen).lines.source)
        await screen.press("o", "G", "enter")
        assert 'filter: property:"Card terminal" by:Müller ·' in screen.text()
        await _filter(screen, 'von:Smith eigenschaft:"Card terminal"')
        assert len(_page(screen).lines.source) == size > 1


async def test_a_filter_within_the_history_of_a_property(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "3") as screen:
        await screen.go_to_item("conflict", "printer")
        await screen.press("h")
        assert "Changes of TSC Kiel › Entrance right › Printer" in screen.text()
        size = len(_page(screen).lines.source)
        await _filter(screen, "by:jones")
        assert 0 < len(_page(screen).lines.source) < size
        assert screen.screenshot() == picture
        await screen.press("escape")
        assert len(_page(screen).lines.source) == size
        await screen.press("escape")
        assert screen.app.base_screen.TAB == "inbox"
        await screen.press("4")
        assert "Changes of everything" in screen.text()


async def test_a_step_in_the_history_of_a_property_does_not_ask_of_which(home: Path) -> None:
    async with opened(home, "3") as screen:
        await screen.go_to_item("conflict", "printer")
        await screen.press("h", "G")
        assert "Kind" in screen.text(), "the change that founded the place"
        await screen.press("greater_than_sign")
        assert "TSC Kiel › Entrance right › Printer" in screen.text()
        assert "here; before:" in screen.text()


async def test_when_did_it_become_so(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "4") as screen:
        await _go_to_note(screen, "terminal was stolen")
        (edit,) = _page(screen).selection.edits
        await screen.press("less_than_sign")
        assert f"Card terminal changed to 40718226 here; before: {edit.old}" in screen.text()
        assert screen.screenshot() == picture
        for _step in range(9):
            if "before: not configured" in screen.text():
                break
            await screen.press("less_than_sign")
        assert "before: not configured" in screen.text()
        await screen.press("less_than_sign")
        assert "was not set before" in screen.text()
        for _step in range(12):
            if "changed to 40718226 here" in screen.text():
                break
            await screen.press("greater_than_sign")
        assert "changed to 40718226 here" in screen.text()
        await screen.press("greater_than_sign")
        assert "has not changed since" in screen.text()


async def test_step_by_step_through_all_values_that_a_property_had(home: Path) -> None:
    async with opened(home, "4") as screen:
        place, view = await screen.app.workspace.find("place:260/Entrance left"), screen.app.view
        changes = await view.log(LogFilter(entity=place, property="card_terminal"))
        values = [
            edit.new
            for entry in changes
            for edit in await view.fact_diffs(entry.change)
            if edit.property == "card_terminal"
        ]
        assert len(values) > 3
        await _go_to(screen, lambda entry: entry.change == changes[0].change)
        for value, older in pairwise(values[1:]):
            await screen.press("less_than_sign")
            assert f"changed to {value} here; before: {older}" in screen.text()


@pytest.mark.parametrize("size", SIZES)
async def test_what_differs_between_two_changes(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "4", "space", size=SIZES[size]) as screen:
        await _go_to(screen, _before_today)
        await screen.press("d")
        assert "7 differences" in screen.text()
        assert screen.screenshot() == picture
        await screen.press("escape")
        assert "Changes of everything" in screen.text()


async def test_all_that_a_change_did_with_each_value_in_full(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "4", "G", "k", "k", "k", "k") as screen:
        assert "… and 5 more: v shows all" in screen.text()
        await screen.press("v")
        assert "7 differences" in screen.text()
        assert screen.screenshot() == picture(name="change")
        await screen.press("enter")
        assert screen.screenshot() == picture(name="value")
        await screen.press("escape", "escape")
        assert "Changes of everything" in screen.text()


async def test_what_differs_from_now_and_from_a_moment_that_is_typed(home: Path) -> None:
    async with opened(home, "4", "d", "enter") as screen:
        assert "Nothing is different" in screen.text()
        await screen.press("escape", "d", "down", "enter")
        assert "1 difference" in screen.text()
        await screen.press("escape", "d", "down", "down", "enter")
        await screen.type("2026-09-11")
        await screen.press("enter")
        assert "From 11 Sep 2026 00:00:00 to 6 Oct 2026 12:56:00" in screen.text()


async def test_a_moment_that_is_typed(home: Path) -> None:
    async with opened(home, "4", "m") as screen:
        await screen.type("never")
        await screen.press("enter")
        assert "is not a time" in screen.text()
        await screen.press("ctrl+u")
        await screen.type("2026-09-01")
        await screen.press("enter")
        assert "AS OF 1 Sep 2026" in screen.text()
        await screen.press("escape")
        assert "AS OF" not in screen.text()


async def test_bring_back_one_entity_with_the_difference_first(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "4") as screen:
        place = await screen.app.workspace.find("place:241/Entrance right")
        await _go_to(screen, lambda e: e.entities == (place,) and e.properties == ("printer",) and _before_today(e))
        await screen.press("r")
        assert "TSC Kiel and everything below it" in screen.text()
        await screen.press("enter")
        (edit,) = _page(screen).selection.edits
        before = await screen.app.view.record(place, screen.app.schema)
        assert before.slot("printer").state == "conflict"
        assert screen.screenshot() == picture
        assert (await screen.app.view.record(place, screen.app.schema)) == before
        await screen.type("as before")
        await screen.press("enter")
        slot = await screen.app.view.slot(place, "printer")
        assert (slot.state, slot.value) == ("good", edit.new)
        await screen.press("g")
        assert "as before" in screen.text()


async def test_bring_back_everything_below(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "4") as screen:
        await _filter(screen, 'of:"TSC Hannover"')
        locality = _page(screen).selection.edits[0].entity
        await screen.press("r", "down", "enter")
        assert screen.screenshot() == picture
        await screen.press("enter")
        view, schema = screen.app.view, screen.app.schema
        assert await view.page("place", schema, parent=("locality", locality)) == []
        await screen.press("u", "enter")
        assert len(await view.page("place", schema, parent=("locality", locality))) == 3


async def test_undo_and_redo_of_ones_own_changes(home: Path) -> None:
    async with opened(home, "4") as screen:
        newest, before, *_older = await _own_times(screen)
        await screen.press("u")
        assert f"Undo what you saved on {newest}" in screen.text()
        await screen.press("enter")
        assert "Undone" in screen.text()
        await screen.press("u")
        assert f"Undo what you saved on {before}" in screen.text()
        await screen.press("escape", "U")
        assert "Redo what you undid" in screen.text()
        await screen.press("enter", "U")
        assert "nothing to redo" in screen.text()


async def test_the_end_of_a_long_log_is_the_founding(home: Path) -> None:
    async with opened(home, "4", "G") as screen:
        count = (await screen.app.workspace.store.summary()).count
        assert f"{count} of {count}" in screen.text()
        assert "secret" not in screen.text()
        await screen.press("r")
        assert "are not restored here" in screen.text()


async def test_what_others_write_does_not_move_the_cursor(home: Path) -> None:
    async with opened(home, "4") as screen:
        page = _page(screen)
        entry = await _go_to_note(screen, "as on the switch")
        pages = page.lines.source
        assert isinstance(pages, LogPages)
        row, calendar = page.lines.cursor, pages.calendar
        record = await screen.app.view.record(page.selection.edits[0].entity, screen.app.schema)
        await screen.app.workspace.write(record, {"subnet": "10.99.0.0/24"})
        await screen.app.refresh_data()
        await screen.rest()
        assert page.entry is not None
        assert page.entry.change == entry.change
        assert page.lines.cursor == row + 1
        assert f"{calendar.entry_index(row) + 2} of {calendar.total + 1}" in screen.text()


async def _save(home: Path, user: str, printer: str) -> None:
    async with await Workspace.open(home, user=user, clock=lambda: NOW) as workspace:
        await workspace.set(await workspace.record(await workspace.find("place:241/Lane 1")), {"printer": printer})


async def test_what_cannot_be_taken_back_says_why(home: Path) -> None:
    """Two people work on one device; each takes back what is their own."""
    await _save(home, "Maier", "Brix 60")
    await _save(home, "Schulz", "Brix 70")
    why = "Printer of Lane 1 is left alone: Schulz has changed it since."
    async with opened(home, "4") as screen:
        passed_over, undone, *_older = await _own_times(screen)
        await screen.press("u")
        box = [row.split("│")[1].strip() for row in screen.text().splitlines() if row.count("│") == 2]
        shown = " ".join(box)
        assert f"What you saved on {passed_over} is passed over." in shown
        assert why in shown
        assert f"Undo what you saved on {undone}" in shown
    await _save(home, "Weber", "Brix 80")
    async with opened(home, "4", "u", user="Schulz") as screen:
        assert why.replace("Schulz", "Weber") in screen.text()
    async with opened(home, "4", "u", user="Weber") as screen:
        assert "Printer  Brix 80 → Brix 70" in screen.text()


async def test_n_goes_on_among_what_was_found_after_all_are_shown_again(home: Path) -> None:
    async with opened(home, "4", "n") as screen:
        assert "No search yet" in screen.text()
        await _filter(screen, "by:smith printer")
        lines = _page(screen).lines
        source = lines.source
        assert isinstance(source, LogPages)
        found = source.calendar.total
        assert found > 1
        await screen.press("n", "escape")
        at = [lines.key]
        assert len(lines.source) > len(source)
        for _step in range(found - 1):
            await screen.press("n")
            assert "Smith" in _row(screen)
            at.append(lines.key)
        assert len(set(at)) == found
        await screen.press("n")
        assert lines.key == at[0], "from the other end again"
        await screen.press("N")
        assert lines.key == at[-1]


def _row(screen: Screen) -> str:
    return next(row for row in screen.text().splitlines() if row.startswith("▌"))


async def test_differences_are_sifted_by_words(home: Path, tmp_path: Path) -> None:
    async with opened(home, "4", "space", "G", "d") as screen:
        every = screen.text().splitlines()[3]
        await screen.press("slash")
        await screen.type("kiel printer")
        await screen.press("enter")
        assert "filter: kiel printer" in screen.text()
        rows = [row for row in screen.text().splitlines() if "→" in row]
        assert rows
        assert all("Printer" in row for row in rows)
        assert "TSC Kiel › Entrance right" in screen.text()
        await screen.press("Y", "ctrl+u")
        await screen.type(str(tmp_path / "what differs.txt"))
        await screen.press("enter")
        assert (tmp_path / "what differs.txt").read_text().count("Printer") == len(rows)
        await screen.press("slash", "ctrl+u")
        await screen.type("nobody said this")
        await screen.press("enter")
        assert "Nothing that differs mentions this" in screen.text()
        await screen.press("escape")
        assert screen.text().splitlines()[3] == every
        await screen.press("escape")
        assert "Changes of everything" in screen.text()


async def test_bringing_back_says_with_what_it_would_clash(home: Path) -> None:
    """What was given up may belong to somebody else by now."""
    async with await Workspace.open(home, user="Maier", clock=lambda: NOW) as workspace:
        one, other = [await workspace.find(f"place:241/Lane {number}") for number in (1, 2)]
        station = (await workspace.record(one)).value("docking_station")
        await workspace.retire(await workspace.record(one))
        await workspace.set(await workspace.record(other), {"docking_station": station})
    async with opened(home, "4") as screen:
        await _filter(screen, 'of:"241/Lane 1"')
        await screen.press("j", "r", "enter")
        assert "Docking station is in use already: TSC Kiel › Lane 2." in screen.text()
        assert "that becomes an item in the inbox" in screen.text()
        await screen.press("enter")
        assert any(item.type == "duplicate" and one in item.entities for item in screen.app.inbox_items)
        await screen.press("u")
        assert "in use already" not in screen.text()


async def test_escape_goes_back_where_one_came_from(home: Path) -> None:
    async with opened(home, "2", "l", "j", "h") as screen:
        assert "Changes of" in screen.text()
        assert "Changes of everything" not in screen.text()
        await screen.press("slash")
        await screen.type("since:-1h")
        await screen.press("enter", "escape")
        assert screen.app.base_screen.TAB == "history"
        await screen.press("escape")
        assert screen.app.base_screen.TAB == "fleet"
        await screen.press("4")
        assert "Changes of everything" in screen.text()


async def test_what_is_compared_is_what_the_list_is_of(home: Path) -> None:
    async with opened(home, "2", "l", "j", "h") as screen:
        page = screen.app.base_screen
        assert isinstance(page, History)
        entity = page.filter.active.entity
        await screen.press("G", "d", "enter")
        diff = screen.app.base_screen
        assert isinstance(diff, TimeDiffScreen)
        assert diff._all_differences
        assert {each[0] for each in diff._all_differences} == {entity}
        assert page.filter.title in screen.text()


async def test_w_shows_which_devices_each_change_has_reached(home: Path) -> None:
    async with opened(home, "4", "g") as screen:
        assert "everywhere" not in screen.text()
        await screen.press("w")
        # The latest came from K4, and K2 and K3 were not met since; an older one is with all.
        assert "nowhere yet" in screen.text()
        assert "reached K4" in screen.text()
        assert "not known to be elsewhere" in screen.text()
        await screen.press("G")
        assert "everywhere" in screen.text()
        assert "(reported by K2)" in screen.text()
        await screen.press("w")
        assert "everywhere" not in screen.text()


async def test_rows_of_the_doubled_hour_say_which_one(home: Path) -> None:
    zone = ZoneInfo("Europe/Berlin")
    first = int(datetime(2025, 10, 26, 0, 30, tzinfo=UTC).timestamp()) * 1_000_000
    for number, at in enumerate((first, first + 3_600_000_000)):
        async with await Workspace.open(home, user="Neumann", clock=partial(int, at)) as workspace:
            record = await workspace.record(await workspace.find("place:241/Lane 1"))
            await workspace.set(record, {"printer": f"Brix {number}"})
    async with opened(home, "4") as screen:
        screen.app.dates = DateFormatter(screen.app.dates.clock, zone)
        await _filter(screen, "by:neumann")
        rows = [row for row in screen.text().splitlines() if " Neumann " in row and "Brix" in row]
        assert [re.search(r"\d\d:\d\d( \+\d\d:\d\d)?", row)[0] for row in rows] == ["02:30 +01:00", "02:30 +02:00"]
