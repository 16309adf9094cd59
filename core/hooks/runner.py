"""Run the hooks: for each value that changes, in order, each hook's command.

Until it succeeds or its limit is reached.

A hook's place in the feed is on the disk before it goes on, so that after any end of this process each value is given
to it at least once; twice only if the end came while its command ran or before that was written.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.device.context import DeviceContext
from core.equipment import process
from core.errors import FieldlineError
from core.hooks.settings import Hook, parse_hooks
from core.hooks.state_file import HookState, StateFile
from core.store.connection import StoreGone
from core.workspace import feed
from core.workspace.feed import NamedEntry

BACKOFF_BASE_S = 1.0
"""Before the second attempt; twice as long before each further one."""
BACKOFF_MAX_S = 300.0
"""What a command talks to is back within minutes, or somebody has to mend it."""
LOCK_RETRY_S = 5.0
"""How often is looked whether the process that runs the hooks has ended."""
SETTINGS_INTERVAL_S = 5.0
"""How often the settings are read again: who has edited them waits that long, and a small file costs nothing."""
RETRY_AFTER_ERROR_S = 10.0
"""Before the store or the disk is tried again."""


@dataclass(frozen=True, slots=True)
class HookEvent:
    """A hook was run for a value, `attempt` counts from 1.

    `error` says why it failed, `has_given_up` that it is not tried again. Without a fact, the hook cannot be run now.
    """

    hook: str
    fact: bytes | None
    attempt: int
    error: FieldlineError | None
    has_given_up: bool = False


OnHookEvent = Callable[[HookEvent], None]


async def run_hooks(
    workspace: DeviceContext,
    on_event: OnHookEvent,
    *,
    backoff_base_s: float = BACKOFF_BASE_S,
    settings_interval_s: float = SETTINGS_INTERVAL_S,
) -> None:
    """Run the hooks of the settings until cancelled, or until the store is gone.

    The settings are read again when the file is another one; while they are wrong, the hooks of before go on.

    `workspace` has to be one of its own: nobody else may wait for its changes. Raises FieldlineError for a state that
    cannot be read.
    """
    hooks: list[Hook] = []
    while True:
        text = _settings_text(workspace)
        hooks = _read_hooks(workspace, on_event, hooks)
        changed = asyncio.create_task(_wait_for_settings(workspace, text, settings_interval_s))
        running = asyncio.create_task(_run_until_cancelled(workspace, hooks, on_event, backoff_base_s))
        try:
            await asyncio.wait({changed, running}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (changed, running):
                task.cancel()
            await asyncio.gather(changed, running, return_exceptions=True)
        if not changed.cancelled():
            continue
        await running
        return


def _read_hooks(workspace: DeviceContext, on_event: OnHookEvent, before: list[Hook]) -> list[Hook]:
    """The hooks of the settings that can be run.

    Those of before, and a word about it, if they cannot be read.
    """
    try:
        hooks = parse_hooks(workspace.home.read_settings())
    except FieldlineError as problem:
        on_event(HookEvent("", None, 0, problem))
        return before
    for hook in hooks:
        if hook.problem is not None:
            on_event(HookEvent(hook.name, None, 0, hook.problem))
    return [hook for hook in hooks if hook.problem is None]


async def _wait_for_settings(workspace: DeviceContext, before: str, interval_s: float) -> None:
    """Wait until the hooks in the settings change, or whether they can be read."""
    while _settings_text(workspace) == before:  # noqa: ASYNC110 - an editor tells nobody
        await asyncio.sleep(interval_s)


def _settings_text(workspace: DeviceContext) -> str:
    try:
        return repr(workspace.home.read_settings().get("hooks"))
    except FieldlineError as problem:
        return str(problem)


async def _run_until_cancelled(
    workspace: DeviceContext, hooks: Sequence[Hook], on_event: OnHookEvent, backoff_base_s: float
) -> None:
    """Run these hooks until cancelled, or until the store is gone.

    Without any only wait.
    """
    if not hooks:
        await asyncio.Event().wait()
    file = StateFile(workspace.home.folder)
    while not file.try_lock():  # noqa: ASYNC110 - it is another process that releases it
        await asyncio.sleep(LOCK_RETRY_S)
    try:
        file.load()
        await _HookRunner(workspace, file, on_event, backoff_base_s).run(hooks)
    finally:
        file.close()


class _HookRunner:
    """Hooks that follow the feed side by side: one that fails holds up no other."""

    def __init__(self, workspace: DeviceContext, file: StateFile, on_event: OnHookEvent, backoff_base_s: float) -> None:
        self._workspace = workspace
        self._file = file
        self._on_event = on_event
        self._backoff_base_s = backoff_base_s
        self._saving = asyncio.Lock()

    async def run(self, hooks: Sequence[Hook]) -> None:
        end = await feed.read_position(self._workspace, await feed.find_cursor(self._workspace, None))
        # Whoever adds a hook wants what changes from now on, and not the years before.
        known = self._file.states
        self._file.states = {hook.name: known.get(hook.name) or HookState(end) for hook in hooks}
        await self._save()
        changed = {hook.name: asyncio.Event() for hook in hooks}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_store(list(changed.values())))
                for hook in hooks:
                    group.create_task(self._follow(hook, changed[hook.name]))
        except* StoreGone:
            # Who serves from the same store finds it out, too, and says so.
            pass

    async def _watch_store(self, changed: Sequence[asyncio.Event]) -> None:
        while True:
            try:
                await self._workspace.store.wait_for_change()
            except StoreGone:
                raise
            except FieldlineError:
                # Those who read from it report that.
                await asyncio.sleep(RETRY_AFTER_ERROR_S)
            for each in changed:
                each.set()

    async def _follow(self, hook: Hook, changed: asyncio.Event) -> None:
        while True:
            changed.clear()
            try:
                await self._catch_up(hook, self._file.states[hook.name])
            except StoreGone:
                raise
            except FieldlineError as error:
                self._on_event(HookEvent(hook.name, None, 0, error))
                await asyncio.sleep(RETRY_AFTER_ERROR_S)
            else:
                await changed.wait()

    async def _catch_up(self, hook: Hook, state: HookState) -> None:
        """Run a hook for all that is there now."""
        cursor = await feed.find_cursor(self._workspace, state.position)
        is_last = False
        while not is_last:
            step = await feed.read_step(self._workspace, cursor)
            for each in step.entries:
                if hook.wants(each.kind, each.entry.property):
                    await self._deliver(hook, state, each)
            position = await feed.read_position(self._workspace, step.cursor)
            if position != state.position:
                state.position = position
                await self._save()
            cursor, is_last = step.cursor, step.is_last

    async def _deliver(self, hook: Hook, state: HookState, named: NamedEntry) -> None:
        """Run a hook for one value until it succeeds, or is given up."""
        fact = named.entry.position
        data = json.dumps(named.as_json()).encode() + b"\n"
        for attempt in range(1, hook.attempts + 1):
            error = await self._run_once(hook, data)
            state.set_error(error)
            state.failure_count = 0 if error is None else state.failure_count + 1
            is_over = error is None or attempt == hook.attempts
            if is_over:
                state.position = fact.hex()
            if error is not None and is_over:
                state.given_up_count += 1
                state.given_up_fact, state.given_up_at_us = fact.hex(), self._workspace.clock()
            await self._save()
            self._on_event(HookEvent(hook.name, fact, attempt, error, error is not None and is_over))
            if is_over:
                return
            await asyncio.sleep(min(self._backoff_base_s * 2 ** min(attempt - 1, 30), BACKOFF_MAX_S))

    async def _run_once(self, hook: Hook, data: bytes) -> FieldlineError | None:
        """Run a hook's command; gives why it failed, None if it did not."""
        try:
            output = await process.run(
                hook.argv, timeout_s=hook.timeout_s, folder=self._workspace.home.folder, stdin=data
            )
        except FieldlineError as error:
            return error
        return process.exit_problem(hook.argv, output)

    async def _save(self) -> None:
        """Write the state, to its end also when cancelled meanwhile.

        Else it could land on what the next runner, here or in another process, has written by then.
        """
        async with self._saving:
            saving = asyncio.create_task(asyncio.to_thread(self._file.save))
            try:
                await asyncio.shield(saving)
            finally:
                await asyncio.wait({saving})
