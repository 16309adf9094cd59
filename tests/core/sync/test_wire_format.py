"""The examples in docs/wire-format.md are what the code makes.

Those of changes are in tests.core.test_block_format.

To write all of them into the document: `python -m tests.core.sync.test_wire_format`.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from textwrap import wrap

import pytest
from blake3 import blake3

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.epoch_keys import EpochKeys
from core.sync.batch_codec import Batch, BatchDecoder, BatchEncoder
from core.sync.block_stream import BlockPacker, BlockUnpacker, split_block
from core.sync.codec import encode_message, encode_varint
from core.sync.holdings import Holding
from core.sync.messages import (
    Abort,
    Ack,
    Blocks,
    EndOfTurn,
    HaveFingerprints,
    HaveIds,
    Hello,
    Holdings,
    Offer,
    PositionProof,
    PrefixFingerprints,
    PrefixIds,
    SketchPart,
    Summary,
    Want,
)
from core.sync.reconcile.merkle import build_tree, leaf_fingerprint
from core.sync.reconcile.prefix_coding import ShortIdPrefix, encode_prefixes
from core.sync.reconcile.set_difference import resolution_bits
from core.sync.reconcile.set_sketch import SHORT_BITS, SetSketch, short_id, short_key
from core.sync.reconcile.sketch_actions import (
    ScanShortIds,
    SendMessages,
)
from core.sync.reconcile.sketch_messages import SketchKind, encode_wants
from core.sync.reconcile.sketch_protocol import SketchProtocol
from core.sync.sealed_file import SealedReader, SealKeys
from core.sync.session import MERKLE_BIT, SKETCH_BIT
from tests.core import test_block_format
from tests.core.test_block_format import BLOCK, FLEET, GENESIS

DOCUMENT = Path(__file__).parents[3] / "docs" / "wire-format.md"

TWO = sorted((GENESIS.id, BLOCK.id))
MANY = sorted(blake3(bytes([number])).digest() for number in range(20))
ROOT, (BRANCH,) = build_tree(MANY)
PACKER = BlockPacker(set(), set(), leaves_out=True)
ENTRIES = PACKER.pack_batch([split_block(block.data) for block in (GENESIS, BLOCK)], {})
BODY = b"".join(encode_varint(len(data)) + data for data in ENTRIES)
SHORTS = [short_id(short_key(b"0" * 64), block.id) for block in (GENESIS, BLOCK)]


def first(others: int, *, leading: bool) -> bytes:
    """What a device with the two changes says first in a sketch, to one with so many."""
    sketch = SketchProtocol(SetSketch.from_short_ids(SHORTS), others, is_leader=leading)
    step = sketch.start()
    if isinstance(step, ScanShortIds):
        step = sketch.resume_scan(SHORTS)
    assert isinstance(step, SendMessages)
    return step.messages[0]


def wanting() -> bytes:
    """What asks a device with the two changes for the second one."""
    resolution = resolution_bits(2)
    return encode_wants(encode_prefixes([ShortIdPrefix(SHORTS[1], SHORT_BITS).truncate(resolution)], resolution))[0]


def bundle() -> bytes:
    body = b"".join(encode_varint(len(block.data)) + block.data for block in (GENESIS, BLOCK))
    plain = b"FLDBNDL\x02" + FLEET + (2).to_bytes(8, "big") + body
    return plain + blake3(plain).digest()


EXAMPLES: dict[str, bytes] = {
    "fleet-entity": FLEET_ENTITY,
    "schema-entity": SCHEMA_ENTITY,
    "empty-root": leaf_fingerprint(()),
    "two-root": leaf_fingerprint(TWO),
    "child-b": BRANCH.child(0xB),
    "many-root": ROOT,
    "hello": encode_message(Hello(MERKLE_BIT | SKETCH_BIT, FLEET[:4], 2, leaf_fingerprint(TWO))),
    "fingerprints": encode_message(HaveFingerprints((PrefixFingerprints("", BRANCH.children),))),
    "hashes": encode_message(HaveIds((PrefixIds("", tuple(change[:16] for change in TWO)),))),
    "hashes-below": encode_message(HaveIds((PrefixIds("2ad", (bytes.fromhex("2ad1") + bytes(15),)),))),
    "want": encode_message(Want(b"\x40")),
    "over": encode_message(EndOfTurn(has_more=False)),
    "sending": encode_message(Offer(2, 1, 0, 2)),
    "holdings": encode_message(Holdings((Holding(b"abc", b"def", 7), Holding(b"abc", b"ghi", 300)))),
    "proof-of-position": encode_message(PositionProof(BLOCK.header.data, ((0, GENESIS.id),), b"")),
    "body": BODY,
    "got": encode_message(Ack()),
    "settled": encode_message(Summary(2, leaf_fingerprint(TWO))),
    "giving-up": encode_message(Abort(12)),
    "short-ids": b"".join(short.to_bytes(6, "big") for short in SHORTS),
    "sums": encode_message(SketchPart(first(2, leading=False))),
    "meter": encode_message(SketchPart(bytes([SketchKind.METER]) + SetSketch.from_short_ids(SHORTS).meter)),
    "list": encode_message(SketchPart(first(100, leading=True))),
    "wants": encode_message(SketchPart(wanting())),
    "bundle": bundle(),
}

FENCE = re.compile(r"```hex ([a-z-]+)\n(.*?)```", re.DOTALL)


def shown() -> dict[str, bytes]:
    return {name: bytes.fromhex(digits) for name, digits in FENCE.findall(DOCUMENT.read_text())}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_the_code_makes(name: str) -> None:
    assert shown()[name].hex() == EXAMPLES[name].hex()


def test_every_example_is_checked_and_stated_once() -> None:
    names = [name for name, _ in FENCE.findall(DOCUMENT.read_text())]
    assert sorted(names) == sorted([*EXAMPLES, *test_block_format.EXAMPLES, "batch", "sealed"])


def test_the_sealed_file_is_opened_by_the_fleets_secret() -> None:
    keys = SealKeys(FLEET, EpochKeys.of(b"c0ffee" * 10, [], []), lambda: pytest.fail("its own key is not needed"))
    assert SealedReader(io.BytesIO(shown()["sealed"]), keys, Path()).read(100) == b"Fieldline"


def test_the_batch_unpacks_to_its_blocks() -> None:
    frame = shown()["batch"]
    assert frame[:1] + frame[1:2] == encode_varint(len(frame) - 2) or frame[:2] == encode_varint(len(frame) - 2)
    packed = frame[3:] if frame[0] >= 128 else frame[2:]
    batch = BatchDecoder().decode_batch(packed)
    assert batch == Batch(ENTRIES, {})
    assert BlockUnpacker(FLEET, is_lenient=False).unpack_batch(batch.blocks).blocks == [GENESIS, BLOCK]


if __name__ == "__main__":
    text = DOCUMENT.read_text()
    batch = encode_message(Blocks(BatchEncoder().encode_batch(ENTRIES)))
    values = test_block_format.EXAMPLES | EXAMPLES | {"batch": batch}
    for name, data in values.items():
        block = "\n".join(wrap(data.hex(), 96))
        text = re.sub(rf"```hex {name}\n.*?```", f"```hex {name}\n{block}\n```", text, flags=re.DOTALL)
    DOCUMENT.write_text(text)
