"""Fleet: unfolded, something new, out of use and back, and one value for many."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tests.support.unchecked import state_unchecked
from tui.screens.fleet import Fleet
from tui.screens.form import FormScreen
from tui.view_models.breadcrumbs import ancestor_chains

SIZES = {"80x24": SMALL, "120x40": LARGE}


def _fleet(screen: Screen) -> Fleet:
    page = screen.app.base_screen
    assert isinstance(page, Fleet)
    return page


@pytest.mark.parametrize("size", SIZES)
async def test_unfolded(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "2", "j", "l", "j", "j", size=SIZES[size]) as screen:
        assert screen.screenshot() == picture


@pytest.mark.parametrize("size", SIZES)
async def test_something_new(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "2", "l", "j", "a", "enter", size=SIZES[size]) as screen:
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        await screen.press("ctrl+s")
        assert "What is new needs these first: Name." in screen.text()
        await screen.press("g", "e")
        await screen.type("Lane 9")
        await screen.press("enter")
        assert screen.screenshot() == picture
        await screen.press("ctrl+s", "enter")
        assert "Saved: 2 properties." in screen.text()
        await screen.press("escape")
        assert "Lane 9" in screen.text()
        record = await screen.app.view.record(page.entity, screen.app.schema)
        assert record.kind == "place"
        assert record.value("name") == "Lane 9"


async def test_something_new_with_a_key_in_use_is_refused_and_stays_a_draft(home: Path) -> None:
    async with opened(home, "2", "a", "j", "enter") as screen:
        await screen.press("g", "e")
        await screen.type("241")
        await screen.press("enter", "ctrl+s")
        assert "There is locality:241 already" in screen.text()
        assert "Note, if you like" not in screen.text(), "it is not asked for what cannot be saved"
        assert "1 edit not applied" in screen.text()


async def test_of_something_new_each_value_is_looked_at_for_itself(home: Path) -> None:
    async with opened(home, "2", "l", "j", "a", "enter") as screen:
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        records = await screen.app.view.records("place", screen.app.schema)
        in_use = next(str(used) for record in records if (used := record.value("card_terminal")))

        async def give(name: str, value: str) -> str:
            await screen.press("g")
            while page.row is None or page.row.prop.name != name:
                await screen.press("j")
            await screen.press("e")
            await screen.type(value)
            await screen.press("enter")
            return screen.text()

        assert "Card terminal is in use already" in await give("card_terminal", in_use)
        assert "in use already" not in await give("printer", "Quux 9")
        assert "Name is in use already" in await give("name", "Entrance left")


async def test_what_wants_a_person_comes_first_in_the_summary(home: Path) -> None:
    async with await Workspace.open(home, user="Jones", clock=lambda: NOW - 1) as workspace:
        (place, *_others) = await workspace.view().records("place", await workspace.schema())
        await state_unchecked(workspace, place, {"card_terminal": "12"}, None)
    async with opened(home, "2") as screen:
        await _fleet(screen).move_to_entity(place.entity)
        await screen.rest()
        first = screen.text().splitlines()[-6]
        assert "Card terminal" in first, screen.text()
        assert "! 12  (not valid)" in first


async def test_something_new_that_is_left_empty_is_forgotten(home: Path) -> None:
    async with opened(home, "2", "l", "j", "a", "enter", "escape") as screen:
        assert not screen.app.drafts
        assert "not applied" not in screen.text()


async def test_out_of_use_and_back(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "2", "X") as screen:
        assert "would refer to something retired" in screen.text()
        assert screen.screenshot() == picture
        first = _fleet(screen).lines.key
        await screen.press("escape")
        assert _fleet(screen).lines.key == first
        await screen.press("X", "enter")
        assert "is retired. u undoes it" in screen.text()
        assert _fleet(screen).lines.key != first
        await screen.press("u", "enter")
        await screen.press("g")
        assert _fleet(screen).lines.key == first


async def test_all_marked_get_the_same_value_in_one_change(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "2", "l", "j", "space", "space") as screen:
        assert "2 marked" in screen.text()
        marked = list(_fleet(screen).marked_entities)
        await screen.press("e", "j", "j", "enter")
        await screen.type("12")
        assert 'Card terminal: "12" must look like' in screen.text(), "said while it is typed"
        await screen.press("escape", "e", "j", "enter")
        await screen.type("Quux 9")
        await screen.press("enter")
        assert screen.screenshot() == picture
        before = (await screen.app.workspace.store.summary()).count
        await screen.press("enter")
        assert (await screen.app.workspace.store.summary()).count == before + 1
        for entity in marked:
            assert (await screen.app.view.record(entity, screen.app.schema)).value("printer") == "Quux 9"


async def test_marked_lines_of_two_kinds_are_not_edited_together(home: Path) -> None:
    async with opened(home, "2", "l", "space", "space", "e") as screen:
        assert "Mark lines of one kind only" in screen.text()
        await screen.press("escape")
        assert not _fleet(screen).marked_entities
        assert " marked" not in screen.text()
        await screen.press("e")
        assert isinstance(screen.app.base_screen, FormScreen)


async def test_all_values_in_dispute_are_shown_before_one_value_replaces_them(home: Path) -> None:
    """In a form and of several marked lines.

    What came after they were shown is not replaced.
    """
    async with opened(home, "3") as screen:
        await screen.go_to_item("conflict", "printer")
        await screen.press("enter")
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        place, slot = page.entity, page.form.record.slot("printer")
        assert slot.state == "conflict"
        given_up = f"≠ {slot.leaves[1].value}  {slot.leaves[1].user}"
        assert page.row is not None
        assert page.row.prop.name == "printer"
        await screen.press("e", "ctrl+u")
        await screen.type("Quux 9")
        await screen.press("enter", "ctrl+s")
        assert given_up in screen.text()
        await screen.press("escape", "2")
        await _fleet(screen).move_to_entity(place)
        await screen.rest()
        conflicts = sum(item.entity == place for item in screen.app.inbox_items)
        assert f"{conflicts} to resolve  1 edit not applied" in screen.text()
        await screen.press("space", "e", "j", "enter")
        await screen.type("Quux 8")
        await screen.press("enter")
        assert given_up in screen.text()
        assert "1 of these has another edit of yours that is not applied" in screen.text().replace("\n", "")
        async with await Workspace.open(home, user="Jones", clock=lambda: NOW) as other:
            await other.set(await other.record(place), {"printer": "Brix 7"})
        await screen.press("enter")
        values = {
            leaf.value for leaf in (await screen.app.view.record(place, screen.app.schema)).slot("printer").leaves
        }
        assert values == {"Quux 8", "Brix 7"}


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_out_of_use_is_shown_on_demand_and_taken_into_use_there(
    home: Path, picture: SnapshotAssertion, size: str
) -> None:
    async with opened(home, "2", "j", "j", "j", "l", size=SIZES[size]) as screen:
        assert "– retired" not in screen.text()
        await screen.press("R")
        assert "– retired" in screen.text()
        assert "with what is retired" in screen.text()
        assert screen.screenshot() == picture
        while (node := _fleet(screen).node) is None or not node.row.retired:
            await screen.press("j")
        await screen.press("X")
        assert "back in use" in screen.text()
        await screen.press("enter", "R")
        assert node.row.entity == _fleet(screen).lines.key, "it is among the others now"
        assert "– retired" not in screen.text()


async def test_what_is_unfolded_while_the_tree_is_read_anew_stays_unfolded(home: Path) -> None:
    async with opened(home, "2") as screen:
        fleet = _fleet(screen)
        hit = (await screen.app.view.search("6000", screen.app.schema))[0].entity
        await asyncio.gather(fleet.reload_content(), fleet.move_to_entity(hit), fleet.reload_content())
        await screen.rest()
        assert fleet.node is not None
        assert fleet.node.row.entity == hit


async def test_what_is_not_applied_is_listed_and_opened(home: Path) -> None:
    async with opened(home, "2", "D") as screen:
        assert "Nothing is edited and not applied" in screen.text()
        await screen.press("l", "j", "enter", "j", "j", "j", "x", "escape", "D")
        assert "1 edit" in screen.text()
        await screen.press("enter")
        assert isinstance(screen.app.base_screen, FormScreen)


async def test_folded_lines_count_what_waits_below_them_clashes_too(home: Path) -> None:
    async with opened(home, "2") as screen:
        page = _fleet(screen)
        keys = screen.app.inbox_items.keys
        assert {key.type for key in keys} >= {"conflict", "overlap"}
        tree = page._tree.tree
        assert tree is not None
        nodes = [node for index in range(len(tree)) if (node := tree.node_at(index))]
        below = {e: set() for e in (node.row.entity for node in nodes)}
        for number, key in enumerate(keys):
            for chain in (await ancestor_chains(key.entities, screen.app.view, screen.app.schema)).values():
                below[chain[0]].add(number)
        for index, node in enumerate(nodes):
            line = "".join(text for text, _role in tree.line(index, 80))
            count = len(below[node.row.entity])
            assert sum(tree.items_of(node).values()) == count
            assert bool(line[1:4].strip()) == bool(count), "it is marked"
            assert count < 2 or str(count) in line[1:4]


async def test_the_digit_of_a_place_goes_back_to_its_list(home: Path) -> None:
    async with opened(home, "3", "enter") as screen:
        assert isinstance(screen.app.base_screen, FormScreen)
        await screen.press("3")
        assert screen.app.base_screen.TAB == "inbox"
        await screen.press("2", "enter", "e")
        assert isinstance(screen.app.base_screen, FormScreen)
        await screen.press("escape", "2")
        assert isinstance(screen.app.base_screen, Fleet)


async def test_e_opens_the_form_of_an_unmarked_line(home: Path) -> None:
    async with opened(home, "2", "e") as screen:
        assert isinstance(screen.app.base_screen, FormScreen)


async def test_another_place_is_chosen_only_when_asked(home: Path) -> None:
    async with opened(home, "2", "l", "j", "c") as screen:
        here = screen.app.here
        page = _fleet(screen)
        assert page.node is not None
        if here != page.node.row.entity:
            await screen.press("enter")
        first = screen.app.here
        assert first == page.node.row.entity
        await screen.press("j", "c")
        assert "Where is this device?" in screen.text()
        assert screen.app.here == first
        await screen.press("escape")
        assert screen.app.here == first
        await screen.press("c", "enter")
        assert screen.app.here == page.node.row.entity != first


async def test_who_applies_too_early_is_led_to_what_is_missing(home: Path) -> None:
    async with opened(home, "2", "a", "j", "enter") as screen:
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        assert "needs a value" in screen.text()
        await screen.press("G", "k", "k", "e")
        await screen.type("10.99.0.0/24")
        await screen.press("enter", "ctrl+s")
        assert "What is new needs these first" in screen.text()
        assert page.row is not None
        assert page.row.is_needed


async def test_a_message_is_gone_when_one_comes_back(home: Path) -> None:
    async with opened(home, "2", "space") as screen:
        assert "1 marked" in screen.text()
        await screen.press("4", "2")
        assert "1 marked" not in screen.text()
