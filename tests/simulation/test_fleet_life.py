"""A fleet that lives for weeks, with every kind of mishap.

In the end all devices hold and show the same.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.simulation.fleet_life import MISHAPS, Device, Fleet, Rates
from tests.simulation.test_history import reads
from tests.support.soak_table import soak_row

OFTEN = Rates(clock_jumps=0.05, crashes=0.06, backups=0.1, restores=0.03, revocations=0.003)


VERIFIED_SHARE = 6
"""After each quiet period one in so many devices is verified, in turn; in the end all are."""
MAX_VERIFIED = 36
"""At a time: a verification takes as long as many days."""


def _allow_open_files() -> None:
    """Allow as many open files as the system lets a process have: a store has three."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def check_agreement(fleet: Fleet, verified: Sequence[Device]) -> None:
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
    for device in verified:
        assert (await device.workspace.verify()).problems == []


async def live(
    folder: Path,
    seed: int,
    size: int,
    days: int,
    rates: Rates,
    quiet_after: int,
    on_quiet: Callable[[Fleet], None] = lambda fleet: None,
) -> Fleet:
    """Let a fleet live for so many days, and check it whenever it was quiet."""
    _allow_open_files()
    fleet = Fleet(folder, seed, rates)
    try:
        await fleet.found(size)
        for period, begin in enumerate(range(0, days, quiet_after)):
            await fleet.live(min(quiet_after, days - begin))
            await fleet.settle()
            is_last = begin + quiet_after >= days
            verified = fleet.active if is_last else fleet.active[period % VERIFIED_SHARE :: VERIFIED_SHARE]
            await check_agreement(fleet, verified[:MAX_VERIFIED])
            on_quiet(fleet)
    finally:
        await fleet.close()
    return fleet


async def test_a_fleet_agrees_after_weeks_of_mishaps(tmp_path: Path) -> None:
    fleet = await live(tmp_path, 1, 6, 28, OFTEN, 14)
    assert all(fleet.life.happened[mishap] for mishap in MISHAPS), fleet.life.happened


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 22))
async def test_many_fleets_agree(tmp_path: Path, seed: int, record_property: Callable[[str, object], None]) -> None:
    fleet = await live(tmp_path, seed, 8, 60, OFTEN, 10)
    record_property(*soak_row("8 devices for 60 days", fleet.life.mishaps.total(), fleet.life.mishaps))
