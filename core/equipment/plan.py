"""What has to be done so that this device has what the fleet says of its place.

Pure.

Applying carries out exactly the steps of a plan; a dry run shows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from core.errors import FieldlineError
from core.value_codec import Value

Verdict = Literal["same", "differs", "unknown", "error", "unmanaged"]
Outcome = Literal["planned", "done", "same", "failed", "skipped", "unknown"]


@dataclass(frozen=True, slots=True)
class PropertyState:
    """A property of the place beside what this device has.

    `wanted` is the value in use, and `wanted_text` how this device's tools write it (None: nothing is configured);
    `actual` what they read. `is_owed`: what follows after setting it did not succeed yet; `is_set`: and that is all
    that differs. `is_applied`: this very value was applied before; without a reader that is all that is known.
    """

    entity: bytes
    property: str
    verdict: Verdict
    wanted: Value = None
    wanted_text: str | None = None
    actual: str | None = None
    is_provisional: bool = False
    problem: FieldlineError | None = None
    can_read: bool = False
    can_write: bool = False
    is_owed: bool = False
    is_set: bool = False
    is_applied: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one property, or what became of it.

    `action`: set the value and run what follows, run only what follows, or nothing.
    """

    entity: bytes
    property: str
    action: Literal["apply", "follow-up", "none"]
    now: str | None
    wanted: str | None
    outcome: Outcome
    problem: FieldlineError | None = None

    def ended(self, outcome: Outcome, problem: FieldlineError | None = None, now: str | None = None) -> Step:
        """This step with what became of it."""
        return replace(self, outcome=outcome, problem=problem, now=self.now if now is None else now)


def plan(states: Iterable[PropertyState]) -> list[Step]:
    """The steps that bring this device to what is wanted.

    In the order of the schema, one for each managed property.
    """
    return [plan_property(state) for state in states if state.verdict != "unmanaged"]


def plan_property(state: PropertyState) -> Step:
    """The step of one property."""

    def step(action: Literal["apply", "follow-up", "none"], outcome: Outcome, why: FieldlineError | None) -> Step:
        return Step(state.entity, state.property, action, state.actual, state.wanted_text, outcome, why)

    if state.verdict == "error":
        return step("none", "failed", state.problem)
    if state.is_owed and (state.is_set or (state.verdict == "unknown" and state.is_applied)):
        return step("follow-up", "planned", state.problem)
    if state.verdict == "same":
        return step("none", "same", state.problem)
    if state.wanted_text is None:
        return step("none", "skipped", FieldlineError("Nothing is configured for {property}.", property=state.property))
    if not state.can_write:
        return step("none", "skipped", state.problem or read_only_problem(state.property))
    if state.verdict == "unknown" and state.is_applied:
        return step("none", "unknown", unreadable_problem(state.property))
    return step("apply", "planned", None)


def read_only_problem(name: str) -> FieldlineError:
    """Why a property is only looked at."""
    return FieldlineError("settings.toml says how {property} is read, not how it is set.", property=name)


def unreadable_problem(name: str) -> FieldlineError:
    """Why nobody can tell whether a property is as it should be."""
    return FieldlineError("It was applied; whether {property} is so cannot be read here.", property=name)


def count_differing(states: Iterable[PropertyState]) -> int:
    """How many properties of the place differ from the fleet's, as far as known."""
    return sum(state.verdict in ("differs", "error") for state in states)
