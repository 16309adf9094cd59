"""Revoking a device after one of its changes, and letting it in again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.changes import decode_block
from core.errors import FieldlineError, Refused
from core.schema_toml import load_builtin_schema
from core.workspace import Workspace
from core.workspace.members import chain, revoke_device

DAY = 86_400_000_000


class Ticking:
    """A clock that goes on by a day at each look, and that can be set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000

    def __call__(self) -> int:
        self.now += DAY
        return self.now


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Workspace, Workspace, Ticking]]:
    """An admin's device and a technician's with three changes, one with a bad clock.

    The second of the three has a clock that went back a year.
    """
    clock = Ticking()
    admin = await Workspace.init(
        tmp_path / "A",
        user="Ann",
        fleet_name="F",
        schema=load_builtin_schema("service-centre"),
        device_name="A",
        clock=clock,
    )
    other = await Workspace.join(
        tmp_path / "B", user="Bob", fleet=admin.store.fleet.hex(), device_name="B", clock=clock
    )
    await admin.admit(other.identity.device.hex(), "technician", "B")
    await hand(admin, other)
    for number in range(3):
        if number == 1:
            clock.now -= 365 * DAY
        await other.create("locality", {"code": str(number)}, f"number {number}")
    await hand(other, admin)
    yield admin, other, clock
    await admin.close()
    await other.close()


async def hand(giver: Workspace, taker: Workspace) -> None:
    """Hand over all changes."""
    await taker.store.save_blocks(
        await giver.store.blocks(await giver.store.hashes()), source_device=giver.identity.device
    )


async def test_the_chain_is_in_the_order_of_writing_whatever_the_clock_said(
    two: tuple[Workspace, Workspace, Ticking],
) -> None:
    admin, other, _ = two
    found = await chain(admin, other.identity.device)
    assert [each.note for each in found] == ["number 2", "number 1", "number 0"]
    assert [each.kept_count for each in found] == [3, 2, 1]


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
async def test_what_follows_the_last_accepted_change_stays_void_when_the_device_is_let_in_again(
    two: tuple[Workspace, Workspace, Ticking], kept: int
) -> None:
    admin, other, _ = two
    device = other.identity.device
    last = [each.change for each in await chain(admin, device) if each.kept_count == kept]
    revoked = await revoke_device(admin, device, last, "lost")
    assert revoked.change and revoked.member.state == "revoked"
    assert (await admin.store.counts()).quarantined == 3 - kept
    again = await admin.admit(device.hex(), "technician", "B2")
    assert (again.member.state, again.member.role, again.member.name) == ("active", "technician", "B2")
    assert (await admin.store.counts()).quarantined == 3 - kept
    await hand(admin, other)
    await other.create("locality", {"code": "new"}, "again")
    await hand(other, admin)
    assert (await admin.store.counts()).quarantined == 3 - kept
    assert (await admin.store.verify()).problems == []


async def test_who_was_made_a_reader_keeps_what_it_wrote_and_writes_no_more(
    two: tuple[Workspace, Workspace, Ticking],
) -> None:
    admin, other, _ = two
    device = other.identity.device.hex()
    assert (await admin.admit(device, "reader")).member.role == "reader"
    # It has not heard of it yet.
    await other.create("locality", {"code": "late"}, "late")
    await hand(other, admin)
    assert (await admin.store.counts()).quarantined == 1
    await hand(admin, other)
    with pytest.raises(FieldlineError, match="may not write"):
        await other.create("locality", {"code": "more"}, "more")
    await admin.admit(device, "technician")
    assert (await admin.store.counts()).quarantined == 1, "what a reader wrote stays without effect"
    await hand(admin, other)
    await other.create("locality", {"code": "again"}, "again")
    await hand(other, admin)
    assert (await admin.store.counts()).quarantined == 1


async def test_nothing_is_written_only_if_the_membership_is_so_already(
    two: tuple[Workspace, Workspace, Ticking],
) -> None:
    admin, other, _ = two
    device = other.identity.device
    assert (await admin.admit(device.hex(), "technician", "B")).change is None
    revoked = await revoke_device(admin, device, [])
    assert revoked.change is not None
    assert (await revoke_device(admin, device, [])).change is None
    assert (await admin.admit(device.hex(), "technician", "B")).change is not None
    assert (await revoke_device(admin, device, [])).change is not None


async def test_what_would_have_no_effect_is_not_written(two: tuple[Workspace, Workspace, Ticking]) -> None:
    admin, other, _ = two
    await admin.admit(other.identity.device.hex(), "admin")
    await hand(admin, other)
    before = (await other.store.summary()).root
    # That would void the admission of the one who says it.
    with pytest.raises(FieldlineError, match="no effect"):
        await revoke_device(other, admin.identity.device, [])
    assert (await other.store.summary()).root == before


async def test_a_device_that_lacks_the_place_from_which_it_may_write_again_syncs_first(
    two: tuple[Workspace, Workspace, Ticking], tmp_path: Path
) -> None:
    admin, other, clock = two
    device = other.identity.device
    await other.close()
    shutil.copytree(tmp_path / "B", tmp_path / "old")
    new, old = [await Workspace.open(tmp_path / name, user="Bob", clock=clock) for name in ("B", "old")]
    await new.create("locality", {"code": "lost"}, None)
    await hand(new, admin)
    await revoke_device(admin, device, [])
    await admin.admit(device.hex(), "technician")
    only_members = [b for b in await admin.store.blocks(await admin.store.hashes()) if decode_block(b).device != device]
    await old.store.save_blocks(only_members)
    with pytest.raises(FieldlineError, match="sync first"):
        await old.create("locality", {"code": "x"}, None)
    await hand(admin, old)
    assert (await old.create("locality", {"code": "x"}, None)).change
    await new.close()
    await old.close()


async def test_only_an_admin_revokes_and_nobody_itself(two: tuple[Workspace, Workspace, Ticking]) -> None:
    admin, other, _ = two
    with pytest.raises(FieldlineError, match="Only an admin"):
        await revoke_device(other, admin.identity.device, [])
    with pytest.raises(FieldlineError, match="cannot revoke itself"):
        await revoke_device(admin, admin.identity.device, [])
    with pytest.raises(Refused, match="no change of that device"):
        await revoke_device(admin, other.identity.device, [(await chain(admin, admin.identity.device))[0].change])
    with pytest.raises(Refused, match="not a role"):
        await admin.admit(other.identity.device.hex(), "king", "B")
