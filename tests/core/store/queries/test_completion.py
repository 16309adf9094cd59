"""Completion reads by the index.

However much there is, what a prefix takes stays the same.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from core.records import Edit
from core.schema import KIND
from core.schema_toml import load_builtin_schema
from core.store.queries.completion import MAX_COMPLETIONS, complete_names
from core.value_codec import Ref
from core.workspace import Workspace

SCHEMA = load_builtin_schema("service-centre")
STEPS = 10
"""Steps of SQLite's machine between two calls of what counts them."""


async def make_device(folder: Path, localities: int) -> Workspace:
    device = await Workspace.init(folder, user="Maier", fleet_name="Nord", schema=SCHEMA, device_name="K1")
    for first in range(0, localities, 80):
        edits = []
        for number in range(first, min(first + 80, localities)):
            locality, place = device.entropy(16), device.entropy(16)
            values = [(locality, {KIND: "locality", "code": f"{number:05}"})]
            values.append((place, {KIND: "place", "name": "Lane 1", "locality": Ref(locality)}))
            edits += [Edit(entity, name, value) for entity, each in values for name, value in each.items()]
        await device.save_unchecked(edits)
    return device


async def count_steps(device: Workspace, kind: str, prefix: str) -> tuple[int, list[str]]:
    """How many steps a completion takes, and what it gives."""
    schema = await device.schema()
    calls = 0

    def count() -> int:
        nonlocal calls
        calls += 1
        return 0

    def run(connection: sqlite3.Connection) -> list[str]:
        connection.set_progress_handler(count, STEPS)
        try:
            return complete_names(connection, schema.kinds[kind], prefix, schema)
        finally:
            connection.set_progress_handler(None, STEPS)

    found = await device.store.run(run)
    return calls * STEPS, found


async def test_what_a_prefix_takes_does_not_grow_with_the_store(tmp_path: Path) -> None:
    taken = {}
    for size in (80, 1600):
        async with await make_device(tmp_path / str(size), size) as device:
            for kind, prefix, expected in (
                ("locality", "0001", [f"{number:05}" for number in range(10, 20)]),
                ("place", "00012/", ["00012/Lane 1"]),
                ("place", "00012/L", ["00012/Lane 1"]),
                ("locality", "9", []),
            ):
                steps, found = await count_steps(device, kind, prefix)
                assert found == expected
                taken[size, kind, prefix] = steps
    for (size, kind, prefix), steps in taken.items():
        assert steps <= taken[80, kind, prefix] * 1.5 + 500, (size, kind, prefix, taken)


async def test_no_more_is_read_than_a_person_looks_through(tmp_path: Path) -> None:
    async with await make_device(tmp_path / "K1", 400) as device:
        _steps, found = await count_steps(device, "locality", "")
        assert len(found) == MAX_COMPLETIONS
        few, _found = await count_steps(device, "locality", "0001")
        many, _found = await count_steps(device, "locality", "")
        assert many < 40 * few


async def test_kinds_that_share_a_key_do_not_hide_each_other(tmp_path: Path) -> None:
    sites = load_builtin_schema("site-network")
    async with await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="N", schema=sites, device_name="K1"
    ) as device:
        for kind, count in (("site", MAX_COMPLETIONS + 10), ("host", 2)):
            for number in range(count):
                await device.save_unchecked(
                    [Edit(entity := device.entropy(16), KIND, kind), Edit(entity, "key", f"k{number:03}")]
                )
        for prefix in ("", "k", "k00"):
            _steps, found = await count_steps(device, "host", prefix)
            assert found == ["k000", "k001"], prefix
