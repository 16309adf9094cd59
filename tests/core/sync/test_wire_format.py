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
    decode,
    device_id,
    fact_id,
    fleet_id,
    seal,
)
from core.sync.cells import SHORT_BITS, Cells, short_id, short_key
from core.sync.codec import encode, varint
from core.sync.difference import resolution_of
from core.sync.merkle import build, leaf_fingerprint
from core.sync.messages import (
    Blocks,
    Fingerprints,
    GivingUp,
    Got,
    Hashes,
    Hello,
    HereAreBlockHashes,
    IHaveFingerprints,
    IWant,
    Over,
    Sending,
    Settled,
    SketchPart,
)
from core.sync.packing import Batch, Packer, Unpacker
from core.sync.prefixes import Prefix
from core.sync.prefixes import encode as encode_prefixes
from core.sync.session import MERKLE, SKETCH
from core.sync.sketch import Kind, Say, Scan, Sketch, wants_messages

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
GENESIS = seal(FOUNDING, KEY, None)
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
BLOCK = seal(EDIT, KEY, FLEET)
TWO = sorted(map(change_id, (GENESIS, BLOCK)))
MANY = sorted(blake3(bytes([number])).digest() for number in range(20))
ROOT, (BRANCH,) = build(MANY)
BODY = b"".join(varint(len(data)) + data for data in (GENESIS, BLOCK))
SHORTS = [short_id(short_key(b"0" * 64), change_id(data)) for data in (GENESIS, BLOCK)]


def first(others: int, *, leading: bool) -> bytes:
    """What a device with the two changes says first in a sketch, to one with so many."""
    sketch = Sketch(Cells.of(SHORTS), others, leading=leading)
    step = sketch.start()
    if isinstance(step, Scan):
        step = sketch.scanned(SHORTS)
    assert isinstance(step, Say)
    return step.messages[0]


def wanting() -> bytes:
    """What asks a device with the two changes for the second one."""
    resolution = resolution_of(2)
    return wants_messages(encode_prefixes([Prefix(SHORTS[1], SHORT_BITS).cut(resolution)], resolution))[0]


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
    "hello": encode(Hello(MERKLE | SKETCH, FLEET[:4], 2, leaf_fingerprint(TWO))),
    "fingerprints": encode(IHaveFingerprints((Fingerprints("", BRANCH.children),))),
    "hashes": encode(HereAreBlockHashes((Hashes("", tuple(change[:16] for change in TWO)),))),
    "hashes-below": encode(HereAreBlockHashes((Hashes("2ad", (bytes.fromhex("2ad1") + bytes(15),)),))),
    "want": encode(IWant(b"\x40")),
    "over": encode(Over(more=False)),
    "sending": encode(Sending(2, 1, 0, 2)),
    "body": BODY,
    "got": encode(Got()),
    "settled": encode(Settled(2, leaf_fingerprint(TWO))),
    "giving-up": encode(GivingUp(12)),
    "short-ids": b"".join(short.to_bytes(6, "big") for short in SHORTS),
    "sums": encode(SketchPart(first(2, leading=False))),
    "meter": encode(SketchPart(bytes([Kind.METER]) + Cells.of(SHORTS).meter)),
    "list": encode(SketchPart(first(100, leading=True))),
    "wants": encode(SketchPart(wanting())),
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
    assert frame[:1] + frame[1:2] == varint(len(frame) - 2) or frame[:2] == varint(len(frame) - 2)
    packed = frame[3:] if frame[0] >= 128 else frame[2:]
    assert Unpacker().unpack(packed) == Batch([GENESIS, BLOCK], {})


def test_the_blocks_say_what_the_document_says() -> None:
    assert decode(GENESIS).change == FOUNDING
    assert decode(BLOCK).change == EDIT


if __name__ == "__main__":
    text = DOCUMENT.read_text()
    values = EXAMPLES | {"batch": encode(Blocks(Packer().pack([GENESIS, BLOCK])))}
    for name, data in values.items():
        block = "\n".join(wrap(data.hex(), 96))
        text = re.sub(rf"```hex {name}\n.*?```", f"```hex {name}\n{block}\n```", text, flags=re.DOTALL)
    print(text, end="")
