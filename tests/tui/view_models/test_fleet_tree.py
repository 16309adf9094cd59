"""The tree of Fleet reads of many lines those in sight, and few ones in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.body import Fact
from core.schema_toml import parse_schema
from core.store.entities import EntityRow
from core.store.store import Store
from tests.support.store_fleet import FLEET, FOUNDING, Pen
from tui.view_models.fleet_tree import MAX_SORTED_LINES, PAGE_LINES, FleetTree

SCHEMA = parse_schema({"site": 'key = "code"\n[properties.code]\ntype = "text"\n'})
SIGHT = 20
_FACTS_PER_CHANGE = 500


@pytest.mark.parametrize("count", [MAX_SORTED_LINES - 1, MAX_SORTED_LINES + 1])
async def test_of_many_lines_one_page_is_read_and_of_few_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    store = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 100)
    try:
        sites = [number.to_bytes(16, "big") for number in range(1, count + 1)]
        facts = [Fact(site, "kind", "site") for site in sites]
        pen = Pen(1)
        blocks = [pen.write(*facts[at : at + _FACTS_PER_CHANGE], at=10) for at in range(0, count, _FACTS_PER_CHANGE)]
        await store.save_blocks([*FOUNDING, *blocks])
        while await store.count_unread(SCHEMA):
            await store.update_conflict_index(SCHEMA, count)
        view = store.now()
        read: list[int] = []
        page = view.page

        async def noted(*args: object, **more: object) -> list[EntityRow]:
            rows = await page(*args, **more)  # type: ignore[arg-type]
            read.append(len(rows))
            return rows

        monkeypatch.setattr(view, "page", noted)
        tree = FleetTree(view, SCHEMA)
        await tree.reopen([], SIGHT)
        is_large = count > MAX_SORTED_LINES
        first = read[0]
        assert read == [count] or (is_large and SIGHT < first < PAGE_LINES)
        assert len(tree) == (first + 1 if is_large else count)
        await tree.load(first, first)
        keys = [tree.key(row) for row in range(min(count, first + PAGE_LINES))]
        assert keys == sites[: len(keys)]
    finally:
        await store.close()
