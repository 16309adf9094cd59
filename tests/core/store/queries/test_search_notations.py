"""A search finds what is stored by every notation that input takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.schema_toml import load_builtin_schema
from core.store.queries.log import LogFilter
from core.values import boolean_word
from core.workspace import Workspace


@pytest.mark.parametrize(
    "word",
    [
        *("2c:c8:1b:8a:96:e1", "2C-C8-1B-8A-96-E1", "2cc8.1b8a.96e1", "2CC81B8A96E1"),
        *("2001:db8::1", "2001:0DB8:0:0:0:0:0:1", "2001:0db8:0000:0000:0000:0000:0000:0001"),
        *("1280", "+1280", "0001280"),
        *("T\u00fcr", "Tu\u0308r", "t\u00fcr"),
    ],
)
async def test_every_notation_finds_what_is_stored_in_one(tmp_path: Path, word: str) -> None:
    schema = load_builtin_schema("service-centre")
    workspace = await Workspace.init(
        tmp_path / "K", user="t", fleet_name="F", schema=schema, device_name="K", clock=lambda: 1_700_000_000_000_000
    )
    async with workspace:
        text = "2c:c8:1b:8a:96:e1 2001:db8::1 1280 T\u00fcr"
        made = await workspace.create("locality", {"code": "241", "name": text})
        found = await workspace.view().search(word, await workspace.schema())
        assert [(each.entity, each.property) for each in found] == [(made.entity, "name")]


@pytest.mark.parametrize(
    ("word", "value"),
    [*((word, True) for word in ("yes", "Ja", "true", "on", "wahr")), *((word, False) for word in ("no", "NEIN"))],
)
async def test_a_boolean_is_found_by_every_word_that_input_takes(tmp_path: Path, word: str, value: bool) -> None:
    schema = load_builtin_schema("site-network")
    init = Workspace.init(tmp_path / "K", user="t", fleet_name="F", schema=schema, device_name="K")
    async with await init as workspace:
        made = {}
        for each in (True, False):
            values = {"key": f"h{each:d}", "code": f"c{each:d}", "community": each}
            made[each] = await workspace.create("site", values)
        view = workspace.view()
        found = await view.search(word, schema)
        assert [(hit.entity, hit.value) for hit in found] == [(made[value].entity, value)]
        assert {hit.entity for hit in await view.search(f"community {word}", schema)} == {made[value].entity}
        assert {hit.entity for hit in await view.search(f"h{value:d} {word}", schema)} == {made[value].entity}
        assert await view.search(f"h{not value:d} {word}", schema) == []
        changed = await view.changed_entities(LogFilter(text=word))
        assert made[value].entity in changed
        assert made[not value].entity not in changed


def test_a_digit_is_sought_as_a_number() -> None:
    assert [boolean_word(word) for word in ("1", "0", "Yes", "aus")] == [None, None, True, None]
