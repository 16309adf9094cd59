"""Plans: applying one gives what is wanted or says why not.

Again there is nothing to do; a dry run equals the run.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.equipment.apply import apply, make_plan
from core.equipment.inspection import Inspection, Inspector, Subject, fingerprint
from core.equipment.location import Location
from core.equipment.plan import PropertyState, plan, plan_property
from core.equipment.readers import Surroundings
from core.equipment.settings import parse_settings
from core.errors import FieldlineError
from core.records import Record
from core.schema import Kind, Property

NAMES = ("a", "b", "c", "d")
VALUES = st.one_of(
    st.none(), st.sampled_from(["x", "y z", "-o", "a\nb", "{b}", "{{a}}", "$(x)", "--", "ä€"]), st.text(max_size=8)
)
VERDICTS = st.sampled_from(["same", "differs", "unknown", "error", "unmanaged"])

STATES = st.builds(
    PropertyState,
    entity=st.just(b"p"),
    property=st.sampled_from(NAMES),
    verdict=VERDICTS,
    wanted_text=st.one_of(st.none(), st.text(max_size=3)),
    actual=st.one_of(st.none(), st.text(max_size=3)),
    can_read=st.booleans(),
    can_write=st.booleans(),
    is_owed=st.booleans(),
    is_set=st.booleans(),
    is_applied=st.booleans(),
    problem=st.one_of(st.none(), st.just(FieldlineError("why"))),
)


@given(st.lists(STATES, max_size=6))
def test_a_plan_acts_only_where_something_differs_and_can_be_set(states: list[PropertyState]) -> None:
    steps = plan(states)
    assert [s.property for s in steps] == [s.property for s in states if s.verdict != "unmanaged"]
    for state, step in zip([s for s in states if s.verdict != "unmanaged"], steps, strict=True):
        assert (step.action == "none") == (step.outcome != "planned")
        if step.action == "apply":
            assert state.verdict in ("differs", "unknown")
            assert state.can_write
            assert state.wanted_text is not None
        if step.outcome in ("skipped", "unknown"):
            assert step.problem is not None
        if state.verdict == "error":
            assert step.outcome == "failed"


@dataclass
class Bench:
    """An inspector over a folder.

    Places and facts are given, files and the journal are real.
    """

    folder: Path
    wanted: dict[str, str | None]
    rules: dict[str, object]

    def inspector(self) -> Inspector:
        """The device as it is now."""
        return _FixedInspector(self)


class _Context:
    """What an inspector needs of an opened device here."""

    def __init__(self, folder: Path) -> None:
        self.home = type("Home", (), {"folder": folder})()
        self.count = 0

    def clock(self) -> int:
        """A time."""
        return 1

    def entropy(self, size: int) -> bytes:
        """Bytes that did not come before."""
        self.count += 1
        return self.count.to_bytes(size, "big")


class _FixedInspector(Inspector):
    """Reads real files and commands for a place that is given."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(_Context(bench.folder))  # type: ignore[arg-type]
        self._bench = bench

    async def inspect(self) -> Inspection:
        kind = Kind("place", properties={name: Property(name) for name in NAMES})
        subjects = {name: Subject(Record(b"p", "place"), kind, kind.properties[name]) for name in NAMES}
        wanted = dict(self._bench.wanted)
        settings = parse_settings({"equipment": self._bench.rules})
        bare = Inspection(Location(None, b"p"), (), subjects, wanted, settings, Surroundings())
        states = await self.read_states(bare, list(NAMES))
        return Inspection(bare.location, tuple(states), subjects, wanted, settings, bare.around)


def _rule(name: str, shape: str, is_readable: bool) -> dict[str, object]:
    rule: dict[str, object] = {}
    if is_readable:
        rule["read"] = {"file": f"{name}.conf", "pattern": "^v=(.*)$"}
    if shape == "template":
        rule["apply"] = {"template": f"{name}.in", "to": f"{name}.conf"}
    elif shape == "read-only":
        rule["read"] = {"file": f"{name}.conf"}
    return rule


TEMPLATES = st.sampled_from(["v={value}\n", "v={value}\nother={b}\n", "no value\n", "v={nope}\n"])
SHAPES = st.tuples(st.sampled_from(["template", "read-only"]), st.booleans(), TEMPLATES)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "equipment.lock"}


@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, SHAPES)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, st.one_of(st.none(), st.just("v=x\n"), st.just("junk")))),
)
@settings(max_examples=30)
def test_applying_gives_what_is_wanted_or_says_why_not(
    wanted: dict[str, str | None],
    shapes: dict[str, tuple[str, bool, str]],
    present: dict[str, str | None],
) -> None:
    asyncio.run(_apply_twice(wanted, shapes, present))


async def _apply_twice(
    wanted: dict[str, str | None], shapes: dict[str, tuple[str, bool, str]], present: dict[str, str | None]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rules = {each: _rule(each, shape, readable) for each, (shape, readable, _text) in shapes.items()}
        for each, (_shape, _readable, text) in shapes.items():
            (folder / f"{each}.in").write_text(text)
            if (content := present[each]) is not None:
                (folder / f"{each}.conf").write_text(content)
        bench = Bench(folder, wanted, {each: rule for each, rule in rules.items() if rule})
        inspector = bench.inspector()
        before = _files(folder)
        planned = await make_plan(inspector)
        assert _files(folder) == before
        ended = await apply(inspector)
        assert [(s.property, s.wanted) for s in ended] == [(s.property, s.wanted) for s in planned]
        for step, was in zip(ended, planned, strict=True):
            assert (was.outcome == "planned") == (step.action != "none")
            state = (await inspector.inspect()).state(step.property)
            if step.outcome == "done":
                assert state.verdict == "same"
            elif step.outcome != "same":
                assert step.problem is not None
                assert str(step.problem)
            if was.outcome != "planned":
                assert (folder / f"{step.property}.conf").exists() == (present[step.property] is not None)
        after = {n: d for n, d in _files(folder).items() if n.endswith(".conf")}
        again = await apply(inspector)
        assert not [step for step in again if step.outcome == "done"]
        assert {n: d for n, d in _files(folder).items() if n.endswith(".conf")} == after


@pytest.mark.soak
@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, SHAPES)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, st.one_of(st.none(), st.just("v=x\n"), st.just("junk")))),
)
@settings(max_examples=10_000)
def test_ten_thousand_plans(
    wanted: dict[str, str | None],
    shapes: dict[str, tuple[str, bool, str]],
    present: dict[str, str | None],
) -> None:
    asyncio.run(_apply_twice(wanted, shapes, present))


def test_what_was_applied_and_cannot_be_read_is_not_applied_again() -> None:
    state = PropertyState(b"p", "a", "unknown", "x", "x", can_write=True)
    assert plan_property(state).action == "apply"
    applied = PropertyState(b"p", "a", "unknown", "x", "x", can_write=True, is_applied=True)
    assert (plan_property(applied).action, plan_property(applied).outcome) == ("none", "unknown")
    assert fingerprint("a", "b") != fingerprint("ab")
