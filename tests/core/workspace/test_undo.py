"""Undo and redo, what leads to a conflict, its start, and restored subtrees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from core.errors import FieldlineError
from core.records import Edit, make_edit
from core.resolution import ResolutionRule
from core.schema import RETIRED
from core.schema_toml import load_builtin_schema
from core.slots import Conflict
from core.store.queries.log import LogFilter
from core.value_codec import Ref, Value
from core.workspace import Workspace, revisions, undo, value_history
from core.workspace.lineage import MAX_GENERATIONS, trace_ancestry

MINUTE = 60_000_000


class Clock:
    """A clock that stands where it was set."""

    def __init__(self) -> None:
        self.now = 1_767_225_600_000_000

    def __call__(self) -> int:
        self.now += MINUTE
        return self.now


CLOCK = Clock()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Workspace, Workspace]]:
    """Two devices that hold the same locality."""
    schema = load_builtin_schema("service-centre")
    one = await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="N", schema=schema, device_name="K1", clock=CLOCK
    )
    two = await Workspace.join(
        tmp_path / "K2", user="Jones", fleet=one.store.fleet.hex(), device_name="K2", clock=CLOCK
    )
    await one.admit(two.identity.device.hex(), "technician", "K2")
    await one.create("locality", {"code": "241", "name": "TSC Kiel"})
    await _meet(one, two)
    yield one, two
    await one.close()
    await two.close()


async def _meet(giver: Workspace, taker: Workspace) -> None:
    await taker.store.save_blocks(await giver.store.blocks(await giver.store.hashes()), link="tcp")


async def _kiel(device: Workspace) -> bytes:
    return await device.find("locality:241")


async def _set(device: Workspace, wanted: dict[str, Value]) -> None:
    await device.set(await device.record(await _kiel(device)), wanted)


async def _value(device: Workspace, name: str) -> Value:
    return (await device.record(await _kiel(device))).value(name)


async def _undo(device: Workspace) -> undo.UndoPlan | None:
    turn = await undo.plan_next_undo(device)
    if turn.edits:
        await undo.apply_plan(device, turn, None)
    return turn


async def _redo(device: Workspace) -> undo.UndoPlan | None:
    turn = await undo.plan_next_redo(device)
    if turn is not None:
        await undo.apply_plan(device, turn, None)
    return turn


async def test_undo_step_by_step_and_redo_to_the_last(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    for name in ("A", "B", "C"):
        await _set(one, {"tsc_server": name})
    seen = []
    for turn in (_undo, _undo, _undo, _redo, _redo, _redo):
        assert await turn(one) is not None
        seen.append(await _value(one, "tsc_server"))
    assert seen == ["B", "A", None, "A", "B", "C"]
    assert await _redo(one) is None
    await _undo(one)
    assert await _value(one, "tsc_server") == "B"


async def test_a_creation_is_taken_back_after_the_edits_since(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    made = await one.create("place", {"name": "Lane 9", "locality": Ref(await _kiel(one))})
    await one.set(await one.record(made.entity), {"printer": "Brix"})
    await _undo(one)
    assert not (await one.record(made.entity)).retired
    await _undo(one)
    assert (await one.record(made.entity)).retired
    await _redo(one)
    await _redo(one)
    record = await one.record(made.entity)
    assert (record.retired, record.value("printer")) == (False, "Brix")


async def test_nothing_is_brought_back_over_something_new(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    await _set(one, {"tsc_server": "A"})
    await _undo(one)
    await _set(one, {"tsc_server": "B"})
    assert await undo.plan_next_redo(one) is None
    await _undo(one)
    assert await _value(one, "tsc_server") is None


async def test_what_somebody_else_has_changed_since_is_passed_over(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    await _set(one, {"name": "TSC Kiel Nord"})
    await _set(one, {"tsc_server": "A"})
    await _meet(one, two)
    await _set(two, {"tsc_server": "J"})
    await _meet(two, one)
    turn = await undo.plan_next_undo(one)
    [(entry, left)] = turn.not_undoable
    assert (entry.user, left and left.property) == ("Maier", "tsc_server")
    assert left
    assert left.reason.params == {"user": "Jones"}
    assert [each.property for each in turn.edits] == ["name"]


async def test_only_ones_own_changes_are_taken_back(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    await _set(one, {"tsc_server": "A"})
    await _meet(one, two)
    assert not (await undo.plan_next_undo(two)).edits
    one.user = "Smith"
    assert not (await undo.plan_next_undo(one)).edits


async def _conflict(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    await _set(one, {"tsc_server": "A"})
    await _meet(one, two)
    await _set(one, {"tsc_server": "B"})
    await _set(two, {"tsc_server": "J"})
    await _meet(two, one)


async def test_a_settlement_taken_back_opens_the_question_again(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    await _conflict(pair)
    await _set(one, {"tsc_server": "S"})
    await _undo(one)
    slot = (await one.record(await _kiel(one))).slot("tsc_server")
    assert isinstance(slot, Conflict)
    assert {leaf.value for leaf in slot.leaves} == {"B", "J"}
    await _meet(one, two)
    assert (await two.record(await _kiel(two))).slot("tsc_server") == slot
    await _redo(one)
    assert (await one.record(await _kiel(one))).slot("tsc_server").state == "good"
    assert await _value(one, "tsc_server") == "S"


Shown = dict[str, tuple[str, list[tuple[Value, str, bytes]]]]


async def _shown(device: Workspace, entity: bytes) -> Shown:
    """Each slot: its state and candidates, the one in use first, with authors."""
    slots = (await device.record(entity)).slots
    return {n: (s.state, [(c.value, c.user, c.device) for c in s.leaves]) for n, s in slots.items()}


async def _resolve(one: Workspace, kiel: bytes) -> None:
    record = await one.record(kiel)
    loser = record.slot("tsc_server").leaves[-1]
    await one.resolve_with_candidate(record, "tsc_server", loser.fact.hex(), None)


async def _resolve_by_rule(one: Workspace, kiel: bytes) -> None:
    record, rule = await one.record(kiel), ResolutionRule(user="Maier")
    edits = []
    for name, slot in record.slots.items():
        if isinstance(slot, Conflict):
            chosen = rule.choose(slot.candidates)
            assert chosen is not None
            edits.append(make_edit(record, name, chosen.value))
    assert len(edits) == 2
    await one.save(edits)


async def _clear(one: Workspace, kiel: bytes) -> None:
    await one.clear(await one.record(kiel), ["tsc_server", "name"], None)


async def _restore(one: Workspace, kiel: bytes) -> None:
    # To when nothing was said of it but code and name.
    first = (await one.store.now().log(LogFilter(entity=kiel), newest_first=False))[0]
    assert await one.save(await one.plan_restore(kiel, first.at_us))


async def _retire(one: Workspace, kiel: bytes) -> None:
    await one.save([make_edit(await one.record(kiel), RETIRED, True)])


async def _bulk_edit(one: Workspace, kiel: bytes) -> None:
    entities = [kiel, *(each.entity for each in await one.store.now().records("place", await one.schema()))]
    records = [await one.record(entity) for entity in entities]
    await one.save([make_edit(record, "name", f"{number} renamed") for number, record in enumerate(records)])


@pytest.mark.parametrize("act", [_resolve, _resolve_by_rule, _clear, _restore, _retire, _bulk_edit])
@pytest.mark.parametrize("is_last", [True, False])
async def test_after_an_undo_everything_is_exactly_as_before_on_every_device(
    pair: tuple[Workspace, Workspace], act: Callable[[Workspace, bytes], Awaitable[None]], is_last: bool
) -> None:
    """`undo --last` equals `undo CHANGE` of the latest, on screens and by verb."""
    one, two = pair
    kiel = await _kiel(one)
    lane = (await one.create("place", {"name": "Lane 1", "locality": Ref(kiel)})).entity
    await _conflict(pair)
    await _meet(one, two)
    await _set(one, {"subnet": "10.1.0.0/24"})
    await _set(two, {"subnet": "10.2.0.0/24"})
    await _meet(one, two)
    await _meet(two, one)
    before = [await _shown(one, entity) for entity in (kiel, lane)]
    assert [before[0][name][0] for name in ("tsc_server", "subnet", "name")] == ["conflict", "conflict", "good"]
    items = [(item.type, item.property, item.candidates) for item in await one.inbox()]

    await act(one, kiel)
    (acted,) = await one.store.now().log(limit=1)
    after = [await _shown(one, entity) for entity in (kiel, lane)]
    assert after != before
    plan = await (undo.plan_next_undo(one) if is_last else undo.plan_undo(one, acted.change))
    assert plan.skipped == ()
    made = await undo.apply_plan(one, plan, None)
    (undone,) = await one.store.now().log(limit=1)
    assert (undone.change, undone.fact_count) == (made, acted.fact_count)
    await _meet(one, two)
    for device in pair:
        assert [await _shown(device, entity) for entity in (kiel, lane)] == before
        assert [(item.type, item.property, item.candidates) for item in await device.inbox()] == items
        assert [(d.old, d.new) for d in await device.view().fact_diffs(undone.change)] == [
            (d.new, d.old) for d in await device.view().fact_diffs(acted.change)
        ]
        assert [
            await device.view(at).slot(kiel, name) for at in (acted.at_us, undone.at_us) for name in ("name", RETIRED)
        ] == [await one.view(at).slot(kiel, n) for at in (acted.at_us, undone.at_us) for n in ("name", RETIRED)]
    assert (await one.view(acted.at_us).record(kiel, await one.schema())).slots.keys() == after[0].keys()

    await _redo(one)
    await _meet(one, two)
    for device in pair:
        assert [await _shown(device, entity) for entity in (kiel, lane)] == after
    await _undo(one)
    assert [await _shown(one, entity) for entity in (kiel, lane)] == before
    assert (await one.store.verify()).problems == []


async def test_two_who_undo_the_same_have_undone_it_once(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    await _set(one, {"tsc_server": "A"})
    await _set(one, {"tsc_server": "B"})
    await _meet(one, two)
    (entry,) = await one.store.now().log(limit=1)
    for device in pair:
        await undo.apply_plan(device, await undo.plan_undo(device, entry.change), None)
    await _meet(one, two)
    await _meet(two, one)
    assert [await _value(device, "tsc_server") for device in pair] == ["A", "A"]
    again = await undo.plan_undo(one, entry.change)
    assert (again.edits, [str(left.reason) for left in again.skipped]) == ((), ["it is undone already"])


async def test_who_has_written_over_it_meanwhile_stands_and_the_redo_says_so(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    await _set(one, {"tsc_server": "A"})
    await _set(one, {"tsc_server": "B"})
    await _meet(one, two)
    await _undo(one)
    await _set(two, {"tsc_server": "J"})
    await _meet(two, one)
    await _meet(one, two)
    for device in pair:
        slot = (await device.record(await _kiel(device))).slot("tsc_server")
        assert (slot.state, slot.value) == ("good", "J")
    redo = await undo.plan_next_redo(one)
    assert redo is not None
    assert (redo.edits, [left.reason.params for left in redo.skipped]) == ((), [{"user": "Jones"}])


async def test_an_undo_that_somebody_overtakes_writes_nothing(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    await _set(one, {"tsc_server": "A"})
    await _meet(one, two)
    plan = await undo.plan_next_undo(one)
    await _set(two, {"tsc_server": "J"})
    await _meet(two, one)
    before = await one.store.summary()
    with pytest.raises(FieldlineError, match="changed it meanwhile"):
        await undo.apply_plan(one, plan, None)
    assert await one.store.summary() == before


async def test_what_was_set_for_the_first_time_is_absent_again_and_can_be_set_anew(
    pair: tuple[Workspace, Workspace],
) -> None:
    one, two = pair
    kiel = await _kiel(one)
    await _set(one, {"tsc_server": "A"})
    set_at = CLOCK.now
    await _undo(one)
    assert "tsc_server" not in (await one.record(kiel)).slots
    await _set(one, {"tsc_server": "C"})
    await _meet(one, two)
    assert [await _value(device, "tsc_server") for device in pair] == ["C", "C"]
    assert await one.plan_restore(kiel, set_at) != []
    await one.save(await one.plan_restore(kiel, set_at))
    assert await _value(one, "tsc_server") == "A"


async def test_what_leads_to_a_conflict_begins_with_what_both_had_seen(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    await _conflict(pair)
    leaves = [leaf.fact for leaf in (await one.record(await _kiel(one))).slot("tsc_server").leaves]
    steps = await trace_ancestry(one.store, leaves)
    assert [(step.value, step.user) for step in steps] == [("A", "Maier"), ("B", "Maier"), ("J", "Jones")]
    assert steps[0].parents == ()
    assert steps[1].parents == steps[2].parents == (steps[0].fact,)


async def test_what_leads_to_a_conflict_from_farther_back_is_said_to_be_more(pair: tuple[Workspace, Workspace]) -> None:
    one, two = pair
    await _set(one, {"tsc_server": "A"})
    await _meet(one, two)
    await _set(two, {"tsc_server": "J"})
    for number in range(MAX_GENERATIONS + 2):
        await _set(one, {"tsc_server": f"B{number}"})
    await _meet(two, one)
    leaves = [leaf.fact for leaf in (await one.record(await _kiel(one))).slot("tsc_server").leaves]
    steps = await trace_ancestry(one.store, leaves)
    assert [step.value for step in steps if step.has_more] == ["B2"]


async def test_more_edits_than_a_change_can_hold_are_taken_back_together(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    entities = [number.to_bytes(16, "big") for number in range(1, 700)]
    edits = [Edit(entity, "kind", "place", is_restored=True) for entity in entities]
    edits += [Edit(entity, "printer", "x" * 4000, is_restored=True) for entity in entities[:40]]
    made = await one.save(edits)
    (latest,) = await one.store.now().log(limit=1)
    assert (latest.change, len(latest.changes) > 2, latest.fact_count) == (made, True, len(edits))
    turn = await _undo(one)
    assert turn is not None
    assert turn.entry == latest
    assert (await one.record(entities[0])).retired
    assert (await one.record(entities[-1])).retired


async def test_a_save_of_several_localities_is_taken_back_as_one(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    kiel, bremen = await _kiel(one), (await one.create("locality", {"code": "242", "name": "TSC Bremen"})).entity
    records = [await one.record(entity) for entity in (kiel, bremen)]
    await one.save([make_edit(record, "name", "Moved") for record in records], "both")
    (entry,) = await one.store.now().log(limit=1)
    assert (len(entry.changes), entry.fact_count, entry.note) == (2, 2, "both")
    for each in entry.changes:
        plan = await undo.plan_undo(one, each)
        assert {edit.entity for edit in plan.edits} == {kiel, bremen}, "any of its changes stands for all"
    await _undo(one)
    assert [(await one.record(entity)).value("name") for entity in (kiel, bremen)] == ["TSC Kiel", "TSC Bremen"]
    await _redo(one)
    assert [(await one.record(entity)).value("name") for entity in (kiel, bremen)] == ["Moved", "Moved"]


async def test_when_it_became_so_passes_over_what_was_said_again(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    kiel = await _kiel(one)
    for value in ("A", "A", "B"):
        record = await one.record(kiel)
        await one.save([make_edit(record, "tsc_server", value)])
    log = await one.store.now().log()
    newest = log[0].cursor
    became = await value_history.find_value_change(one.store, kiel, "tsc_server", newest, is_newer=False)
    assert became is not None
    assert (became.old, became.new, became.entry.change) == (None, "A", log[2].change)
    after = await value_history.find_value_change(one.store, kiel, "tsc_server", became.entry.cursor, is_newer=True)
    assert after is not None
    assert (after.old, after.new, after.entry.change) == ("A", "B", log[0].change)
    assert await value_history.find_value_change(one.store, kiel, "tsc_server", newest, is_newer=True) is None


async def test_a_subtree_comes_back_as_it_was(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    kiel, schema = await _kiel(one), await one.schema()
    lane = await one.create("place", {"name": "Lane 1", "locality": Ref(kiel), "printer": "Brix"})
    then = CLOCK.now
    later = await one.create("place", {"name": "Lane 2", "locality": Ref(kiel)})
    other = await one.create("locality", {"code": "242"})
    await one.set(await one.record(lane.entity), {"printer": "Acme", "locality": Ref(other.entity)})
    await _set(one, {"name": "TSC Nowhere"})
    await one.save(await revisions.plan_restore_tree(one.store, kiel, then, schema))
    assert await _value(one, "name") == "TSC Kiel"
    record = await one.record(lane.entity)
    assert (record.value("printer"), record.value("locality")) == ("Brix", Ref(kiel))
    assert (await one.record(later.entity)).retired
    assert await revisions.plan_restore_tree(one.store, kiel, then, schema) == []


async def test_what_was_not_there_yet_is_not_brought_back(pair: tuple[Workspace, Workspace]) -> None:
    one, _ = pair
    with pytest.raises(FieldlineError, match="not there yet"):
        await revisions.plan_restore_tree(one.store, await _kiel(one), 1, await one.schema())
