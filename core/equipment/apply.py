"""Carry out a plan: exactly its steps, under a lock.

Each is looked at again before, and read back after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from core.equipment import cups, process, template_file
from core.equipment.home_lock import home_lock
from core.equipment.inspection import Inspection, Inspector, fingerprint, followup_fingerprint
from core.equipment.plan import PropertyState, Step, plan, plan_property, unreadable_problem
from core.equipment.settings import CUPS_DEFAULT, CommandWriter, Rule, TemplateWriter
from core.equipment.value_text import check_argument, fill_argv
from core.errors import FieldlineError
from core.values import quote_value

OnStep = Callable[[Step], None]
"""Told of each step when it has ended, and of one that begins (still planned)."""


def ignore_step(step: Step) -> None:
    """Where nobody wants to know."""


async def make_plan(inspector: Inspector) -> list[Step]:
    """What applying would do now; changes nothing.

    Raises FieldlineError if the place is not known.
    """
    return plan(require_place(await inspector.inspect()).states)


async def apply(inspector: Inspector, steps: Sequence[Step] | None = None, on_step: OnStep = ignore_step) -> list[Step]:
    """Set this device up as the fleet says.

    The steps that were shown, or (None) those of now; as they ended.

    Raises FieldlineError if the place is not known or another process applies; nothing was changed then.
    """
    with home_lock(inspector.context.home.folder):
        inspection = require_place(await inspector.inspect())
        planned = plan(inspection.states)
        if steps is not None:
            now = {step.property: step for step in planned}
            planned = [_still_planned(step, now.get(step.property)) for step in steps]
        ended = []
        for step in planned:
            if step.outcome == "planned":
                on_step(step)
                step = await _carry_out(inspector, inspection, step)  # noqa: PLW2901 - it is the same step, ended
            on_step(step)
            ended.append(step)
        return ended


def require_place(inspection: Inspection) -> Inspection:
    """This inspection; raises FieldlineError if the place is not known."""
    if inspection.location.place is None and not inspection.states:
        raise inspection.location.problem or FieldlineError("The place of this device is not known: choose it by hand.")
    return inspection


def _still_planned(shown: Step, now: Step | None) -> Step:
    """A step that was shown, if it is still what is wanted."""
    if shown.outcome != "planned":
        return shown
    if now is None or (now.entity, now.wanted) != (shown.entity, shown.wanted):
        why = FieldlineError(
            "What is configured for {property} has changed since the plan was made: look at it again.",
            property=shown.property,
        )
        return shown.ended("skipped", why)
    return now


async def _carry_out(inspector: Inspector, inspection: Inspection, step: Step) -> Step:
    [state] = await inspector.read_states(inspection, [step.property])
    now = plan_property(state)
    if now.outcome != "planned":
        return now
    rule, journal = inspection.settings.rules[step.property], inspector.journal
    number = await asyncio.to_thread(journal.begin, inspector.context.clock(), step.property, now.now, now.wanted)
    try:
        await _act(inspector, inspection, rule, now)
        ended = await _verify(inspector, inspection, rule, now)
    except FieldlineError as problem:
        ended = now.ended("failed", problem)
    await asyncio.to_thread(journal.end, number, inspector.context.clock(), ended.outcome, ended.problem, ended.wanted)
    return ended


async def _act(inspector: Inspector, inspection: Inspection, rule: Rule, step: Step) -> None:
    """Set the value, then run what follows.

    Only if setting it succeeded, and until it has succeeded itself.
    """
    journal, folder, name, wanted = inspector.journal, inspector.context.home.folder, step.property, step.wanted or ""
    if step.action == "apply":
        check = None
        if rule.builtin == CUPS_DEFAULT:
            check_argument(name, wanted)
            await cups.set_default(wanted)
        elif isinstance(rule.write, TemplateWriter):
            text = await asyncio.to_thread(inspector.render, inspection, rule)
            check = followup_fingerprint(rule) or None
            # First the debt, then the file: a crash between both runs once too often what follows, never too seldom.
            await asyncio.to_thread(journal.set_owed, name, check)
            await asyncio.to_thread(template_file.write_text, folder / rule.write.target, text)
        elif isinstance(rule.write, CommandWriter):
            argv = fill_argv(rule.write.argv, name, wanted, rule.write.allowed)
            await asyncio.to_thread(journal.set_applied, name, None)
            output = await process.run(argv, timeout_s=rule.write.timeout_s, folder=folder)
            if problem := process.exit_problem(argv, output):
                raise problem
            check = followup_fingerprint(rule) or None
            await asyncio.to_thread(journal.set_owed, name, check)
        await asyncio.to_thread(journal.set_applied, name, fingerprint(wanted))
    await _follow_up(inspector, rule, folder)


async def _follow_up(inspector: Inspector, rule: Rule, folder: Path) -> None:
    if rule.write is None:
        return
    for argv in rule.write.then:
        output = await process.run(argv, timeout_s=rule.write.timeout_s, folder=folder)
        if problem := process.exit_problem(argv, output):
            raise problem
    await asyncio.to_thread(inspector.journal.set_owed, rule.property, None)


async def _verify(inspector: Inspector, inspection: Inspection, rule: Rule, step: Step) -> Step:
    """What became of a step, by reading back."""
    if rule.builtin == CUPS_DEFAULT:
        await cups.read_back(step.wanted or "")
    [state] = await inspector.read_states(inspection, [step.property])
    if state.verdict == "unknown":
        return step.ended("unknown", unreadable_problem(step.property))
    if state.verdict == "same":
        return step.ended("done")
    return step.ended("failed", _not_so_problem(state))


def _not_so_problem(state: PropertyState) -> FieldlineError:
    if state.problem is not None and state.verdict in ("error", "differs") and not state.is_owed:
        return state.problem
    return FieldlineError(
        "{property} was set, but this device still has {actual}.",
        property=state.property,
        actual=quote_value(state.actual or ""),
    )
