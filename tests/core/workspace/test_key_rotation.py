"""A new key for a device: there is one at any time that the fleet knows.

And what a crash breaks off is finished.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.device.home import Home
from core.errors import FieldlineError, Refused
from core.identity import load_identity
from core.member_values import Cut
from core.schema_toml import load_builtin_schema
from core.store.connection import StoreError
from core.workspace import Workspace
from core.workspace.key_rotation import check_unused, rotate_key
from core.workspace.members import chain, find_device, list_devices, revoke_device


@pytest.fixture
async def device(tmp_path: Path) -> AsyncIterator[Workspace]:
    workspace = await Workspace.init(
        tmp_path / "K1", user="anna", fleet_name="Nord", schema=load_builtin_schema("service-centre"), device_name="K1"
    )
    async with workspace:
        yield workspace


async def test_the_new_key_is_the_same_member_and_the_old_one_none(device: Workspace) -> None:
    old = device.identity.device
    change = await rotate_key(device, None)
    new = device.identity.device
    membership = await device.membership()
    assert change is not None and new != old
    assert membership.is_admin(new) and membership.members[new].name == "K1"
    assert not membership.may_connect(old) and membership.members[old].replaced_by == new
    assert find_device("K1", membership) == new
    assert [(each.device, each.replaced_by) for each in await list_devices(device)] == [(new, None), (old, new)]
    await device.create("locality", {"code": "241"})
    assert (await device.verify()).problems == []
    assert not device.home.next_key.exists()
    with pytest.raises(Refused, match="new key since"):
        await device.admit(old.hex(), "reader", None, None)


async def test_the_old_key_can_still_be_revoked_from_before_it_named_the_new_one(device: Workspace) -> None:
    other = await device.admit("ab" * 16, "admin", "K2", None)
    old = device.identity.device
    await rotate_key(device, None)
    entries = await chain(device, old)
    with pytest.raises(Refused, match="new key since"):
        await revoke_device(device, old, [entries[0].change])
    # It would take its own authority away, so it has no effect.
    with pytest.raises(FieldlineError, match="no effect"):
        await revoke_device(device, old, [entries[1].change])
    assert other.member.role == "admin"


async def test_a_program_with_the_old_key_is_reported(device: Workspace, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="stop"):
        await check_unused(tmp_path / "K1")
    async with await Workspace.open(tmp_path / "K1", user="bob") as other:
        assert other.identity.device == device.identity.device
        await rotate_key(device, None)
        with pytest.raises(FieldlineError, match="start it again"):
            await other.create("locality", {"code": "241"})


@pytest.mark.parametrize("is_stored", [False, True])
async def test_what_a_crash_breaks_off_is_finished_or_has_not_happened(
    device: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_stored: bool
) -> None:
    home, old = Home(tmp_path / "K1"), device.identity.device

    async def crash(*_args: object, **_kwargs: object) -> None:
        raise SystemError("power off")

    if is_stored:
        monkeypatch.setattr("core.workspace.key_rotation.adopt_next_key", crash)
    else:
        monkeypatch.setattr(device, "save_unchecked", crash)
    with pytest.raises(SystemError):
        await rotate_key(device, None)
    monkeypatch.undo()
    assert load_identity(home.key).device == old
    new = load_identity(home.next_key).device
    async with await Workspace.open(tmp_path / "K1", user="anna") as again:
        assert again.identity.device == (new if is_stored else old)
        await again.create("locality", {"code": "241"})
        assert await rotate_key(again, None)
        assert (await again.membership()).is_admin(again.identity.device)
    assert not home.next_key.exists()


async def test_a_fork_leaves_the_old_key_as_it_is(device: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.membership.Membership.may_connect", lambda *_: False)
    with pytest.raises(FieldlineError, match="no member"):
        await rotate_key(device, None)
    assert not device.home.next_key.exists() and Cut(0, b"").position == 0
