"""A fleet that lives for weeks, with every kind of mishap.

In the end all devices hold and show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.simulation.fleet_life import MAX_OPEN, Device, Fleet, Rates
from tests.simulation.inline_store import inline_stores
from tests.simulation.life import MISHAPS, quantile
from tests.simulation.shared_work import shared_work
from tests.simulation.test_history import reads
from tests.support.soak_table import soak_figure, soak_row

OFTEN = Rates(clock_jumps=0.05, crashes=0.06, backups=0.1, restores=0.03, revocations=0.003)
LARGE_FLEET_RATES = Rates(edits=0.1, meetings=1.5, revocations=0.0003)
"""Three times what a technician of the real history saves; in so large a fleet one meets more others."""


VERIFIED_SHARE = 6
"""After each quiet period one in so many devices is verified, in turn; in the end all are."""
MAX_VERIFIED = 36
"""At a time: a verification takes as long as many days."""


async def check_agreement(fleet: Fleet, verified: Sequence[Device]) -> None:
    """What all devices hold that belong.

    Everything that was saved and not lost with a restored disk, and no more.
    """
    first = await fleet.workspace(fleet.active[0])
    shown, membership = await reads(first.store), await first.membership()
    held = set(await first.store.hashes())
    for device in fleet.active[1:]:
        workspace = await fleet.workspace(device)
        assert await reads(workspace.store) == shown
        assert await workspace.membership() == membership
        assert (await workspace.store.summary()).root == fleet.active[0].root
    saved = set(fleet.life.saved)
    only_with_revoked = saved - set().union(*(device.held for device in fleet.active))
    assert saved - held - fleet.life.lost_with_restore <= only_with_revoked
    assert held <= saved, "nobody wrote these"
    for device in verified:
        assert (await (await fleet.workspace(device)).verify()).problems == []


async def live(
    folder: Path,
    seed: int,
    size: int,
    days: int,
    rates: Rates,
    quiet_after: int,
    on_quiet: Callable[[Fleet], None] = lambda fleet: None,
    *,
    max_open: int = MAX_OPEN,
) -> Fleet:
    """Let a fleet live for so many days, and check it whenever it was quiet."""
    fleet = Fleet(folder, seed, rates, max_open)
    with inline_stores(), shared_work():
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


async def test_a_seed_tells_the_whole_life_of_a_fleet_whose_stores_are_closed_or_not(tmp_path: Path) -> None:
    lives = []
    for max_open in (MAX_OPEN, 2):
        folder = tmp_path / f"{max_open}"
        folder.mkdir()
        lives.append((await live(folder, 3, 4, 10, OFTEN, 10, max_open=max_open)).life)
    assert lives[0] == lives[1]
    assert lives[0].saved


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 22))
async def test_many_fleets_agree(tmp_path: Path, seed: int, record_property: Callable[[str, object], None]) -> None:
    fleet = await live(tmp_path, seed, 8, 60, OFTEN, 10)
    record_property(*soak_row("8 devices for 60 days", fleet.life.mishaps.total(), fleet.life.mishaps))


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_large_fleet_agrees_after_a_week(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    size = 350
    life = (await live(tmp_path, 1, size, 7, LARGE_FLEET_RATES, 7)).life
    record_property(*soak_row(f"{size} devices for a week", life.mishaps.total(), life.mishaps))
    record_property(*soak_figure("bytes a device and day", f"{life.byte_count / size / 7:,.0f}"))
    for share, hours in life.hours.items():
        spread = f"half {quantile(hours, 0.5)}, 95 % {quantile(hours, 0.95)}"
        record_property(*soak_figure(f"on {share:.0%} of {size} devices", spread))
