"""The examples in docs/wire-format.md are what the code makes.

To see what they should be: `python -m tests.core.sync.test_wire_format`.
"""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import wrap

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.changes import (
    FLEET_ENTITY,
    SCHEMA_ENTITY,
    Change,
    Fact,
    Ref,
    change_id,
    decode_block,
    device_id,
    fact_id,
    fleet_id,
    sign_change,
)
from core.sync.batch_codec import Batch, BatchDecoder, BatchEncoder
from core.sync.codec import encode_message, encode_varint
from core.sync.messages import (
    Abort,
    Ack,
    Blocks,
    EndOfTurn,
    HaveFingerprints,
    HaveIds,
    Hello,
    Offer,
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
from core.sync.reconcile.sketch_protocol import (
    SketchKind,
    SketchProtocol,
    encode_wants,
)
from core.sync.session import MERKLE_BIT, SKETCH_BIT

DOCUMENT = Path(__file__).parents[3] / "docs" / "wire-format.md"

KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
DEVICE = device_id(PUBLIC)
MEMBER = [
    Fact(DEVICE, "kind", "member"),
    Fact(DEVICE, "member.name", "office"),
    Fact(DEVICE, "member.role", "admin"),
]
FOUNDING = Change(
    DEVICE,
    None,
    "ada",
    1_700_000_000_000_000,
    None,
    (Fact(FLEET_ENTITY, "kind", "fleet"), Fact(FLEET_ENTITY, "name", "Nord"), *MEMBER),
)
GENESIS = sign_change(FOUNDING, KEY, None)
FLEET = fleet_id(change_id(GENESIS))
PLACE = bytes(range(16))
LOCALITY = bytes(range(16, 32))
EDIT = Change(
    DEVICE,
    change_id(GENESIS),
    "ada",
    1_700_000_060_000_000,
    "moved",
    (
        Fact(PLACE, "locality", Ref(LOCALITY)),
        Fact(FLEET_ENTITY, "name", "North", (fact_id(change_id(GENESIS), 1),)),
    ),
)
BLOCK = sign_change(EDIT, KEY, FLEET)
TWO = sorted(map(change_id, (GENESIS, BLOCK)))
MANY = sorted(blake3(bytes([number])).digest() for number in range(20))
ROOT, (BRANCH,) = build_tree(MANY)
BODY = b"".join(encode_varint(len(data)) + data for data in (GENESIS, BLOCK))
SHORTS = [short_id(short_key(b"0" * 64), change_id(data)) for data in (GENESIS, BLOCK)]


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
    plain = b"FLDBNDL\x01" + FLEET + (2).to_bytes(8, "big") + BODY
    return plain + blake3(plain).digest()


EXAMPLES: dict[str, bytes] = {
    "public-key": PUBLIC,
    "device": DEVICE,
    "fleet-entity": FLEET_ENTITY,
    "schema-entity": SCHEMA_ENTITY,
    "genesis": GENESIS,
    "genesis-id": change_id(GENESIS),
    "fleet": FLEET,
    "block": BLOCK,
    "block-id": change_id(BLOCK),
    "fact": fact_id(change_id(BLOCK), 1),
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
    assert sorted(names) == sorted([*EXAMPLES, "batch"])


def test_the_batch_unpacks_to_its_blocks() -> None:
    frame = shown()["batch"]
    assert frame[:1] + frame[1:2] == encode_varint(len(frame) - 2) or frame[:2] == encode_varint(len(frame) - 2)
    packed = frame[3:] if frame[0] >= 128 else frame[2:]
    assert BatchDecoder().decode_batch(packed) == Batch([GENESIS, BLOCK], {})


def test_the_blocks_say_what_the_document_says() -> None:
    assert decode_block(GENESIS).change == FOUNDING
    assert decode_block(BLOCK).change == EDIT


if __name__ == "__main__":
    text = DOCUMENT.read_text()
    values = EXAMPLES | {"batch": encode_message(Blocks(BatchEncoder().encode_batch([GENESIS, BLOCK])))}
    for name, data in values.items():
        block = "\n".join(wrap(data.hex(), 96))
        text = re.sub(rf"```hex {name}\n.*?```", f"```hex {name}\n{block}\n```", text, flags=re.DOTALL)
    print(text, end="")
