"""The form: every state as a picture, and edits from key to saved change."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.records import Record
from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tests.support.unchecked import state_unchecked
from tui.screens.form import FormScreen

SIZES = {"80x24": SMALL, "120x40": LARGE}
TO_PLACE = ("2", "l", "j", "enter")
"""The keys that open the form of the first place of the first locality."""


async def _record(screen: Screen) -> Record:
    page = screen.app.base_screen
    assert isinstance(page, FormScreen)
    return await screen.app.view.record(page.entity, screen.app.schema)


async def _go_to(screen: Screen, name: str) -> None:
    page = screen.app.base_screen
    assert isinstance(page, FormScreen)
    await screen.press("g")
    while page.row is None or page.row.prop.name != name:
        await screen.press("j")


async def _leave_states(home: Path) -> None:
    """A place with a property in each of the states."""
    async with await Workspace.open(home, user="Jones", clock=lambda: NOW - 60_000_000) as workspace:
        kind, schema = "place", await workspace.schema()
        for record in await workspace.view().records(kind, schema):
            await state_unchecked(workspace, record, {"card_terminal": "12", "bea_configuration": None}, "as found")


@pytest.mark.parametrize("size", SIZES)
async def test_every_state(home: Path, picture: SnapshotAssertion, size: str) -> None:
    await _leave_states(home)
    async with opened(home, "2", "slash", size=SIZES[size]) as screen:
        await screen.type("entrance right")
        await screen.press("enter", "enter")
        await _go_to(screen, "avl_configuration")
        await screen.press("e")
        await screen.type("2")
        await screen.press("enter")
        await _go_to(screen, "card_terminal")
        assert screen.screenshot() == picture


@pytest.mark.parametrize("size", SIZES)
async def test_an_edit_is_applied_with_a_note_after_its_difference_was_shown(
    home: Path, picture: SnapshotAssertion, size: str
) -> None:
    async with opened(home, *TO_PLACE, size=SIZES[size]) as screen:
        await _go_to(screen, "printer")
        before = (await _record(screen)).slot("printer")
        await screen.press("e", "ctrl+u")
        await screen.type("Quux 9")
        await screen.press("enter")
        assert "not applied" in screen.text()
        assert "1 edit not applied" in screen.text()
        assert (await _record(screen)).slot("printer") == before, "nothing is saved before it is applied"
        await screen.press("ctrl+s")
        await screen.type("new one")
        assert "→ Quux 9" in screen.text()
        assert screen.screenshot() == picture
        await screen.press("enter")
        assert "Saved: 1 property" in screen.text()
        leaf = (await _record(screen)).slot("printer").leaves[0]
        assert (leaf.value, leaf.note, leaf.user) == ("Quux 9", "new one", "Maier")


async def test_clear_and_revert(home: Path) -> None:
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "printer")
        await screen.press("x")
        assert "~ unset" in screen.text()
        await screen.press("z")
        assert "not applied" not in screen.text()
        await screen.press("z")
        assert "You have not edited Printer" in screen.text()
        await screen.press("ctrl+s")
        assert "Nothing is edited" in screen.text()


async def test_all_edits_can_be_taken_back_at_once(home: Path) -> None:
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "printer")
        await screen.press("x", "j", "x")
        assert "2 edits not applied" in screen.text()
        await screen.press("Z", "escape")
        assert "2 edits not applied" in screen.text()
        await screen.press("Z", "enter")
        assert "not applied" not in screen.text()


async def test_a_bad_value_is_reported_while_it_is_typed_and_not_kept(home: Path) -> None:
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "card_terminal")
        await screen.press("e", "ctrl+u")
        await screen.type("123")
        assert '! Card terminal: "123" must look like' in screen.text()
        await screen.press("enter")
        assert "Esc leave as it was" in screen.text()
        await screen.type("45678")
        assert "must look like" not in screen.text()
        await screen.press("escape")
        assert "not applied" not in screen.text()


async def test_apply_takes_with_it_what_is_being_typed_and_nothing_that_is_refused(home: Path) -> None:
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "card_terminal")
        await screen.press("e", "ctrl+u")
        await screen.type("1234")
        await screen.press("ctrl+s")
        assert "must look like" in screen.text()
        await screen.press("ctrl+u")
        await screen.type("12345678")
        await screen.press("ctrl+s")
        assert "Apply to" in screen.text()
        assert "→ 12345678" in screen.text()


async def test_what_somebody_else_writes_is_shown_without_a_key_and_not_overwritten_unseen(home: Path) -> None:
    async with opened(home, *TO_PLACE, size=LARGE) as screen:
        await _go_to(screen, "printer")
        await screen.press("e", "ctrl+u")
        await screen.type("Quux 9")
        await screen.press("enter")
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        async with await Workspace.open(home, user="Jones", clock=lambda: NOW) as other:
            await other.set(await other.record(page.entity), {"printer": "Brix 7"})
        async with asyncio.timeout(DEADLINE_S):
            while "Jones meanwhile: Brix 7" not in screen.text():
                await screen.pilot.pause(0.05)
        await screen.press("ctrl+s")
        assert "Jones set “Brix 7” meanwhile" in screen.text()
        await screen.press("enter")
        values = {leaf.value for leaf in (await _record(screen)).slot("printer").leaves}
        assert values == {"Quux 9", "Brix 7"}


async def _save_elsewhere(screen: Screen, home: Path, user: str, value: str, name: str = "printer") -> None:
    """Somebody says something of the property in another process."""
    page = screen.app.base_screen
    assert isinstance(page, FormScreen)
    async with await Workspace.open(home, user=user, clock=lambda: NOW) as other:
        await other.set(await other.record(page.entity), {name: value})
    async with asyncio.timeout(DEADLINE_S):
        while value not in {leaf.value for leaf in page.form.record.slot(name).leaves}:
            await screen.pilot.pause(0.05)
    await screen.rest()


async def test_what_comes_while_somebody_types_is_reported_and_not_overwritten(home: Path) -> None:
    async with opened(home, *TO_PLACE, size=LARGE) as screen:
        await _go_to(screen, "printer")
        await screen.press("e", "ctrl+u")
        await screen.type("Quux 9")
        await _save_elsewhere(screen, home, "Jones", "Brix 7")
        assert screen.text().count("Jones meanwhile: Brix 7") == 1, "below, since the line is covered"
        await screen.press("enter")
        assert "Jones meanwhile: Brix 7" in screen.text()
        await screen.press("ctrl+s", "enter")
        assert {leaf.value for leaf in (await _record(screen)).slot("printer").leaves} == {"Quux 9", "Brix 7"}


async def test_to_type_nothing_is_no_edit_even_if_another_value_came(home: Path) -> None:
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "printer")
        await screen.press("e")
        await _save_elsewhere(screen, home, "Jones", "Brix 7")
        await screen.press("enter")
        assert not screen.app.drafts
        assert re.search(r"Printer +Brix 7 +Jones", screen.text())


async def test_a_candidate_that_came_while_somebody_chose_is_not_overwritten(home: Path) -> None:
    async with opened(home, "3", "enter") as screen:
        await _go_to(screen, "printer")
        await screen.press("s", "j")
        await _save_elsewhere(screen, home, "Jones", "Brix 7")
        await screen.press("enter", "ctrl+s")
        assert "Jones set “Brix 7” meanwhile" in " ".join(screen.text().replace("│", " ").split())
        await screen.press("enter")
        assert "Brix 7" in {leaf.value for leaf in (await _record(screen)).slot("printer").leaves}


async def test_what_came_meanwhile_is_named_and_not_what_was_there(home: Path, made: Path) -> None:
    """A value that is older than the one in use comes by a sync.

    The row shows the news, not the value in use.
    """
    async with opened(home, *TO_PLACE) as screen:
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        other = shutil.copytree(made / "K2", home.parent / "K2")
        async with await Workspace.open(other, user="Smith", clock=lambda: NOW - 1) as away:
            await away.set(await away.record(page.entity), {"printer": "Older 1"})
            await away.export_file(home.parent / "older.fieldline")
        await _save_elsewhere(screen, home, "Jones", "Newer 2")
        await _go_to(screen, "printer")
        await screen.press("e", "ctrl+u")
        await screen.type("Quux 9")
        await screen.press("enter")
        async with await Workspace.open(home, user="Maier", clock=lambda: NOW) as here:
            await here.import_file(home.parent / "older.fieldline")
        async with asyncio.timeout(DEADLINE_S):
            while page.form.record.slot("printer").state != "conflict":
                await screen.pilot.pause(0.05)
        await screen.rest()
        assert page.form.record.value("printer") == "Newer 2"
        assert page.row is not None and page.row.newer_candidate is not None
        assert page.row.newer_candidate.value == "Older 1"


async def test_the_words_for_a_state_stay_where_a_value_is_cut(home: Path) -> None:
    async with await Workspace.open(home, user="Jones", clock=lambda: NOW - 1) as workspace:
        for record in await workspace.view().records("place", await workspace.schema()):
            await state_unchecked(workspace, record, {"card_terminal": "1" * 200}, None)
    async with opened(home, "2", "l", "j", size=LARGE) as screen:
        assert re.search(r"Card terminal +! 1+…", screen.text()), "in the summary"
        assert "(not valid)" in screen.text()
        await screen.resize(*SMALL)
        await screen.press("enter")
        assert re.search(r"Card terminal +! 1+…  \(not valid\) +Jones", screen.text())


async def test_the_note_is_in_sight_however_much_is_to_be_said_before(home: Path) -> None:
    """Everything was edited here and elsewhere, with a long name, on 24 lines."""
    async with opened(home, *TO_PLACE) as screen:
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        await _save_elsewhere(screen, home, "Jones", "The entrance on the right hand side of the yard " * 2, "name")
        names = ("name", "printer", "docking_station", "avl_configuration", "bea_configuration")
        for name in names:
            await _go_to(screen, name)
            await screen.press("e")
            await screen.type("2")
            await screen.press("enter")
        for name in names:
            await _save_elsewhere(screen, home, "Smith", f"{name} of another person who writes at length " * 2, name)
        await screen.press("ctrl+s")
        assert screen.text().count("writes at length") >= 2, "a long title takes several lines"
        assert "Note, if you like:" in screen.text()
        await screen.type("a note")
        assert "a note" in screen.text()
        assert "more" in screen.text()
        await screen.press("enter")
        assert (await _record(screen)).slot("printer").state == "conflict"


async def test_a_long_value_is_read_in_full(home: Path) -> None:
    async with opened(home, *TO_PLACE) as screen:
        await _save_elsewhere(screen, home, "Jones", "x" * 200 + "END\nsecond line")
        await _go_to(screen, "printer")
        assert "second line" in screen.text(), "what has room below is there, too"
        await screen.press("v")
        assert "END" in screen.text()
        assert "Jones on K1" in screen.text()
        await screen.press("escape")
        await _go_to(screen, "printer")
        await screen.press("e", "ctrl+u")
        await screen.type("mine")
        await screen.press("enter", "v")
        assert "~  not applied" in screen.text()
        assert "END" in screen.text()


async def test_a_conflict_is_settled_by_choosing_a_candidate(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "3", "enter") as screen:
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        assert page.row is not None
        name, leaves = page.row.prop.name, page.row.slot.leaves
        await screen.press("s")
        assert screen.screenshot() == picture
        await screen.press("j", "enter", "ctrl+s", "enter")
        slot = (await _record(screen)).slot(name)
        assert slot.state == "good"
        assert slot.value == leaves[1].value


async def test_a_reference_is_picked_from_a_list_with_a_search(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "locality")
        await screen.press("e")
        assert screen.screenshot() == picture
        await screen.type("tsc250")
        await screen.press("enter")
        assert "~ TSC Hamburg Nord" in screen.text()


async def test_what_is_out_of_use_is_offered_as_such_and_reported_before_it_is_saved(home: Path) -> None:
    async with await Workspace.open(home, user="Jones", clock=lambda: NOW - 60_000_000) as workspace:
        schema = await workspace.schema()
        for record in await workspace.view().records("locality", schema, where={"code": "250"}):
            await workspace.retire(record)
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "locality")
        await screen.press("e")
        assert "Hamburg Nord" not in screen.text(), "what is in use comes first"
        await screen.type("hamburg")
        assert "– retired  TSC Hamburg Nord" in screen.text()
        assert "2 found" in screen.text()
        await screen.type("x")
        assert "Nothing contains all of these words." in screen.text()
        await screen.press("ctrl+u")
        await screen.type("tsc250")
        await screen.press("enter", "ctrl+s")
        assert "Locality: TSC Hamburg Nord is retired." in screen.text()
        assert "If you save, that becomes an item in the inbox." in screen.text()


async def test_a_clash_is_reported_at_once_and_again_before_it_is_saved(home: Path) -> None:
    async with opened(home, "2", "enter") as screen:
        await _go_to(screen, "subnet")
        await screen.press("e", "ctrl+u")
        await screen.type("10.0.0.0/8")
        await screen.press("enter")
        assert "Subnet overlaps that of TSC" in screen.text()
        await screen.press("ctrl+s")
        assert "Subnet overlaps that of TSC" in screen.text()
        assert "becomes an item in the inbox" in screen.text()
        await screen.press("escape")
        await _go_to(screen, "code")
        await screen.press("e", "ctrl+u")
        await screen.type("241")
        await screen.press("enter")
        assert "Code is in use already: TSC Kiel" in screen.text()


async def test_read_only_dims_what_writes_and_says_why(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, *TO_PLACE) as screen:
        screen.app.do_readonly()
        await screen.press("j", "e")
        assert "Read only is on" in screen.text()
        assert screen.screenshot() == picture
