"""Find what is wrong with the hooks, for `doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.device.home import Home
from core.errors import FieldlineError
from core.hooks.settings import Hook, parse_hooks
from core.hooks.state_file import HookState, is_running, read_states
from core.workspace.diagnostics import DAY_US, Finding


def check_hooks(folder: Path, now_us: int) -> list[Finding]:
    """Check the hooks of a home at a time (microseconds since 1970 UTC).

    Nothing is found where there are none, nor where the settings cannot be read, which another check tells.
    """
    try:
        settings = Home(folder).read_settings()
    except FieldlineError:
        return []
    try:
        hooks = parse_hooks(settings)
        states = read_states(folder) if hooks else {}
    except FieldlineError as error:
        return [Finding("hooks", "problem", error)]
    if not hooks:
        return []
    found = [finding for hook in hooks for finding in _check_hook(hook, states.get(hook.name), now_us)]
    if not is_running(folder):
        message = FieldlineError("No hook is run, as `fieldline serve` does not run for this device: start it.")
        found.append(Finding("hooks", "warning", message))
    return found or [Finding("hooks", "good")]


def _check_hook(hook: Hook, state: HookState | None, now_us: int) -> Iterator[Finding]:
    if hook.problem is not None:
        yield Finding("hooks", "problem", hook.problem)
    elif state is not None and (error := state.last_error()) is not None:
        message = FieldlineError(
            "The hook {hook} failed {count} times in a row: {why}", hook=hook.name, count=state.failure_count, why=error
        )
        yield Finding("hooks", "warning", message)
    if state is not None and state.given_up_count and state.given_up_at_us > now_us - DAY_US:
        message = FieldlineError(
            "The hook {hook} was given up for {count} values, the last of which is {fact}: mend it, and give it what it"
            " missed by hand (`fieldline watch --json`).",
            hook=hook.name,
            count=state.given_up_count,
            fact=state.given_up_fact,
        )
        yield Finding("hooks", "warning", message)
