"""The bytes and the pace of format 2 beside format 1, on the real history: stored, on the wire, a change of one fact.

Prints figures; nothing is asserted. Run as `python -m tests.bench.format2`.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core import chain
from core import changes as format1
from core import changes as format2
from core.body import Fact
from core.importing import Line, entity_uuid, read_lines
from core.mountain_range import Range, check, levels_of, prove
from core.schema import builtin
from core.store.writing import _statements
from core.sync.packed_header import Sent, Trail, pack, unpack
from core.sync.packing import Packer
from core.value_codec import ParentRef, Ref, normalized

HISTORY = Path(__file__).parents[3] / "shared" / "data" / "site-history.jsonl"
KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
DEVICE = format1.device_id(KEY.public_key().public_bytes_raw())
FLEET = uuid.UUID(int=7).bytes
PIECE = 300
BATCH = 64
ROUNDS = 5

Slot = tuple[bytes, str]


@dataclass
class Histories:
    """The same history in both formats, a change for each line, or several for a long one."""

    old: list[format1.Block] = field(default_factory=list)
    new: list[format2.Block] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=lambda: [Range()])
    """The range below each new change, and the one over all."""


def _stated(lines: Sequence[Line]) -> Iterator[tuple[Line, list[tuple[bytes, str, format1.Value]]]]:
    """The facts of each line, with the kind and key of what it is the first to speak of."""
    schema, known = builtin("site-network"), set[bytes]()
    for line in lines:
        said = _statements(FLEET, line)
        facts: list[tuple[bytes, str, format1.Value]] = []
        for called in dict.fromkeys(edit.entity for edit in line.edits):
            entity = entity_uuid(FLEET, called)
            if entity not in known:
                known.add(entity)
                kind, _, key = called.partition(":")
                facts.append((entity, "kind", kind))
                name = schema.kind(kind).key
                if (entity, name) not in said:
                    facts.append((entity, name, key))
        facts += [(entity, name, format1.decode_value(value)) for (entity, name), value in said.items()]
        for start in range(0, len(facts), PIECE):
            yield line, facts[start : start + PIECE]


def _new_value(value: Any, name: str) -> Any:
    match value:
        case tuple():
            return tuple(_new_value(item, name) for item in value)
        case format1.Ref():
            return (ParentRef if name == "site" else Ref)(value.entity)
        case str():
            return normalized(value)
    return value


def histories() -> Histories:
    """Both, by one device."""
    with HISTORY.open("rb") as file:
        lines = list(read_lines(file))
    made, chance = Histories(), random.Random(1)
    old_leaves: dict[Slot, tuple[bytes, ...]] = {}
    new_leaves: dict[Slot, tuple[bytes, ...]] = {}
    persons: dict[str, bytes] = {}
    tip: chain.Tip | None = None
    for line, stated in _stated(lines):
        facts = tuple(format1.Fact(e, p, v, old_leaves.get((e, p), ())) for e, p, v in stated)
        previous = made.old[-1].id if made.old else None
        old = format1.sealed(format1.Change(DEVICE, previous, line.user, line.at, line.note, facts), KEY, FLEET)
        made.old.append(old)
        old_leaves |= {(f.entity, f.property): (format1.fact_id(old.id, n),) for n, f in enumerate(facts)}

        again = [Fact(e, p, _new_value(v, p), new_leaves.get((e, p), ())) for e, p, v in stated]
        if line.user not in persons:
            person = persons[line.user] = chance.randbytes(16)
            again += [Fact(person, "kind", "person"), Fact(person, "person.name", normalized(line.user))]
        note = normalized(line.note) if line.note else None
        said = format2.Change(persons[line.user], line.at, note, tuple(again))
        new = format2.sign_block(said, KEY, FLEET, chance.randbytes(16), tip)
        tip = chain.advance(tip, new.header) if tip else chain.first_tip(new.header)
        made.new.append(new)
        made.ranges.append(tip.range)
        new_leaves |= {(f.entity, f.property): (new.fact_id(n),) for n, f in enumerate(new.facts)}
    return made


def _wire(blocks: Sequence[bytes]) -> int:
    packer = Packer()
    return sum(len(packer.pack(blocks[at : at + BATCH])) for at in range(0, len(blocks), BATCH))


def _packed(made: Histories, *, peaks: bool) -> list[bytes]:
    """The new blocks as they go over a link: newest first, the batches themselves in the order of the chain."""
    sent, out = Sent(), []
    newest = made.new[::-1]
    for at in range(0, len(newest), BATCH):
        for block in reversed(newest[at : at + BATCH]):
            place = block.header.fields.position
            known = any(sent.before(DEVICE, place).values())
            out.append(pack(block.header, block.body.data, sent, linked=True, below=made.ranges[place] if peaks and not known else None))
    return out


def _pace(work: Callable[[], object]) -> float:
    """Seconds of this process's time, the best of a few rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best


def run() -> None:
    """Print the figures."""
    made = histories()
    facts = sum(len(block.change.facts) for block in made.old)
    old, new = [block.data for block in made.old], [block.data for block in made.new]
    print(f"format 2 beside format 1: {len(old)} changes, {facts:,} facts of a real history")

    def line(what: str, before: float, after: float) -> None:
        print(f"  {what:<44}{before:>12,.0f}{after:>12,.0f}  {after / before - 1:+.1%}")

    line("bytes stored", sum(map(len, old)), sum(map(len, new)))
    ones = [
        [len(data) for data, block in zip(some, made.new, strict=True) if len(block.facts) == 1] for some in (old, new)
    ]
    line("bytes of a change of one fact, mean", sum(ones[0]) / len(ones[0]), sum(ones[1]) / len(ones[1]))
    before = _wire(old[::-1])
    line("bytes on the wire, whole blocks", before, _wire(new[::-1]))
    line("bytes on the wire, packed without peaks", before, _wire(_packed(made, peaks=False)))
    packed = _packed(made, peaks=True)
    line("bytes on the wire, packed", before, _wire(packed))

    def unpacked() -> None:
        trail = Trail()
        for data in packed:
            unpack(data, trail, FLEET)

    read1, read2 = _pace(lambda: [*map(format1.decode, old)]), _pace(lambda: [*map(format2.decode_block, new)])
    line("ns a fact to decode", read1 / facts * 1e9, read2 / facts * 1e9)
    sign1 = _pace(lambda: [format1.verify(block, FLEET) for block in made.old])
    sign2 = _pace(lambda: [format2.verify_block(block, FLEET) for block in made.new])
    line("us a change to check the signature", sign1 / len(old) * 1e6, sign2 / len(new) * 1e6)
    line("us a change to decode and check / unpack", (read1 + sign1) / len(old) * 1e6, _pace(unpacked) / len(new) * 1e6)
    ids = [random.Random(2).randbytes(32) for _ in range(10_000)]
    levels, root = levels_of(ids), Range()
    for each in ids:
        root = root.append(each)
    proof = prove(levels, 10_000, [4321])
    spent = _pace(lambda: [check(root.root, 10_000, {4321: ids[4321]}, proof) for _ in range(100)]) / 100
    print(f"  a proof in a chain of 10,000: {len(proof)} bytes, {spent * 1e6:.0f} us to check")


if __name__ == "__main__":
    run()
