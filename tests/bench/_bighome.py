"""A home of any size with the shapes of the real history.

Copies of it side by side, changes of all of them in the order of their times, and a second device that says something
else about some of what is current.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.body import Fact
from core.chain import Tip, advance, first_tip
from core.changes import Change, decode_block, sign_block
from core.header import device_id
from core.history_import import read_lines
from core.salt_tree import SEED_BYTES
from core.schema import Schema
from core.schema_toml import load_builtin_schema
from core.store.commit import person_facts
from core.value_codec import CHANGE_ID_BYTES, ID_BYTES, MAX_FACTS
from core.workspace import Workspace

HISTORY = Path(__file__).parents[3] / "shared" / "data" / "site-history.jsonl"
SCHEMA = load_builtin_schema("site-network")
USER = "Maier"
FACTS, CONFLICTS = 1_000_000, 10_000
_BATCH = 2000


@contextmanager
def kept(facts: int = FACTS) -> Iterator[Path | None]:
    """Give the home of so many facts, building it where it is missing.

    FIELDLINE_BENCH_HOME names the folder of all; None without the history to take the shapes from.
    """
    if not HISTORY.exists():
        print("  left out: there is no ../shared/data/site-history.jsonl to take the shapes from")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        name = {FACTS: "big", FACTS // 10: "tenth"}.get(facts, str(facts))
        home = Path(os.environ.get("FIELDLINE_BENCH_HOME") or folder) / name
        if not home.exists():
            begun = time.perf_counter()
            # In a process of its own: what this one holds would count as memory of whatever it starts.
            subprocess.run([sys.executable, "-m", "tests.bench._bighome", str(home), str(facts)], check=True)
            print(f"  the home of {facts:,} facts was built in {time.perf_counter() - begun:.0f} s")
        yield home


async def build(folder: Path, *, facts: int, conflicts: int) -> None:
    """Make the home in this folder, which must not exist."""
    workspace = await Workspace.init(folder, user=USER, fleet_name="Big", schema=SCHEMA, device_name="A")
    async with workspace:
        lines = (json.dumps(change) for change in changes(copies_of(facts)))
        while some := [line for _, line in zip(range(_BATCH), lines, strict=False)]:
            await workspace.store.import_history(
                workspace.identity, list(read_lines(some)), SCHEMA, on_progress=lambda done, of: None
            )
        await _disagree(workspace, conflicts)
        await workspace.inbox()


def copies_of(facts: int) -> int:
    """Count the copies of the history that make so many facts."""
    edits = [edit for line in HISTORY.read_text().splitlines() for edit in json.loads(line)["edits"]]
    named = {edit["entity"] for edit in edits}  # an import also says the kind and the key of each
    return -(-facts // (len(edits) + 2 * len(named)))


def changes(copies: int) -> Iterator[dict[str, Any]]:
    """Give the changes of all copies in the order of their times."""
    original = [json.loads(line) for line in HISTORY.read_text().splitlines()]

    def of(copy: int) -> Iterator[tuple[int, int, int, dict[str, Any]]]:
        return ((change["at"], copy, number, change) for number, change in enumerate(original))

    every = [of(copy) for copy in range(copies)]
    for _at, copy, _number, change in heapq.merge(*every, key=lambda each: each[:3]):
        edits = [_of_copy(edit, copy, SCHEMA) for edit in change["edits"]]
        yield {**change, "comment": f"{change['comment']} ({copy})", "edits": edits}


def _of_copy(edit: dict[str, Any], copy: int, schema: Schema) -> dict[str, Any]:
    """The same edit about another copy's entity.

    What must be unique is, and networks lie apart.
    """
    kind, key = edit["entity"].split(":", 1)
    value, name = edit["value"], edit["property"]
    if isinstance(value, dict):
        referred, other = value["ref"].split(":", 1)
        value = {"ref": f"{referred}:{copy}.{other}"}
    elif isinstance(value, str) and name is not None:
        prop = schema.property(kind, name)
        if prop.unique or prop.no_overlap:
            value = _apart(value, copy)
    return {**edit, "entity": f"{kind}:{copy}.{key}", "value": value}


def _apart(value: str, copy: int) -> str:
    """Another text for each copy.

    Addresses and networks in one of IPv6 that only it has.
    """
    base = (0x3000 + copy) << 112
    try:
        if "/" in value:
            network = ip_network(value)
            size = network.prefixlen + (96 if network.version == 4 else 0)
            return str(ip_network((base | (int(network.network_address) % 2**112), max(16, size)), strict=False))
        return str(ip_address(base | (int(ip_address(value)) % 2**112)))
    except ValueError:
        return f"{value}-{copy}"


async def _disagree(workspace: Workspace, conflicts: int) -> None:
    """Let a second device say something else about many slots, unknowingly."""
    key = Ed25519PrivateKey.generate()
    device = device_id(key.public_key().public_bytes_raw())
    await workspace.admit(device.hex(), "technician", "B")
    now = workspace.store.now()
    edits: list[Fact] = []
    for kind in SCHEMA.kinds:
        for row in await now.page(kind, SCHEMA) if len(edits) < conflicts else ():
            record = await now.record(row.entity, SCHEMA)
            for name, slot in record.slots.items():
                if len(edits) < conflicts and isinstance(slot.value, str) and name not in ("kind", "key"):
                    leaf = slot.leaves[0]
                    block = decode_block((await workspace.store.blocks([leaf.change]))[0])
                    seen = block.facts[int.from_bytes(leaf.fact[CHANGE_ID_BYTES:], "big")].obsoletes
                    edits.append(Fact(row.entity, name, f"{slot.value} B", seen))
    tip: Tip | None = None
    blocks: list[bytes] = []
    person = os.urandom(ID_BYTES)
    for start in range(0, len(edits), MAX_FACTS // 8):
        some = edits[start : start + MAX_FACTS // 8]
        named = person_facts(person, "Jones") if tip is None else []
        change = Change(person, workspace.clock(), None, (*some, *named))
        block = sign_block(change, key, workspace.store.fleet, os.urandom(SEED_BYTES), tip)
        tip = advance(tip, block.header) if tip else first_tip(block.header)
        blocks.append(block.data)
    await workspace.store.save_blocks(blocks, source_device=device, link="tcp")


if __name__ == "__main__":
    asyncio.run(build(Path(sys.argv[1]), facts=int(sys.argv[2]), conflicts=int(sys.argv[2]) // (FACTS // CONFLICTS)))
