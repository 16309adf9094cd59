"""The text filter of the log finds the changes that mention a text, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Fact
from core.changes import Block, decode_block
from core.store.indexes.search_index import UNINDEXED_PROPERTIES
from core.store.queries.fact_diffs import FactDiff, without_author
from core.store.queries.log import LogFilter, mention_condition
from core.store.store import Store
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, USERS, Pen, fact_of, person_of

LONG = "start " + "x" * 300 + " Far behind"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A few changes that say texts, numbers and lists, with notes and a long value."""
    pen, other = Pen(1), Pen(2)
    first = pen.write(Fact(ENTITY, "printer", "Acme LookNice 5021"), at=10, user="Müller", note="Toner leak")
    blocks = [
        first,
        pen.write(Fact(ENTITY, "printer", "Brix", (fact_of(first),)), Fact(OTHER, "vid", 5021), at=11, user="Jones"),
        other.write(Fact(OTHER, "ports", ("eth0", "ETH1")), at=12, user="Jones", note='said "so"'),
        other.write(Fact(OTHER, "script", LONG), at=13, user="Straße"),
        other.write(Fact(OTHER, "printer", None), at=14, user="Jones"),
    ]
    made = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 1)
    await made.save_blocks([*FOUNDING, *blocks])
    yield made
    await made.close()


def name_of(block: Block) -> str:
    return next(user for user in USERS if person_of(user) == block.header.fields.author)


def _mentions(block: Block, text: str) -> bool:
    values = [fact.value for fact in block.facts if fact.property not in UNINDEXED_PROPERTIES]
    items = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    texts = [str(item) for item in items if isinstance(item, str | int)]
    texts += [name_of(block), block.note or "", *(fact.property for fact in block.facts)]
    return any(text.casefold() in each.casefold() for each in texts)


@pytest.mark.parametrize(
    "text",
    [
        *("acme", "LOOKNICE 5021", "5021", "toner", "müller", "MÜLLER", "printer", "eth1", "so", '"so"', "x"),
        *("far behind", "START", "strasse", "nothing", "Jones", "e", "ab", "'", "%", "ports"),
    ],
)
async def test_what_is_found_is_what_mentions_it(store: Store, text: str) -> None:
    found = await store.now().log(LogFilter(text=text))
    blocks = [decode_block(data) for data in await store.blocks(await store.hashes())]
    expected = {block.id for block in blocks if _mentions(block, text)}
    assert {entry.change for entry in found} == expected
    assert await store.now().count_log_entries(LogFilter(text=text)) == len(expected)


async def test_several_entities_may_be_asked_for_at_once(store: Store) -> None:
    now = store.now()
    one, other, both = [
        {entry.change for entry in await now.log(LogFilter(entities=entities))}
        for entities in ((ENTITY,), (OTHER,), (ENTITY, OTHER))
    ]
    assert one and other and both == one | other
    assert one == {entry.change for entry in await now.log(LogFilter(entity=ENTITY))}


@given(st.text())
def test_any_text_makes_a_condition_with_its_parameters(text: str) -> None:
    term, parameters = mention_condition(text)
    assert parameters["mentioned0"] == text.replace("\0", " ").casefold()
    for name, value in parameters.items():
        assert (f":{name}" in term) == bool(value or name.startswith("mentioned"))


@pytest.mark.parametrize(
    "wanted", [LogFilter(), LogFilter(user="Jones"), LogFilter(text="printer"), LogFilter(entity=OTHER)]
)
async def test_the_parts_of_the_log_are_counted_newest_first(store: Store, wanted: LogFilter) -> None:
    now = store.now()
    quarters = await now.count_log_quarters(wanted)
    assert sum(count for _number, count in quarters) == await now.count_log_entries(wanted)
    assert quarters == sorted(quarters, reverse=True)


async def test_what_a_change_touched_is_found_by_its_filter(store: Store) -> None:
    now = store.now()
    assert await now.changed_entities(LogFilter(user="Müller", property="printer")) == {ENTITY}
    assert await now.changed_entities(LogFilter(property="printer")) == {ENTITY, OTHER}
    assert await now.changed_entities(LogFilter(text="eth1")) == {OTHER}
    assert await now.changed_entities(LogFilter(text="nothing")) == set()
    assert len(await now.changed_entities(LogFilter(property="printer"), limit=1)) == 1


async def test_what_changes_did_is_read_of_several_at_once(store: Store) -> None:
    now = store.now()
    entries = await now.log()
    diffs = await now.first_diffs(entries, 1)
    of_other = await now.first_diffs(entries, 10, OTHER)
    authors: list[FactDiff] = []
    for entry in entries:
        every = await now.fact_diffs(entry.change)
        authors += [each for each in every if each.entity == entry.person]
        assert diffs[entry.change] == without_author(entry, every)[:1]
        assert of_other[entry.change] == [each for each in every if each.entity == OTHER]
    assert authors, "none of them was somebody's first"
