"""A store's inbox equals a look at every entity, whatever was written since."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.changes import Block, decode_block
from core.inbox import InboxItem, find_inbox_items, stated_networks
from core.records import Record
from core.schema import Schema
from core.schema_toml import load_builtin_schema, parse_schema
from core.store.store import Store
from core.store.view import View
from core.value_codec import CHANGE_ID_BYTES, Ref, Value
from core.workspace.inbox import InboxReader
from tests.support.store_fleet import FLEET, FOUNDING, Pen, fact_of

CENTRE = load_builtin_schema("service-centre")
HEADS = [bytes([n]) * 16 for n in (1, 2)]
PLACES = [bytes([n]) * 16 for n in (3, 4, 5)]
NOBODY = b"\x09" * 16
VALUES: dict[str, list[Value]] = {
    "kind": ["place", "locality", "gadget", None],
    "retired": [True, True, None],
    "code": ["241", "242", 7],
    "name": ["Lane 1", "Lane 2"],
    "subnet": ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "nonsense"],
    "locality": [Ref(HEADS[0]), Ref(HEADS[1]), Ref(PLACES[0]), Ref(NOBODY), None],
    "docking_station": ["17e9:6006 #A1B2", "17e9:6006 #A1B3"],
    "card_terminal": ["11111111", "22222222", "123"],
    "colour": ["red", Ref(PLACES[1])],
}


WISHED = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/25", "10.2.3.0/24", "fd00::/8"]


@st.composite
def fleets(draw: st.DrawFn) -> list[list[bytes]]:
    """Blocks by several devices that found, name, connect, change and retire."""
    pens = [Pen(number) for number in range(1, 4)]
    first = [Fact(head, "kind", "locality") for head in HEADS] + [Fact(place, "kind", "place") for place in PLACES]
    batches = [[pens[0].write(*first, at=9)]]
    ids = [fact_of(batches[0][0], index) for index in range(len(first))]
    for _ in range(draw(st.integers(1, 4))):
        batch = []
        for _ in range(draw(st.integers(1, 4))):
            places = draw(st.lists(st.tuples(st.sampled_from(HEADS + PLACES), st.sampled_from(sorted(VALUES))),
                                   min_size=1, max_size=5, unique=True))  # fmt: skip
            facts = []
            for entity, name in places:
                seen = draw(st.lists(st.sampled_from(ids), unique=True, max_size=4))
                facts.append(Fact(entity, name, draw(st.sampled_from(VALUES[name])), tuple(sorted(seen))))
            data = draw(st.sampled_from(pens)).write(*facts, at=draw(st.integers(10, 30)))
            batch.append(data)
            ids += [fact_of(data, index) for index in range(len(facts))]
        batches.append(batch)
    return batches


def _position(block: Block) -> int:
    return block.header.fields.position


async def everything(view: View, schema: Schema, blocks: list[bytes]) -> list[InboxItem]:
    """The matters that a look at every entity finds."""
    records: dict[bytes, Record] = {}
    for entity in [*HEADS, *PLACES, NOBODY]:
        records[entity] = await view.record(entity, schema)
    decoded = [decode_block(data) for data in blocks]
    chains = {b.id: {o.id for o in decoded if o.device == b.device and _position(o) < _position(b)} for b in decoded}
    before = {b.id: chains[b.id] | {t[:CHANGE_ID_BYTES] for f in b.facts for t in f.obsoletes} for b in decoded}

    def ancestors(change: bytes) -> Iterator[bytes]:
        work, seen = [change], {change}
        while work:
            yield (each := work.pop())
            work += before.get(each, set()) - seen
            seen |= before.get(each, set())

    known = {change: set(ancestors(change)) for change in before}
    return find_inbox_items([r for r in records.values() if r.slots], schema, lambda a, b: b in known[a], records.get)


def reported(found: list[InboxItem]) -> list[tuple[object, ...]]:
    return [
        (m.type, m.entity, m.key, m.property, m.entities, str(m.message), [c.fact for c in m.candidates]) for m in found
    ]


@settings(max_examples=30)
@given(fleets(), st.booleans(), st.integers(9, 31))
async def test_the_inbox_is_what_a_look_at_every_entity_gives(
    batches: list[list[bytes]], backwards: bool, moment: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.create(Path(folder) / "store.db", fleet=FLEET, clock=lambda: 100)
        settling = InboxReader(store)
        await store.save_blocks(FOUNDING)
        saved = list(FOUNDING)
        for batch in reversed(batches) if backwards else batches:
            await store.save_blocks(batch)
            saved += batch
            for view in (store.now(), store.as_of(moment)):
                found = await settling.read_all(view, CENTRE, lambda done, of: None)
                assert reported(found) == reported(await everything(view, CENTRE, saved))
        assert (await store.verify(CENTRE)).problems == []
        await store.close()


@settings(max_examples=30)
@given(
    fleets(), st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/25", "10.2.3.0/24", "fd00::/8"]), st.booleans()
)
async def test_networks_that_overlap_a_wished_one_are_found_without_reading_all(
    batches: list[list[bytes]], wished: str, read: bool
) -> None:
    kind = CENTRE.kind("locality")
    prop, network = kind.property("subnet"), ip_network(wished)
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.create(Path(folder) / "store.db", fleet=FLEET, clock=lambda: 100)
        await store.save_blocks(FOUNDING)
        await store.update_conflict_index(CENTRE, 100)
        for batch in batches:
            await store.save_blocks(batch)
            if read:
                await store.update_conflict_index(CENTRE, 100)
        view = store.now()
        found = await view.network_neighbours(kind, prop, [network], CENTRE)
        assert found is not None
        near = {each.entity for each in found}
        every = stated_networks(await view.records("locality", CENTRE), prop)
        same = [each for each in every if each.network.version == network.version]
        assert near >= {each.record.entity for each in same if each.network.overlaps(network)}
        assert near <= {record.entity for record in await view.records("locality", CENTRE)}
        assert await store.as_of(50).network_neighbours(kind, prop, [network], CENTRE) is None
        await store.close()


async def test_a_schema_that_changes_makes_everything_be_read_again(tmp_path: Path) -> None:
    store = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 100)
    settling, progress = InboxReader(store), list[tuple[int, int]]()
    facts = [Fact(PLACES[0], "kind", "place"), Fact(PLACES[0], "printer", "Acme 5000")]
    await store.save_blocks([*FOUNDING, Pen(1).write(*facts, at=10)])
    loose = parse_schema({"place": '[properties.printer]\ntype = "text"\n'})
    strict = parse_schema({"place": '[properties.printer]\ntype = "integer"\n'})
    assert await settling.read_all(store.now(), loose, lambda done, of: None) == []
    assert await store.count_unread(loose) == 0 < await store.count_unread(strict)
    (item,) = await settling.read_all(store.now(), strict, lambda done, of: progress.append((done, of)))
    assert (item.type, item.property) == ("invalid", "printer")
    assert progress[-1][0] == progress[-1][1] > 0
    assert await store.count_unread(strict) == 0
    await store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM claims",
        "INSERT INTO claims VALUES (x'0102030405', 1)",
        "UPDATE clues SET claims = x''",
        "UPDATE networks SET network = x'0a00000008'",
    ],
)
async def test_verify_notices_wrong_clues_and_rebuilds_them(tmp_path: Path, damage: str) -> None:
    store = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 100)
    settling = InboxReader(store)
    twice = [Fact(place, name, value) for place in PLACES[:2]
             for name, value in (("kind", "place"), ("docking_station", "17e9:6006 #A1B2"))]  # fmt: skip
    twice += [Fact(PLACES[2], "kind", "locality"), Fact(PLACES[2], "subnet", "10.2.0.0/16")]
    await store.save_blocks([*FOUNDING, Pen(1).write(*twice, at=10)])
    found = await settling.read_all(store.now(), CENTRE, lambda done, of: None)
    assert "duplicate" in {item.type for item in found}
    await store._database.write(lambda connection: connection.execute(damage))
    assert ["clues" in str(problem) for problem in (await store.verify(CENTRE, repair=True)).repaired] == [True]
    assert reported(await InboxReader(store).read_all(store.now(), CENTRE, lambda done, of: None)) == reported(found)
    assert (await store.verify(CENTRE)).problems == []
    await store.close()
