"""The inbox: every kind of item is resolved by keys alone, and taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.inbox import ITEM_TYPES, InboxItem
from core.records import Edit
from core.value_codec import Value
from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tests.support.unchecked import state_unchecked
from tui.demo.fleet import DEMO_USER
from tui.screens.form import FormScreen
from tui.screens.inbox import Inbox
from tui.screens.inbox_list import InboxRows
from tui.view_models.inbox import item_lines
from tui.widgets.lines import LineList

SIZES = {"80x24": SMALL, "120x40": LARGE}


async def _write(home: Path, key: str, wanted: dict[str, Value]) -> None:
    """State something that nobody has checked, as another device may."""
    async with await Workspace.open(
        home, user=DEMO_USER, clock=lambda: NOW, entropy=lambda size: b"\x2a" * size
    ) as workspace:
        await state_unchecked(workspace, await workspace.record(await workspace.find(key)), wanted)


@pytest.fixture
async def every(home: Path) -> Path:
    """A home whose inbox has every type of matter."""
    await _write(home, "place:251/Lane 1", {"card_terminal": "not digits"})
    await _write(home, "locality:242", {"retired": True})
    return home


async def _go_to(screen: Screen, type_name: str, property_name: str | None = None) -> InboxItem:
    """Put the cursor on the first matter of a type, and of a property if one is named.

    Return it.
    """
    place, item = next(
        (i, item)
        for i, item in enumerate(screen.app.inbox_items)
        if item.type == type_name and property_name in (None, item.property)
    )
    screen.app.base_screen.query_one(LineList).move_to(place)
    await screen.rest()
    return item


def _of(screen: Screen, type_name: str) -> int:
    return sum(item.type == type_name for item in screen.app.inbox_items)


def _listed(screen: Screen) -> set[tuple[str, str | None, str]]:
    """Type, key and property of what is in the list."""
    source = screen.app.base_screen.query_one(LineList).source
    assert isinstance(source, InboxRows)
    return {(item.type, item.key, item.property) for item in source.items}


@pytest.mark.parametrize("size", SIZES)
async def test_each_item_with_its_details(every: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(every, "3", size=SIZES[size]) as screen:
        for type_name in ITEM_TYPES:
            await _go_to(screen, type_name)
            assert screen.screenshot() == picture(name=type_name)


async def test_no_row_shows_a_property_s_raw_name(every: Path) -> None:
    async with opened(every, "3") as screen:
        for name in ("docking_station", "card_terminal", "place:", "locality:"):
            assert name not in screen.text()
        rows = [" ".join(row.split()) for row in screen.text().splitlines()]
        for wanted in (
            "‼ Docking station TSC Kiel › Entrance left +1 claimed by 2",
            "∩ Subnet TSC Bremen, TSC Kiel overlaps",
            "↯ Retired TSC Hannover › Lane 2 and edited",
        ):
            assert any(row.startswith(wanted) for row in rows), wanted


async def test_the_graph_begins_with_what_both_had_seen(home: Path) -> None:
    async with opened(home, "3", size=LARGE) as screen:
        item = await _go_to(screen, "conflict", "printer")
        before = screen.app.workspace.store.as_of(min(leaf.at_us for leaf in item.candidates) - 1)
        (seen,) = (await before.slot(item.entity, item.property)).leaves
        rows = [row.rpartition("│")[2] for row in screen.text().splitlines()]
        at = next(index for index, row in enumerate(rows) if "Who knew what" in row)
        first, second = rows[at + 1 : at + 3]
    assert first.split() == [
        *(*str(seen.value).split(), seen.user, "─┬─", "B", "Müller"),
    ]
    assert second.split() == ["└─", "A", "Jones"]


async def test_what_has_no_room_below_the_list_says_how_to_see_it(home: Path) -> None:
    async with opened(home, "3") as screen:
        page = screen.app.base_screen
        assert isinstance(page, Inbox)
        assert page.selection.details
        first, *_ = page.selection.details.item.candidates
        many = tuple(replace(first, value=f"Printer {number}", fact=bytes([number])) for number in range(12))
        details = replace(page.selection.details, item=replace(page.selection.details.item, candidates=many))
        drawn = item_lines(details, 5, 76, 7, screen.app.schema, screen.app.dates)
    shown = ["".join(text for text, _role in line) for line in drawn]
    assert len(shown) == 7
    assert any(row.startswith("▌ F Printer 5") for row in shown)
    assert shown[-1].strip() == "… and 6 more: v shows all · w draws who knew what"


async def test_take_the_chosen_value_and_take_that_back(home: Path) -> None:
    async with opened(home, "3") as screen:
        before = screen.app.inbox_items[0]
        other = before.candidates[1].value
        await screen.press("right", "t")
        assert "Resolved: " in screen.text()
        assert before.entity not in [m.entity for m in screen.app.inbox_items if m.property == before.property]
        slot = await screen.app.view.slot(before.entity, before.property)
        assert (slot.state, slot.value) == ("good", other)
        await screen.press("u")
        assert "1 conflict is open as before, with its candidates." in screen.text()
        await screen.press("enter")
        slot = await screen.app.view.slot(before.entity, before.property)
        assert (slot.state, slot.leaves) == ("conflict", before.candidates)


async def test_undo_and_redo_survive_a_restart(home: Path) -> None:
    async with opened(home, "3", "right", "t") as screen:
        count = len(screen.app.inbox_items)
    async with opened(home, "3", "u", "enter") as screen:
        assert len(screen.app.inbox_items) == count + 1
    async with opened(home, "3", "U", "enter") as screen:
        assert len(screen.app.inbox_items) == count
        await screen.press("U")
        assert "nothing to redo" in screen.text()


async def test_type_another_value(home: Path) -> None:
    async with opened(home, "3") as screen:
        item = await _go_to(screen, "conflict", "printer")
        await screen.press("e", "ctrl+u")
        await screen.type("Brix 99")
        await screen.press("enter")
        slot = await screen.app.view.slot(item.entity, item.property)
        assert (slot.state, slot.value) == ("good", "Brix 99")


async def test_a_value_that_the_schema_refuses_is_not_taken(home: Path) -> None:
    async with opened(home, "3") as screen:
        item = await _go_to(screen, "conflict", "card_terminal")
        await screen.press("e")
        await screen.type("x")
        await screen.press("enter")
        assert "must look like" in screen.text()
        assert (await screen.app.view.slot(item.entity, item.property)).state == "conflict"


@pytest.mark.parametrize(
    ("type_name", "keys"),
    [
        ("duplicate", ["right", "t", "enter"]),
        ("duplicate", ["x", "enter"]),
        ("overlap", ["t", "enter"]),
        ("dangling", ["b", "enter"]),
        ("invalid", ["x", "enter"]),
    ],
)
async def test_a_clash_is_settled_and_taken_back(every: Path, type_name: str, keys: list[str]) -> None:
    async with opened(every, "3") as screen:
        await _go_to(screen, type_name)
        before = _of(screen, type_name)
        await screen.press(*keys[:-1])
        assert _of(screen, type_name) == before, "nothing is written before its difference was shown"
        assert "Note" in screen.text()
        await screen.press(keys[-1])
        assert _of(screen, type_name) < before
        await screen.press("u", "enter")
        assert _of(screen, type_name) == before


@pytest.mark.parametrize(
    ("keys", "retired"), [(["t"], True), (["right", "t"], False), (["b"], False)], ids=["keep", "take", "bring-back"]
)
async def test_an_edit_of_something_retired(every: Path, keys: list[str], retired: bool) -> None:
    async with opened(every, "3") as screen:
        await _go_to(screen, "retired-edit")
        entity = screen.app.inbox_items[screen.app.base_screen.query_one(LineList).cursor].entity
        await screen.press(*keys, "enter")
        assert _of(screen, "retired-edit") == 0
        assert (await screen.app.view.slot(entity, "retired")).value is retired
        await screen.press("u", "enter")
        assert (await screen.app.view.slot(entity, "retired")).value is True


async def test_a_rule_shows_first_what_it_writes(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "3", "R") as screen:
        assert "what was set on this device" in screen.text()
        before = _of(screen, "conflict")
        await screen.press("enter")
        assert screen.screenshot() == picture
        assert _of(screen, "conflict") == before > 1
        await screen.press("enter")
        assert _of(screen, "conflict") == 0
        await screen.press("u", "enter")
        assert _of(screen, "conflict") == before


async def test_a_rule_tells_what_its_values_clash_with(home: Path) -> None:
    moments = iter(range(NOW - 10_000_000, NOW, 1000))
    async with await Workspace.open(home, user=DEMO_USER, clock=lambda: next(moments)) as workspace:
        shown, other = [await workspace.record(await workspace.find(f"locality:{code}")) for code in ("241", "250")]
        # Two that did not know of each other, the second of them with a network that another one has.
        await workspace.write(shown, {"subnet": "10.99.0.0/24"})
        await workspace.write(shown, {"subnet": other.value("subnet")})
    async with opened(home, "3") as screen:
        await _go_to(screen, "conflict", "subnet")
        await screen.press("space", "R", "enter")
        assert "Subnet overlaps that of" in screen.text()
        assert "that becomes an item in the inbox" in screen.text()


async def test_a_rule_settles_only_what_is_marked(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "3", "space", "j", "space") as screen:
        assert "2 marked" in screen.text()
        assert screen.screenshot() == picture
        first, between, second, *others = await screen.app.inbox_items.load_all()
        assert [item.type for item in (first, between, second)] == ["conflict"] * 3
        await screen.press("R", "enter", "enter")
        assert await screen.app.inbox_items.load_all() == [between, *others]


async def test_escape_takes_the_marks_away(home: Path) -> None:
    async with opened(home, "3", "space", "space") as screen:
        assert "2 marked" in screen.text()
        await screen.press("escape")
        assert "resolve all by rule" in screen.text()
        assert not any(row.startswith(("*", " *", "▌*")) or " *" in row[:4] for row in screen.text().splitlines())


async def test_a_rule_by_a_person_leaves_alone_what_they_did_not_say(home: Path) -> None:
    async with opened(home, "3", "R") as screen:
        rows = [row for row in screen.text().splitlines() if "│" in row]
        place = next(i for i, row in enumerate(rows) if "what Smith set" in row) - 1
        before = [m for m in screen.app.inbox_items if m.type == "conflict"]
        others = [m for m in before if "Smith" not in {leaf.user for leaf in m.candidates}]
        assert 0 < len(others) < len(before)
        await screen.press(*["down"] * place, "enter")
        assert "stay as they are" in screen.text()
        await screen.press("enter")
        assert [m for m in screen.app.inbox_items if m.type == "conflict"] == others


async def test_only_what_mentions_something_is_shown_and_settled(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "3", "slash") as screen:
        before = _of(screen, "conflict")
        await screen.type("tsc kiel")
        await screen.press("enter")
        assert "4 items" in screen.text()
        assert screen.screenshot() == picture
        await screen.press("slash", "ctrl+u")
        await screen.type("terminal müller")
        await screen.press("enter")
        assert _listed(screen) == {
            ("conflict", "241/Entrance right", "card_terminal"),
            ("conflict", "250/Lane 1", "card_terminal"),
        }
        await screen.press("slash", "ctrl+u")
        await screen.type("lane 1 terminal")
        await screen.press("enter")
        assert _listed(screen) == {("conflict", "250/Lane 1", "card_terminal")}
        assert "1 item " in screen.text()
        await screen.press("R", "enter", "enter")
        assert _of(screen, "conflict") == before - 1
        assert ("conflict", "250/Lane 1", "card_terminal") not in _listed(screen)
        await screen.press("escape")
        assert f"{len(screen.app.inbox_items)} items" in screen.text()


@pytest.mark.parametrize(
    ("words", "type_name", "key"),
    [
        ("overlaps", "overlap", "260"),
        ("claimed", "duplicate", "241/Entrance left"),
        ("2 values", "conflict", None),
        ("K4 terminal", "conflict", "250/Lane 1"),
    ],
)
async def test_what_stands_in_a_row_is_found(home: Path, words: str, type_name: str, key: str | None) -> None:
    async with opened(home, "3", "slash") as screen:
        every = _listed(screen)
        await screen.type(words)
        await screen.press("enter")
        wanted = {each for each in every if each[0] == type_name and key in (None, each[1])}
        assert _listed(screen) == wanted != set(), screen.text()


async def test_the_values_in_full(home: Path) -> None:
    async with opened(home, "3") as screen:
        await _go_to(screen, "conflict", "printer")
        await screen.press("v")
        assert "A  Jones on K3, 6 Oct 2026 12:10:00" in screen.text()
        assert "B  Müller on K2, 6 Oct 2026 11:45:00  “toner leak”" in screen.text()
        await screen.press("escape", "w")
        assert "Who knew what" in screen.text()


async def test_enter_opens_the_form_of_the_chosen_claimant(home: Path) -> None:
    async with opened(home, "3") as screen:
        await _go_to(screen, "duplicate")
        await screen.press("right", "enter")
        assert "Lane 1" in screen.text().splitlines()[0]


async def test_the_past_can_be_read_and_not_settled(home: Path) -> None:
    async with opened(home, "3") as screen:
        screen.app.view_at(NOW - 60_000_000)
        await screen.rest()
        await screen.press("t")
        assert "This is the past" in screen.text()
        assert "resolve all" not in screen.text()


@pytest.mark.parametrize("key", ["u", "R"])
async def test_a_key_that_is_pressed_twice_asks_once(home: Path, key: str) -> None:
    """On a slow line keys come together.

    Two dialogs over each other would write the same twice.
    """
    async with opened(home, "3", "right", "t") as screen:
        await screen.pilot.press(key, key, key)
        await screen.rest()
        await screen.press("escape")
        assert isinstance(screen.app.screen, Inbox)


async def test_what_was_asked_for_on_a_page_is_not_asked_on_another(home: Path) -> None:
    async with opened(home, "3") as screen:
        page = screen.app.base_screen
        assert isinstance(page, Inbox)
        await screen.press("enter")
        assert isinstance(screen.app.screen, FormScreen)
        await page.command_owner("rule").do_rule()
        await screen.rest()
        assert isinstance(screen.app.screen, FormScreen)


async def test_keys_that_are_typed_ahead_wait_for_their_dialog(home: Path) -> None:
    async with opened(home, "3") as screen:
        before = _of(screen, "conflict")
        await screen.pilot.press("R", "enter", "enter")
        await screen.rest()
        assert _of(screen, "conflict") in (0, before)


async def _settle(home: Path, item: InboxItem, value: Value) -> None:
    """Settle it from another session on the same device."""
    async with await Workspace.open(home, user="Schulz", clock=lambda: NOW) as workspace:
        await workspace.set(await workspace.record(item.entity), {item.property: value})


async def test_an_item_that_takes_the_place_of_another_is_not_taken_by_a_key_meant_for_that(home: Path) -> None:
    async with opened(home, "3", "right") as screen:
        first, second, third, *_rest = await screen.app.inbox_items.load_all()
        assert [item.type for item in (first, second, third)] == ["conflict"] * 3
        label = screen.app.schema.kind(first.kind).property(first.property).label("en")
        assert first.key == "241/Entrance right"
        await _settle(home, first, first.candidates[1].value)
        await screen.app.refresh_data()
        await screen.rest()
        assert f"{label} · Entrance right was resolved meanwhile." in screen.text()
        await screen.press("t")
        assert "only just come under the cursor" in screen.text()
        assert (await screen.app.view.slot(second.entity, second.property)).state == "conflict"
        await screen.press("t")
        assert (await screen.app.view.slot(second.entity, second.property)).state == "good"
        await screen.press("t")
        slot = await screen.app.view.slot(third.entity, third.property)
        assert slot.state == "good", "after one's own t the next one is meant"


async def test_what_came_under_the_cursor_is_taken_at_once_by_who_asked_for_it(home: Path) -> None:
    async with opened(home, "3", "right") as screen:
        first, second, *_rest = await screen.app.inbox_items.load_all()
        await _settle(home, first, first.candidates[1].value)
        await screen.app.refresh_data()
        await screen.rest()
        assert "was resolved meanwhile." in screen.text()
        await screen.press("slash")
        await screen.type(f"{second.key} {second.property}")
        await screen.press("enter", "t")
        assert (await screen.app.view.slot(second.entity, second.property)).state == "good"


async def test_the_chosen_value_stays_chosen_while_others_come(home: Path) -> None:
    async with opened(home, "3") as screen:
        page, inbox_item = screen.app.base_screen, await _go_to(screen, "conflict", "printer")
        assert isinstance(page, Inbox)
        await screen.press("right")
        chosen = inbox_item.candidates[page.selection.chosen_index]
        # A third person did not know of the one that is not chosen.
        edit = Edit(inbox_item.entity, inbox_item.property, "Brix 60", (inbox_item.candidates[0].fact,))
        await screen.app.workspace.save([edit], None)
        await screen.app.refresh_data()
        await screen.rest()
        now = page.item
        assert now is not None
        assert (now.entity, now.property) == (inbox_item.entity, inbox_item.property)
        assert now.candidates != inbox_item.candidates
        assert now.candidates[page.selection.chosen_index] == chosen


async def test_n_goes_on_among_what_was_found_after_all_are_shown_again(home: Path) -> None:
    async with opened(home, "3", "n") as screen:
        assert "No search yet" in screen.text()
        await screen.press("slash")
        await screen.type("lane")
        await screen.press("enter")
        lines = screen.app.base_screen.query_one(LineList)
        found = [lines.source.key(index) for index in range(len(lines.source))]
        await screen.press("escape")
        assert 1 < len(found) < len(lines.source)
        seen = []
        for _step in found:
            await screen.press("n")
            seen.append(lines.cursor)
        assert {lines.source.key(index) for index in seen} == set(found)
        await screen.press("n", "N")
        assert lines.cursor == seen[-1]


async def test_a_wanted_clash_is_accepted_with_a_note_and_put_back(every: Path, picture: SnapshotAssertion) -> None:
    async with opened(every, "3") as screen:
        await _go_to(screen, "conflict")
        await screen.press("a")
        assert "resolved, not accepted" in screen.text()
        count = len(screen.app.inbox_items)
        item = await _go_to(screen, "overlap")
        await screen.press("a")
        await screen.type("it is a part of it")
        await screen.press("enter")
        assert "Accepted as it is. u undoes it." in screen.text()
        assert len(screen.app.inbox_items) == count - 1
        assert (item.type, item.key, item.property) not in _listed(screen)
        assert f"Inbox {count - 1}" in screen.text()
        await screen.press("A")
        assert _listed(screen) == {(item.type, item.key, item.property)}
        assert "it is a part of it" in screen.text()
        assert screen.screenshot() == picture(name="accepted")
        await screen.press("a", "enter")
        assert "Nothing is accepted" in screen.text()
        await screen.press("escape")
        assert (item.type, item.key, item.property) in _listed(screen)
        assert len(screen.app.inbox_items) == count


async def test_several_clashes_that_are_marked_are_accepted_at_once(every: Path) -> None:
    async with opened(every, "3") as screen:
        before = [item for item in screen.app.inbox_items if item.type in ("overlap", "dangling")]
        for item in before:
            lines = screen.app.base_screen.query_one(LineList)
            lines.move_to(lines.source.index((item.entity, item.property, item.type)) or 0)
            await screen.press("space")
        await screen.press("a", "enter", "A")
        assert _listed(screen) == {(item.type, item.key, item.property) for item in before}
        (entry,) = await screen.app.view.log(limit=1)
        assert entry.fact_count == len(before)
        await screen.press("u", "enter", "escape")
        assert {(item.type, item.key, item.property) for item in before} <= _listed(screen)


async def test_taking_a_value_tells_first_of_the_clash_that_it_makes(home: Path) -> None:
    async with opened(home, "3") as screen:
        app = screen.app
        entity = await app.view.find("locality:251", app.schema)
        # Set apart from the one that is there; Kiel has a network around it.
        await app.workspace.save([Edit(entity, "subnet", "10.24.1.128/25", ())], None)
        await app.refresh_data()
        await screen.rest()
        item = await _go_to(screen, "conflict", "subnet")
        chosen = [leaf.value for leaf in item.candidates].index("10.24.1.128/25")
        await screen.press(*["right"] * chosen, "t")
        assert "overlaps that of" in screen.text()
        await screen.press("escape")
        assert (await app.view.slot(entity, "subnet")).state == "conflict"
        await screen.press("t", "enter")
        slot = await app.view.slot(entity, "subnet")
        assert (slot.state, slot.value) == ("good", "10.24.1.128/25")
