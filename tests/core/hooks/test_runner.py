"""A hook gets each value that changes at least once, in order.

Until it succeeds or its limit is reached.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import tomli_w

from core.errors import FieldlineError
from core.hooks.findings import check_hooks
from core.hooks.runner import HookEvent, run_hooks
from core.hooks.state_file import STATE_FILE, StateFile, is_running, read_states
from core.records import diff_edits
from core.schema import Schema
from core.value_codec import Value
from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S
from tests.support.polling import wait_until

COPY = "import sys; open('got', 'a').write(sys.stdin.read())"
FAIL_ONCE = f"import os, sys\nif not os.path.exists('tried'): open('tried', 'w'); sys.exit('not yet')\n{COPY}"
FAIL = "import sys; sys.exit('never')"


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    made = await Workspace.init(tmp_path / "home", user="Maier", fleet_name="Nord", schema=Schema(), device_name="K1")
    async with made:
        yield made


def write_hooks(workspace: Workspace, **hooks: object) -> None:
    workspace.home.settings.write_text(tomli_w.dumps({"hooks": hooks}))


def script(text: str, **more: object) -> dict[str, object]:
    return {"run": [sys.executable, "-c", text], **more}


async def write(workspace: Workspace, number: int, **values: Value) -> None:
    """Give an entity values."""
    await workspace.save_unchecked(diff_edits(await workspace.record(bytes([number]) * 16), values))


@asynccontextmanager
async def running(workspace: Workspace) -> AsyncIterator[asyncio.Queue[HookEvent]]:
    """The hooks run; gives what they tell. They have begun when this is entered."""
    events: asyncio.Queue[HookEvent] = asyncio.Queue()
    async with await Workspace.open(workspace.home.folder, user="Maier") as own:
        task = asyncio.create_task(run_hooks(own, events.put_nowait, backoff_base_s=0.01, settings_interval_s=0.01))
        try:
            await wait_until((workspace.home.folder / STATE_FILE).exists)
            yield events
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def next_of(events: asyncio.Queue[HookEvent]) -> HookEvent:
    async with asyncio.timeout(DEADLINE_S):
        return await events.get()


def got(workspace: Workspace) -> list[tuple[str, object]]:
    lines = (workspace.home.folder / "got").read_text().splitlines()
    return [(fields["property"], fields["after"]) for fields in map(json.loads, lines)]


async def test_each_value_that_is_wanted_is_given_once_also_after_a_restart(workspace: Workspace) -> None:
    write_hooks(workspace, copy=script(COPY, property=["printer"]))
    await write(workspace, 1, printer="before")
    async with running(workspace) as events:
        await write(workspace, 1, printer="a", vid=1)
        assert (await next_of(events)).error is None
    await write(workspace, 1, printer="b")
    await write(workspace, 1, printer="c")
    async with running(workspace) as events:
        assert [(await next_of(events)).attempt for _ in range(2)] == [1, 1]
    assert got(workspace) == [("printer", "a"), ("printer", "b"), ("printer", "c")]


async def test_a_hook_is_tried_until_it_succeeds(workspace: Workspace) -> None:
    write_hooks(workspace, copy=script(FAIL_ONCE))
    async with running(workspace) as events:
        await write(workspace, 1, printer="a")
        failed, done = await next_of(events), await next_of(events)
    assert (failed.attempt, failed.has_given_up, done.attempt, done.error) == (1, False, 2, None)
    assert "not yet" in str(failed.error)
    assert got(workspace) == [("printer", "a")]


async def test_what_fails_for_good_is_given_up_and_reported_and_holds_up_no_other(workspace: Workspace) -> None:
    write_hooks(workspace, broken=script(FAIL, attempts=3), copy=script(COPY))
    async with running(workspace) as events:
        await write(workspace, 1, printer="a")
        reported = [await next_of(events) for _ in range(4)]
        found = check_hooks(workspace.home.folder, workspace.clock())
    assert [event.has_given_up for event in reported if event.hook == "broken"] == [False, False, True]
    assert got(workspace) == [("printer", "a")]
    assert [finding.severity for finding in found] == ["warning", "warning"]
    assert "never" in str(found[0].message)
    state = read_states(workspace.home.folder)["broken"]
    assert (state.given_up_count, state.failure_count, state.position) == (1, 3, state.given_up_fact)


async def test_a_command_that_does_not_end_is_stopped(workspace: Workspace) -> None:
    write_hooks(workspace, slow={"run": ["sleep", "1000"], "timeout": 0.2, "attempts": 1})
    async with running(workspace) as events:
        await write(workspace, 1, printer="a")
        assert "did not end" in str((await next_of(events)).error)


async def test_what_was_under_way_when_it_ended_comes_again(workspace: Workspace) -> None:
    begin = "import time; open('began', 'w').close(); time.sleep(1000)"
    write_hooks(workspace, copy=script(begin, timeout=300))
    async with running(workspace):
        await write(workspace, 1, printer="a")
        await wait_until((workspace.home.folder / "began").exists)
    write_hooks(workspace, copy=script(COPY))
    async with running(workspace) as events:
        assert (await next_of(events)).error is None
    assert got(workspace) == [("printer", "a")]


async def test_a_value_is_only_ever_data(workspace: Workspace) -> None:
    write_hooks(workspace, copy=script(COPY))
    async with running(workspace) as events:
        await write(workspace, 1, printer="$(touch owned); `touch owned`\n| touch owned")
        assert (await next_of(events)).error is None
    assert not (workspace.home.folder / "owned").exists()
    assert len(got(workspace)) == 1


async def test_hooks_that_are_edited_run_without_a_restart_and_wrong_settings_stop_none(workspace: Workspace) -> None:
    write_hooks(workspace, copy=script(COPY, property="printer"))
    async with running(workspace) as events:
        write_hooks(workspace, copy=script(COPY, property="vid"), other=script(COPY, property="printer"))
        await wait_until(lambda: set(read_states(workspace.home.folder)) == {"copy", "other"})
        await write(workspace, 1, printer="a", vid=1)
        assert {(await next_of(events)).hook for _ in range(2)} == {"copy", "other"}
        workspace.home.settings.write_text("[hooks")
        shown = await next_of(events)
        assert shown.error is not None
        assert shown.fact is None
        await write(workspace, 1, printer="b")
        assert (await next_of(events)).hook == "other", "those of before go on"
    assert sorted(got(workspace), key=str) == [("printer", "a"), ("printer", "b"), ("vid", 1)]


async def test_a_state_that_is_being_written_is_written_before_the_runner_ends(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hooks(workspace, copy=script(COPY))
    begun, may_end = threading.Event(), threading.Event()
    save = StateFile.save

    def slow_save(file: StateFile) -> None:
        begun.set()
        assert may_end.wait(DEADLINE_S)
        save(file)

    monkeypatch.setattr(StateFile, "save", slow_save)
    async with await Workspace.open(workspace.home.folder, user="Maier") as own:
        task = asyncio.create_task(run_hooks(own, lambda event: None))
        await wait_until(begun.is_set)
        task.cancel()
        for _turn in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        assert is_running(workspace.home.folder), "no other process may begin"
        may_end.set()
        await asyncio.gather(task, return_exceptions=True)
    assert set(read_states(workspace.home.folder)) == {"copy"}


async def test_only_one_process_runs_them(workspace: Workspace) -> None:
    write_hooks(workspace, copy=script(COPY))
    async with running(workspace) as events, running(workspace) as others:
        await write(workspace, 1, printer="a")
        assert (await next_of(events)).error is None
        assert others.empty()
    assert len(got(workspace)) == 1


async def test_a_state_that_cannot_be_read_is_refused_and_reported(workspace: Workspace) -> None:
    write_hooks(workspace, copy=script(COPY))
    (workspace.home.folder / STATE_FILE).write_text("[")
    with pytest.raises(FieldlineError, match="delete it"):
        await run_hooks(workspace, lambda event: None)
    assert [finding.severity for finding in check_hooks(workspace.home.folder, 0)] == ["problem"]


async def test_hooks_that_nobody_runs_are_reported(workspace: Workspace) -> None:
    assert check_hooks(workspace.home.folder, 0) == []
    write_hooks(workspace, copy=script(COPY), wrong={})
    found = check_hooks(workspace.home.folder, 0)
    assert [finding.severity for finding in found] == ["problem", "warning"]
    assert "fieldline serve" in str(found[1].message)
