"""Members: who there is, and what an admin can do about it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.service.unknown_callers import CALLERS_META_KEY
from core.store.queries.chain_faults import ForkedChain, read_chain_faults
from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, opened
from tui.demo.fleet import DEMO_USER

SIZES = {"80x24": SMALL, "120x40": LARGE}
NEW = "0123456789abcdef0123456789abcdef"


async def member_of(home: Path, name: str) -> tuple[str, str]:
    """The role and the state of a device."""
    async with await Workspace.open(home, user=DEMO_USER) as workspace:
        members = (await workspace.membership()).members.values()
        return next((member.role, member.state) for member in members if member.name == name)


@pytest.mark.parametrize("size", SIZES)
async def test_members(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "6", "down", size=SIZES[size]) as screen:
        assert "It has made" in screen.text()
        assert screen.screenshot() == picture


@pytest.mark.parametrize("size", SIZES)
async def test_revoking_shows_what_loses_its_effect_before_it_is_done(
    home: Path, picture: SnapshotAssertion, size: str
) -> None:
    async with opened(home, "6", "down", "x", "down", "down", "enter", size=SIZES[size]) as screen:
        assert "2 changes are quarantined" in screen.text()
        assert screen.screenshot() == picture
        assert await member_of(home, "K2") == ("technician", "active")
        await screen.type("lost")
        await screen.press("enter")
        assert "Saved" in screen.text()
    assert await member_of(home, "K2") == ("technician", "revoked")
    async with await Workspace.open(home, user=DEMO_USER) as workspace:
        assert (await workspace.store.counts()).quarantined == 2


async def test_the_last_change_to_trust_can_be_chosen(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "6", "down", "x") as screen:
        assert "the latest" in screen.text()
        assert screen.screenshot() == picture
        await screen.press("escape")
    assert await member_of(home, "K2") == ("technician", "active")


async def test_a_revoked_device_is_let_in_again(home: Path) -> None:
    async with opened(home, "6", "down", "x", "enter", "enter") as screen:
        assert "revoked" in screen.text()
        await screen.press("G", "r")
        assert "lets it in again" in screen.text()
        await screen.press("a", "enter", "enter", "enter", "enter")
        assert "Saved" in screen.text()
    assert await member_of(home, "K2") == ("technician", "active")


async def test_a_new_device_is_admitted_by_its_id(home: Path) -> None:
    async with opened(home, "6", "a") as screen:
        await screen.type("0123")
        await screen.press("enter")
        assert "32 hex digits" in screen.text()
        await screen.type(NEW[4:])
        await screen.press("enter", "down", "down", "enter")
        assert "What is it called?" in screen.text()
        await screen.type("K9")
        await screen.press("enter")
        assert "Admit K9 as reader?" in screen.text()
        await screen.press("enter")
        assert "K9" in screen.text()
    assert await member_of(home, "K9") == ("reader", "active")


async def test_role_and_name_are_changed_after_a_question(home: Path) -> None:
    async with opened(home, "6", "down", "r", "down", "enter") as screen:
        assert "Make K2 a device with the role admin?" in screen.text()
        await screen.press("enter", "n", "ctrl+u")
        await screen.type("Van")
        await screen.press("enter", "enter")
    assert await member_of(home, "Van") == ("admin", "active")


async def test_escape_writes_nothing(home: Path) -> None:
    async with opened(home, "6", "down", "r", "enter", "escape", "x", "enter", "escape", "n", "escape") as screen:
        root = (await screen.app.workspace.store.summary()).root
    async with await Workspace.open(home, user=DEMO_USER) as workspace:
        assert (await workspace.store.summary()).root == root
    assert await member_of(home, "K2") == ("technician", "active")


async def test_who_is_no_admin_learns_it(made: Path, home: Path, tmp_path: Path) -> None:
    other = shutil.copytree(made / "K2", tmp_path / "K2")
    async with opened(other, "6", "x") as screen:
        assert "Only an admin's device can do this" in screen.text()
    async with opened(home, "6", "g", "x") as screen:
        assert "cannot revoke itself" in screen.text()


async def test_the_changes_of_a_device_are_one_key_away(home: Path) -> None:
    async with opened(home, "6", "down", "h") as screen:
        assert screen.app.base_screen.TAB == "history"
        assert "K2" in screen.text()


@pytest.mark.parametrize("size", SIZES)
async def test_a_device_whose_chain_forks_is_marked_with_both_ends(
    made: Path, home: Path, tmp_path: Path, picture: SnapshotAssertion, size: str
) -> None:
    for number, name in enumerate(("K2", "copy")):
        folder = shutil.copytree(made / "K2", tmp_path / name)
        async with await Workspace.open(folder, user="Bob", clock=lambda: NOW, entropy=bytes) as device:
            await device.create("locality", {"code": f"99{number}"})
            blocks = await device.store.blocks(await device.store.hashes())
        async with await Workspace.open(home, user=DEMO_USER) as workspace:
            await workspace.store.save_blocks(blocks)
            faults = await workspace.store.run(read_chain_faults)
    assert isinstance(faults[0], ForkedChain)
    async with opened(home, "6", "down", size=SIZES[size]) as screen:
        assert "its chain" in screen.text() and "ends" in screen.text()
        assert all(branch.change.hex()[:8] in screen.text() for branch in faults[0].branches)
        assert screen.screenshot() == picture
    async with opened(home, "3", size=SIZES[size]) as screen:
        assert "1 chain forks: 6" in screen.text(), "the inbox says so, and where there is room what it is"
        if SIZES[size] == LARGE:
            assert all(branch.change.hex()[:8] in screen.text() for branch in faults[0].branches)


async def test_what_a_bound_device_wrote_elsewhere_is_shown(made: Path, home: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made / "K2", tmp_path / "K2")
    async with await Workspace.open(folder, user="Bob", clock=lambda: NOW, entropy=os.urandom) as device:
        me = device.identity.device
        async with await Workspace.open(home, user=DEMO_USER) as workspace:
            own, other, *_ = await workspace.view().records("locality", await workspace.schema())
            await workspace.admit(me.hex(), "technician", None, scope=frozenset({own.entity}))
            await device.set(await device.record(other.entity), {"name": "elsewhere"})
            await workspace.store.save_blocks(await device.store.blocks(await device.store.hashes()))
    async with opened(home, "3", size=LARGE) as screen:
        assert "1 device wrote out of scope: 6" in screen.text()
        assert f"name of locality:{other.slots['code'].value}" in " ".join(screen.text().split())
    async with opened(home, "6", "down", size=LARGE) as screen:
        assert "wrote outside" in screen.text()


@pytest.mark.parametrize("size", SIZES)
async def test_a_device_that_called_and_is_no_member_is_shown(
    home: Path, picture: SnapshotAssertion, size: str
) -> None:
    async with await Workspace.open(home, user=DEMO_USER) as workspace:
        data = bytes.fromhex(NEW) + (NOW - 120 * 1_000_000).to_bytes(8, "big")
        await workspace.store.write_meta(CALLERS_META_KEY, data)
    async with opened(home, "6", "g", size=SIZES[size]) as screen:
        assert "It called on" in screen.text()
        assert screen.screenshot() == picture
        for key in ("r", "n", "x"):
            await screen.press(key)
            assert "no member" in screen.text()
        await screen.press("a", "enter", "enter")
        await screen.type("K9")
        await screen.press("enter", "enter")
        assert "It called on" not in screen.text()
    assert await member_of(home, "K9") == ("technician", "active")
