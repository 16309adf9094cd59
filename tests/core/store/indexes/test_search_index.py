"""A search finds what is said now, or was said then, and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Fact
from core.changes import FLEET_ENTITY, decode_block
from core.errors import Refused
from core.schema_toml import load_builtin_schema
from core.store.indexes import search_index
from core.store.indexes.search_index import SearchHit
from core.store.queries.search import MAX_QUERY_CHARS
from core.store.store import Store
from core.store.view import View
from core.value_codec import Ref
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, SECRET, Pen, fact_about, fact_of, histories

SCHEMA = load_builtin_schema("service-centre")


@pytest.fixture(autouse=True, scope="module")
def few_texts_wait() -> Iterator[None]:
    """Some texts are indexed, some wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_index, "MAX_NEW_TEXTS", 6)
        yield


async def make(path: Path, *blocks: bytes) -> Store:
    store = await Store.create(path / "s", fleet=FLEET, clock=lambda: 1000)
    await store.save_blocks([*FOUNDING, *blocks])
    return store


async def hits(view: View, text: str) -> list[tuple[bytes, str, object]]:
    return [(found.entity, found.property, found.value) for found in await view.search(text, SCHEMA)]


async def test_a_piece_of_a_value_finds_it_in_any_case_and_script(tmp_path: Path) -> None:
    pen = Pen(1)
    store = await make(
        tmp_path,
        pen.write(Fact(ENTITY, "name", "Eingang MÜLLERSTRASSE rechts"), Fact(ENTITY, "printer", "Acme 5000"), at=10),
        pen.write(Fact(OTHER, "port", 9100), Fact(OTHER, "tags", ("left", "Δέλτα")), at=11),
    )
    view = store.now()
    for text in ("müllerstraße", "MÜLLER", "gang müll", "rechts", "ts", "name eing"):
        assert await hits(view, text) == [(ENTITY, "name", "Eingang MÜLLERSTRASSE rechts")], text
    assert await hits(view, "printer") == await hits(view, "acme 50") == [(ENTITY, "printer", "Acme 5000")]
    assert await hits(view, "910") == [(OTHER, "port", 9100)]
    assert await hits(view, "δέλτ") == await hits(view, "left") == [(OTHER, "tags", ("left", "Δέλτα"))]
    for nothing in ("", "   ", "acme 60", "*", "?cme", "[a]cme", "%"):
        assert await hits(view, nothing) == [], nothing
    await store.close()


async def test_among_those_of_one_kind_hits_of_others_take_no_room(tmp_path: Path) -> None:
    pen, place = Pen(1), Fact(ENTITY, "kind", "place")
    others = [bytes([number]) * 16 for number in range(100, 130)]
    store = await make(
        tmp_path,
        pen.write(place, Fact(ENTITY, "name", "core room"), Fact(ENTITY, "printer", "Brix"), at=10),
        *(pen.write(Fact(e, "kind", "host"), Fact(e, "name", f"core {e[0]} Brix"), at=11) for e in others),
    )
    for text in ("core", "co", "core brix"):
        found = await store.now().search(text, SCHEMA, limit=5, kind="place")
        assert {each.entity for each in found} == {ENTITY}, text
        assert ENTITY not in {each.entity for each in await store.now().search(text, SCHEMA, limit=5)}
    assert await store.now().search("core", SCHEMA, kind="locality") == []
    await store.close()


LONG = "uci set network.vlan " + "x" * 5000 + " linie206-sw-staircase"


async def test_the_end_of_a_long_value_is_found(tmp_path: Path) -> None:
    store = await make(tmp_path, Pen(1).write(Fact(ENTITY, "script", LONG), Fact(ENTITY, "name", "Roof"), at=10))
    for text in ("staircase", "vlan linie206", "sw-staircase roof", "e206-"):
        assert (ENTITY, "script", LONG) in await hits(store.now(), text), text
    assert await hits(store.now(), "staircase2") == []
    await store.close()


async def test_signs_that_mean_something_to_the_index_are_taken_for_themselves(tmp_path: Path) -> None:
    store = await make(tmp_path, Pen(1).write(Fact(ENTITY, "p", 'a*b?[c] "d" OR 100% o\'clock'), at=10))
    for text in ("a*b", "b?", "[c]", '"d"', "or 100%", "?[c", "*", "'", '"d" or', '"d"\0or'):
        assert len(await hits(store.now(), text)) == 1, text
    assert await hits(store.now(), "aXb") == []
    await store.close()


async def test_what_is_obsolete_is_found_only_in_the_past(tmp_path: Path) -> None:
    pen = Pen(1)
    old = pen.write(Fact(ENTITY, "p", "printer one"), at=10)
    new = pen.write(Fact(ENTITY, "p", "printer two", (fact_of(old),)), at=20)
    store = await make(tmp_path, old, new)
    assert await hits(store.now(), "one") == await hits(store.as_of(15), "two") == []
    assert await hits(store.as_of(15), "one") == [(ENTITY, "p", "printer one")]
    assert await hits(store.now(), "two") == [(ENTITY, "p", "printer two")]
    await store.close()


