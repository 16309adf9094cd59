"""A real fleet's history.

What is read at a moment is what replaying the file up to it gives.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.history_import import entity_uuid
from core.records import Record
from core.schema import KEY, KIND, RETIRED
from core.value_codec import Ref, Value
from core.workspace import Workspace
from tests.support.cli import Terminal

SECOND = 1_000_000
SEED = 650
WHOLE = 4
"""Moments at which everything is compared; at all others, what was edited then."""

State = dict[str, dict[str, Any]]
"""entity as the file calls it -> property -> value as JSON; `RETIRED` is one of the properties."""


def history(shared: Path) -> list[dict[str, Any]]:
    with (shared / "data" / "site-history.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line, parse_float=str) for line in file]


def replayed(lines: list[dict[str, Any]]) -> Iterator[tuple[int, set[str], State]]:
    """Each second of the history, what was edited in it, and what was at its end."""
    state: State = {}
    touched: set[str] = set()
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        for edit in line["edits"]:
            touched.add(edit["entity"])
            slots = state.setdefault(edit["entity"], {RETIRED: False})
            if edit["property"] is None:
                slots[RETIRED] = True
            else:
                slots[edit["property"]] = edit["value"]
                slots[RETIRED] = False
        if following is None or following["at"] != line["at"]:
            yield line["at"], touched, state
            touched = set()


def values(record: Record, names: dict[bytes, str]) -> dict[str, Any]:
    """A record as the replay has it."""

    def plain(value: Value) -> Any:
        return {"ref": names[value.entity]} if isinstance(value, Ref) else value

    slots = {name: plain(slot.value) for name, slot in record.slots.items() if name not in (KIND, KEY, RETIRED)}
    assert not any(slot.provisional for slot in record.slots.values())
    return {**slots, RETIRED: record.retired}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Terminal:
    """A device that has taken the whole history over."""
    terminal = Terminal(tmp_path_factory.mktemp("replay") / "home")
    terminal.ask("init", "--fleet", "Real", "--schema", "site-network")
    done = terminal.ask("import", str(shared / "data" / "site-history.jsonl"))
    assert done["skipped"] == 0
    return terminal


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.soak)])
async def test_every_moment_reads_as_the_file_says(device: Terminal, shared: Path, step: int) -> None:
    lines = history(shared)
    called = {edit["entity"] for line in lines for edit in line["edits"]}
    called |= {e["value"]["ref"] for line in lines for e in line["edits"] if isinstance(e["value"], dict)}
    async with await Workspace.open(device.home, user="t") as workspace:
        schema = await workspace.schema()
        fleet = workspace.store.fleet
        names = {entity_uuid(fleet, name): name for name in called}
        moments = sorted({line["at"] for line in lines})
        whole = {moments[-1], *random.Random(SEED).sample(moments, WHOLE)}
        compared = 0
        for number, (at, touched, state) in enumerate(replayed(lines)):
            view = workspace.view(at * SECOND)
            for name in touched if number % step == 0 else ():
                assert values(await view.record(entity_uuid(fleet, name), schema), names) == state[name], (at, name)
            if at in whole:
                found = [r for kind in schema.kinds for r in await view.records(kind, schema, retired=True)]
                assert {names[r.entity]: values(r, names) for r in found} == state
                compared += 1
        assert compared == WHOLE + 1


def test_show_at_a_second_covers_the_whole_of_it(device: Terminal, shared: Path) -> None:
    """The moments as a person types them.

    Several changes of this history share a second.
    """
    lines = history(shared)
    shares = [one["at"] for one, other in pairwise(lines) if one["at"] == other["at"]]
    at = random.Random(SEED).choice(shares)
    local = datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat()
    touched, state = next((touched, state) for second, touched, state in replayed(lines) if second == at)
    for name in sorted(touched)[:5]:
        for moment in (local, local + "Z", local + "+00:00"):
            shown = device.ask("show", name, "--at", moment)
            slots = {prop: slot["value"] for prop, slot in shown["slots"].items() if slot["state"] != "absent"}
            assert {**slots, RETIRED: shown["retired"]} == state[name]
