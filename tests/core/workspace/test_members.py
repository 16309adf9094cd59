"""Revoking a device after one of its changes, and letting it in again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import FieldlineError, Refused
from core.schema_toml import load_builtin_schema
from core.workspace import Workspace
from core.workspace.members import chain, readmit_device, revoke_device

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
    """An admin's device and a technician's that made three changes, the second with a clock that went back a year."""
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
async def test_what_follows_the_last_accepted_change_is_quarantined(
    two: tuple[Workspace, Workspace, Ticking], kept: int
) -> None:
    admin, other, _ = two
    device = other.identity.device
    last = next((each.change for each in await chain(admin, device) if each.kept_count == kept), None)
    assert (await revoke_device(admin, device, last, "lost")).change
    assert (await admin.store.counts()).quarantined == 3 - kept
    assert (await admin.membership()).members[device].state == "revoked"
    await readmit_device(admin, device, "reader", "B2")
    member = (await admin.membership()).members[device]
    assert (member.state, member.role, member.name) == ("active", "reader", "B2")
    assert (await admin.store.counts()).quarantined == 0


async def test_only_an_admin_revokes_and_nobody_itself(two: tuple[Workspace, Workspace, Ticking]) -> None:
    admin, other, _ = two
    with pytest.raises(FieldlineError, match="Only an admin"):
        await revoke_device(other, admin.identity.device, None)
    with pytest.raises(FieldlineError, match="cannot revoke itself"):
        await revoke_device(admin, admin.identity.device, None)
    with pytest.raises(Refused, match="no change of that device"):
        await revoke_device(admin, other.identity.device, (await chain(admin, admin.identity.device))[0].change)
    with pytest.raises(Refused, match="not a role"):
        await readmit_device(admin, other.identity.device, "king", "B")
