"""What is saved on this device is held to the schema in one place, whoever calls.

A former value may be restored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.device.edit_check import MAX_KEY_LOOKUPS
from core.errors import FieldlineError, Refused
from core.records import Edit, Record, diff_edits, make_edit
from core.schema import KIND, RETIRED
from core.schema_toml import load_builtin_schema
from core.value_codec import Ref, Value
from core.workspace import Workspace, undo
from tests.support.unchecked import state_unchecked

ABSENT_ENTITY = bytes([9] * 16)


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Workspace]:
    """An admin's device with a locality, a place in it, and a refused value."""
    workspace = await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="N", schema=load_builtin_schema("service-centre"), device_name="K1"
    )
    async with workspace:
        locality = (await workspace.create("locality", {"code": "241", "name": "TSC Kiel"})).entity
        await workspace.create("place", {"name": "Lane 1", "locality": Ref(locality)})
        await state_unchecked(workspace, await record(workspace, "locality:241"), {"subnet": "nowhere"})
        yield workspace


async def record(workspace: Workspace, name: str) -> Record:
    return await workspace.record(await workspace.find(name))


async def changes(workspace: Workspace) -> int:
    return (await workspace.store.summary()).count


@pytest.mark.parametrize(
    ("entity", "values", "says"),
    [
        ("locality:241", {"subnet": "10.0.0.1"}, "not an IP network"),
        ("locality:241", {"code": None}, "code must have a value"),
        ("locality:241", {"colour": "red"}, "has no property"),
        ("locality:241", {KIND: "place"}, "has no property"),
        ("place:241/Lane 1", {"card_terminal": "12"}, "must look like"),
        ("place:241/Lane 1", {"locality": Ref(ABSENT_ENTITY)}, "there is no 09090909 here"),
        ("place:241/Lane 1", {RETIRED: "yes"}, "retired"),
    ],
)
async def test_edits_are_refused_however_they_are_saved(
    admin: Workspace, entity: str, values: dict[str, Value], says: str
) -> None:
    """Plans give wanted values or edits, for verbs, screens and undo, unwritten."""
    shown, before = await record(admin, entity), await changes(admin)
    edits = diff_edits(shown, values)
    for save in (
        admin.set(shown, values),
        admin.write(shown, values),
        admin.save(edits),
    ):
        with pytest.raises(Refused, match=says):
            await save
    assert await changes(admin) == before


async def test_one_refused_edit_keeps_all_others_from_being_written(admin: Workspace) -> None:
    locality, before = await record(admin, "locality:241"), await changes(admin)
    with pytest.raises(Refused, match="not an IP network"):
        await admin.save([make_edit(locality, "name", "Kiel"), make_edit(locality, "subnet", "10.0.0.1")])
    assert await changes(admin) == before


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"name": "Lane 2"}, "needs locality"),
        ({}, "needs name, locality"),
        ({"name": "Lane 2", RETIRED: True}, "cannot be retired at once"),
        ({"name": "Lane 2", "colour": "red"}, "has no property"),
    ],
)
async def test_a_new_entity_needs_what_its_kind_requires(admin: Workspace, values: dict[str, Value], says: str) -> None:
    with pytest.raises(Refused, match=says):
        await admin.save(diff_edits(Record(ABSENT_ENTITY), {KIND: "place", **values}))


@pytest.mark.parametrize("kind", ["gadget", "", 7])
async def test_a_new_entity_is_of_a_kind_of_the_schema(admin: Workspace, kind: Value) -> None:
    with pytest.raises(Refused, match="There is no kind"):
        await admin.save([Edit(ABSENT_ENTITY, KIND, kind)])


@pytest.mark.parametrize("count", [1, MAX_KEY_LOOKUPS + 1])
async def test_a_new_entity_has_a_key_of_its_own(admin: Workspace, count: int) -> None:
    """Whether the keys are looked up one by one or all at once."""

    def new(number: int, code: str) -> list[Edit]:
        return diff_edits(Record(number.to_bytes(16, "big")), {KIND: "locality", "code": code})

    free = [edit for number in range(1, count) for edit in new(number, f"free-{number}")]
    with pytest.raises(Refused, match="There is locality:241 already"):
        await admin.save([*free, *new(1000, "241")])
    with pytest.raises(Refused, match="same key"):
        await admin.save([*free, *new(1000, "242"), *new(1001, "242")])
    await admin.save([*free, *new(1000, "242")])
    assert await admin.find("locality:242") == (1000).to_bytes(16, "big")


async def test_what_a_slot_holds_may_be_stated_again_or_unset(admin: Workspace) -> None:
    locality = await record(admin, "locality:241")
    assert await admin.save([make_edit(locality, "subnet", "nowhere")])
    assert await admin.save([make_edit(await record(admin, "locality:241"), "subnet", None)])


async def test_what_the_schema_refuses_today_can_be_restored(admin: Workspace) -> None:
    await admin.set(await record(admin, "locality:241"), {"subnet": "10.1.0.0/24"})
    plan = await undo.plan_next_undo(admin)
    await undo.apply_plan(admin, plan, None)
    assert (await record(admin, "locality:241")).value("subnet") == "nowhere"


async def test_of_a_list_only_new_references_have_to_be_here(admin: Workspace) -> None:
    place = await record(admin, "place:241/Lane 1")
    await state_unchecked(admin, place, {"locality": Ref(ABSENT_ENTITY)})
    shown = await record(admin, place.entity.hex())
    assert await admin.save([make_edit(shown, "locality", Ref(ABSENT_ENTITY))])


async def test_only_an_admin_edits_members_and_the_fleet_itself(admin: Workspace, tmp_path: Path) -> None:
    async with await Workspace.join(
        tmp_path / "K2", user="Jones", fleet=admin.store.fleet.hex(), device_name="K2"
    ) as other:
        await admin.admit(other.identity.device.hex(), "technician", "K2")
        await other.store.save_blocks(await admin.store.blocks(await admin.store.hashes()), link="tcp")
        member = await other.record(other.identity.device)
        with pytest.raises(FieldlineError, match="Only an admin"):
            await other.save([make_edit(member, "member.role", "admin")])
        assert await admin.save([make_edit(await admin.record(member.entity), "member.name", "K2b")])
        with pytest.raises(Refused, match="has no property"):
            await admin.save([make_edit(await admin.record(member.entity), "colour", "red")])


@pytest.mark.parametrize(
    ("user", "note"), [("", None), ("two\nlines", None), ("Maier", "x" * 10_000), ("Maier", "\ud800")]
)
async def test_a_user_or_a_note_that_no_change_can_carry_is_refused(
    admin: Workspace, user: str, note: str | None
) -> None:
    admin.user, before = user, await changes(admin)
    with pytest.raises(Refused):
        await admin.save([make_edit(await record(admin, "locality:241"), "name", "Kiel")], note)
    assert await changes(admin) == before
