"""A fleet that lives for weeks, with every kind of mishap.

In the end all devices hold and show the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.fleet_life import Fleet, Rates
from tests.simulation.test_history import reads

MISHAPS = ("cut", "clock jump", "crash", "restored backup")
OFTEN = Rates(clock_jumps=0.05, crashes=0.06, backups=0.1, restores=0.03, revocations=0.003)


async def check_agreement(fleet: Fleet) -> None:
    """What all devices hold that belong.

    Everything that was saved and not lost with a restored disk, and no more.
    """
    first = fleet.active[0].workspace
    shown, membership = await reads(first.store), await first.membership()
    for device in fleet.active[1:]:
        assert await reads(device.workspace.store) == shown
        assert await device.workspace.membership() == membership
    held = set(await first.store.hashes())
    saved = set(fleet.life.saved)
    only_with_revoked = saved - set().union(*(device.held for device in fleet.active))
    assert saved - held - fleet.life.lost_with_restore <= only_with_revoked
    assert held <= saved, "nobody wrote these"
    for device in fleet.active:
        assert (await device.workspace.verify()).problems == []


async def live(folder: Path, seed: int, size: int, days: int, rates: Rates, quiet_after: int) -> Fleet:
    fleet = Fleet(folder, seed, rates)
    try:
        await fleet.found(size)
        for _ in range(0, days, quiet_after):
            await fleet.live(quiet_after)
            await fleet.settle()
            await check_agreement(fleet)
    finally:
        await fleet.close()
    return fleet


async def test_a_fleet_agrees_after_weeks_of_mishaps(tmp_path: Path) -> None:
    fleet = await live(tmp_path, 1, 6, 28, OFTEN, 14)
    assert all(fleet.life.happened[mishap] for mishap in MISHAPS), fleet.life.happened


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 22))
async def test_many_fleets_agree(tmp_path: Path, seed: int) -> None:
    await live(tmp_path, seed, 8, 60, OFTEN, 10)