async def test_the_secret_the_schema_and_machinery_are_not_found(tmp_path: Path) -> None:
    schema = Fact(b"S" * 16, "schema.place", "title = 'hidden words'")
    store = await make(tmp_path, Pen(1).write(schema, Fact(ENTITY, "kind", "place"), at=10))
    assert (
        await hits(store.now(), SECRET[:20])
        == await hits(store.now(), "hidden")
        == await hits(store.now(), "kind")
        == []
    )
    assert FLEET_ENTITY not in {entity for entity, _, _ in await hits(store.now(), "e")}
    with pytest.raises(Refused, match=str(MAX_QUERY_CHARS)):
        await store.now().search("x" * (MAX_QUERY_CHARS + 1), SCHEMA)
    await store.close()


async def test_keys_and_titles_come_first_and_no_more_than_wanted(tmp_path: Path) -> None:
    pen = Pen(1)
    store = await make(
        tmp_path,
        pen.write(Fact(ENTITY, "name", "Kiel"), at=10),
        *(pen.write(Fact(OTHER, f"p{n}", f"sent to Kiel {n}"), at=11 + n) for n in range(5)),
    )
    found = await store.now().search("kiel", SCHEMA, limit=3)
    assert [leaf.value for leaf in found] == ["Kiel", "sent to Kiel 4", "sent to Kiel 3"]
    await store.close()


async def test_words_are_found_in_several_values_of_one_entity_and_in_what_it_is_below(tmp_path: Path) -> None:
    pen, printer = Pen(1), Fact(ENTITY, "printer", "Acme LookNice")
    named = [Fact(ENTITY, "kind", "place"), Fact(ENTITY, "name", "Entrance"), Fact(ENTITY, "locality", Ref(OTHER))]
    locality = [Fact(OTHER, "kind", "locality"), Fact(OTHER, "name", "Kiel Müllerstraße")]
    first = pen.write(*named, printer, *locality, at=10)
    moved = pen.write(Fact(ENTITY, "printer", "Brix", (fact_about(first, ENTITY, "printer"),)), at=20)
    store = await make(tmp_path, first, moved)
    view = store.as_of(15)
    for text in ("acme entrance", "entrance acme", "kiel acme entr", "müllerstraße LOOKNICE", "drucker entrance kiel"):
        assert await hits(view, text) == [(ENTITY, "printer", "Acme LookNice")], text
    assert await hits(view, "kiel entrance") == [(ENTITY, "name", "Entrance")]
    assert await hits(view, "drucker") == [(ENTITY, "printer", "Acme LookNice")], "a label stands for its property"
    for nothing in ("brix entrance", "acme bremen", "acme entrance kassel", "looknice müllerstr x"):
        assert await hits(view, nothing) == [], nothing
    assert await hits(store.now(), "brix kiel") == [(ENTITY, "printer", "Brix")]
    assert await hits(store.now(), "acme entrance") == []
    await store.close()


@given(histories(), st.sampled_from(["a", "b", "P", "q", "1", "p A", "p 1", "z"]), st.integers(9, 31))
async def test_it_finds_the_leaves_that_a_look_at_every_leaf_finds(blocks: list[bytes], text: str, moment: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = await make(Path(folder), *blocks)
        places = {(fact.entity, fact.property) for data in blocks for fact in decode_block(data).facts}
        for view in (store.now(), store.as_of(moment)):
            wanted = set()
            for entity, name in places:
                for leaf in (await view.slot(entity, name)).leaves:
                    texts_of = f"{name} {leaf.value}".casefold()
                    if isinstance(leaf.value, str | int) and not isinstance(leaf.value, bool):
                        wanted |= (
                            {SearchHit(entity, name, leaf.value)}
                            if all(w in texts_of for w in text.casefold().split())
                            else set()
                        )
            found = [leaf for leaf in await view.search(text, SCHEMA) if leaf.entity in (ENTITY, OTHER)]
            assert wanted <= set(found)
            together = [leaf for leaf in found if leaf not in wanted]
            assert not {leaf.entity for leaf in together} & {leaf.entity for leaf in wanted}
            assert {leaf.entity for leaf in together} == await _together(view, places, text) - {
                w.entity for w in wanted
            }
        assert (await store.verify()).problems == []
        await store.close()


async def _together(view: View, places: set[tuple[bytes, str]], text: str) -> set[bytes]:
    """Who says each of several words, by a look at every leaf."""
    texts_of: dict[bytes, str] = {}
    for entity, name in places:
        for leaf in (await view.slot(entity, name)).leaves:
            if isinstance(leaf.value, str | int) and not isinstance(leaf.value, bool):
                texts_of[entity] = f"{texts_of.get(entity, '')}\n{name} {leaf.value}".casefold()
    words = text.casefold().split()
    return {each for each, texts in texts_of.items() if len(words) > 1 and all(word in texts for word in words)}
