"""A store that is checked while its device serves."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from core.errors import FieldlineError
from core.schema_toml import load_builtin_schema
from core.service.error_reporter import ErrorReporter
from core.service.serve_config import ServeEvent, ServiceIntervals
from core.service.store_checker import StoreChecker
from core.store import slow_check
from core.store.check_note import CHECKED_META_KEY, LastCheck
from core.workspace import Workspace
from core.workspace.diagnostics import Finding, check_store
from tests.support.deadlines import DEADLINE_S

FAST = ServiceIntervals(first_check_s=0.0, check_poll_s=0.01, check_share=1.0)
DAMAGE = "UPDATE facts SET content = (SELECT min(id) FROM contents) WHERE id = (SELECT max(id) FROM facts)"


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    made = await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="N", schema=load_builtin_schema("service-centre"), device_name="K1"
    )
    await made.create("locality", {"code": "241"})
    yield made
    await made.close()


async def first_event(workspace: Workspace, intervals: ServiceIntervals = FAST) -> ServeEvent:
    """Let the store be checked until something is told."""
    events: asyncio.Queue[ServeEvent] = asyncio.Queue()
    checker = StoreChecker(workspace, ErrorReporter(events.put_nowait), intervals, events.put_nowait)
    task = asyncio.create_task(checker.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await events.get()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def store_finding(workspace: Workspace) -> Finding:
    async for finding in check_store(workspace):
        if finding.check == "store":
            return finding
    raise AssertionError("the store was not looked at")


async def last_check(workspace: Workspace) -> LastCheck | None:
    return LastCheck.from_bytes(await workspace.store.read_meta(CHECKED_META_KEY))


async def test_a_sound_store_is_checked_and_that_is_noted(workspace: Workspace) -> None:
    event = await first_event(workspace)
    assert event.check is not None and event.error is None
    assert (event.check.change_count, event.check.damage) == ((await workspace.store.counts()).changes, None)
    noted = await last_check(workspace)
    assert noted is not None and noted.damage is None
    finding = await store_finding(workspace)
    assert (finding.severity, finding.checked_at_us) == ("good", noted.at_us)


async def test_damage_is_told_until_it_is_repaired(workspace: Workspace, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "K1" / "store.db", isolation_level=None)) as connection:
        connection.execute(DAMAGE)
    event = await first_event(workspace)
    assert event.check is not None and event.check.damage is not None
    noted = await last_check(workspace)
    assert noted is not None and str(noted.damage) == str(event.check.damage)
    await workspace.verify(repair=True)
    assert (await last_check(workspace)) is not None
    finding = await store_finding(workspace)
    assert finding.severity == "good"


async def test_what_the_check_found_counts_where_a_sample_finds_nothing(workspace: Workspace) -> None:
    note = LastCheck(5, FieldlineError("The change {change} is damaged.", change="ab"))
    assert LastCheck.from_bytes(note.to_bytes()) is not None
    await workspace.store.write_meta(CHECKED_META_KEY, note.to_bytes())
    finding = await store_finding(workspace)
    assert finding.severity == "problem" and "verify --repair" in str(finding.message)
    await workspace.verify()
    finding = await store_finding(workspace)
    assert finding.severity == "good"


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"at": 1}', b'{"at": "x", "damage": null}', b'{"at": 1, "damage": 5}']
)
def test_a_note_that_cannot_be_read_is_none(note: bytes) -> None:
    assert LastCheck.from_bytes(note) is None


async def test_a_check_is_not_due_before_its_time(workspace: Workspace) -> None:
    now = workspace.clock()
    week = int(FAST.check_every_s) * 1_000_000
    checker = StoreChecker(workspace, ErrorReporter(lambda event: None), FAST, lambda event: None)
    for at_us, is_due in ((now, False), (now - week - 1, True), (now + 2 * week, True)):
        await workspace.store.write_meta(CHECKED_META_KEY, LastCheck(at_us).to_bytes())
        assert await checker._is_due() is is_due


async def test_a_check_under_way_ends_at_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """At next to no share of a processor it would take for ever."""
    started: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    create = asyncio.create_subprocess_exec

    async def noted(*args: str, **options: object) -> asyncio.subprocess.Process:
        process = await create(*args, **options)  # type: ignore[arg-type]
        started.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    slow = ServiceIntervals(first_check_s=0.0, check_share=1e-9)
    checker = StoreChecker(workspace, ErrorReporter(lambda event: None), slow, lambda event: None)
    task = asyncio.create_task(checker.run())
    process = await started.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert process.returncode is not None


def test_the_share_of_the_processor_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    now, spent = [100.0], [5.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "process_time", lambda: spent[0])
    monkeypatch.setattr(time, "sleep", sleep)
    pacer = slow_check.Pacer(0.05, os.getppid())
    for _ in range(50):
        spent[0] += 0.01
        now[0] += 0.01
        assert pacer() == 0
    assert sum(slept) == pytest.approx(50 * 0.01 / 0.05 - 50 * 0.01)
    assert max(slept) <= slow_check.MAX_PAUSE_S
    assert slow_check.Pacer(0.05, -1)() == 1, "the program that started it is gone"
