"""The examples of changes in docs/wire-format.md are what the code makes.

To write them into the document: `python -m tests.core.sync.test_wire_format`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core import changes as format2
from core import hashes, salt_tree
from core.body import Fact, decode_body
from core.chain import advance, first_tip
from core.changes import Change, decode_block, fact_id, sign_block, verify_block
from core.header import device_id, fleet_id
from core.leaf_tree import root_of
from core.mountain_range import check, levels_of, prove, range_of
from core.slots import leaf_ids
from core.sync.packed_header import Sent, Trail, pack, unpack
from core.value_codec import (
    FactRef,
    ParentRef,
    Ref,
    Value,
    Withdrawal,
    decode_value,
    encode_value,
    withdrawal_of,
    withdrawn_by,
)
from tests.support.strategies import KEYS

DOCUMENT = Path(__file__).parents[2] / "docs" / "wire-format.md"

KEY = KEYS[0]
PUBLIC = KEY.public_key().public_bytes_raw()
DEVICE = device_id(PUBLIC)
PERSON = hashes.digest(b"a person")[:16]
FLEET_ENTITY = hashes.digest(b"fieldline entity fleet")[:16]
PLACE, LOCALITY = bytes(range(16)), bytes(range(16, 32))
FOUNDING = Change(
    PERSON,
    1_700_000_000_000_000,
    None,
    (
        Fact(FLEET_ENTITY, "kind", "fleet"),
        Fact(FLEET_ENTITY, "name", "Nord"),
        Fact(DEVICE, "kind", "member"),
        Fact(PERSON, "kind", "person"),
        Fact(PERSON, "person.name", "Ada"),
    ),
)
GENESIS = sign_block(FOUNDING, KEY, None, b"\xaa" * 16)
FLEET = fleet_id(GENESIS.id)
NAME_PLACE = next(place for place, fact in enumerate(GENESIS.facts) if fact.property == "name")
EDIT = Change(
    PERSON,
    1_700_000_060_000_000,
    "moved",
    (
        Fact(PLACE, "locality", ParentRef(LOCALITY)),
        Fact(FLEET_ENTITY, "name", "North", (GENESIS.fact_id(NAME_PLACE),)),
    ),
    bytes(range(1, 9)),
    {64: b"later"},
)
BLOCK = sign_block(EDIT, KEY, FLEET, bytes(range(16)), first_tip(GENESIS.header))
RENAMED = BLOCK.fact_id(next(place for place, fact in enumerate(BLOCK.facts) if fact.property == "name"))
UNDO = Change(PERSON, 1_700_000_360_000_000, None, (Fact(FLEET_ENTITY, "name", withdrawal_of([RENAMED]), (RENAMED,)),))
WITHDRAWING = sign_block(UNDO, KEY, FLEET, bytes(range(16, 32)), advance(first_tip(GENESIS.header), BLOCK.header))
SALTS = salt_tree.expand(BLOCK.body.salts, 3)
ENCODED = [*BLOCK.body.values, encode_value("moved")]
COMMITMENTS = [hashes.commitment(salt, value) for salt, value in zip(SALTS, ENCODED, strict=True)]
VALUES: list[Value] = [
    "Kiel",
    -1,
    True,
    None,
    Ref(PLACE),
    ParentRef(LOCALITY),
    FactRef(GENESIS.fact_id(1)),
    ("Kiel", -1, Ref(PLACE)),
    Withdrawal(GENESIS.fact_id(1)),
    (Withdrawal(GENESIS.fact_id(1)), Withdrawal(GENESIS.fact_id(2))),
]
IDS = [hashes.digest(b"%d" % number) for number in range(11)]


def leaves() -> list[bytes]:
    """The leaves as the document defines them, piece by piece."""
    entity = b"\x50" + PLACE, b"\x50" + FLEET_ENTITY
    target = b"\x81\x58\x22" + GENESIS.fact_id(NAME_PLACE)
    return [
        hashes.digest(b"\0" + b"\x83" + entity[0] + b"\x68locality" + b"\x80" + COMMITMENTS[0]),
        hashes.digest(b"\0" + b"\x83" + entity[1] + b"\x64name" + target + COMMITMENTS[1]),
        hashes.digest(b"\0\xf6" + COMMITMENTS[2]),
    ]


def packed(*, known: bool) -> bytes:
    sent = Sent()
    if known:
        sent.add(DEVICE, 0, GENESIS.id, whole=True)
    return pack(BLOCK.header, BLOCK.body.data, sent, linked=True)


EXAMPLES: dict[str, bytes] = {
    "public-key": PUBLIC,
    "device": DEVICE,
    "person": PERSON,
    "genesis-header": GENESIS.header.data,
    "genesis-body": GENESIS.body.data,
    "genesis-id": GENESIS.id,
    "fleet": FLEET,
    "block": BLOCK.data,
    "block-id": BLOCK.id,
    "withdrawal-block": WITHDRAWING.data,
    "withdrawal-id": WITHDRAWING.id,
    "salts": b"".join(SALTS),
    "commitments": b"".join(COMMITMENTS),
    "leaves": b"".join(leaves()),
    "root": root_of(leaves()),
    "values": b"".join(map(encode_value, VALUES)),
    "redacted-body": format2.redact(BLOCK, {0, 2}).body.data,
    "peaks": b"".join(range_of(IDS).peaks),
    "range-root": range_of(IDS).root,
    "proof": prove(levels_of(IDS), 11, [3, 9]),
    "packed": packed(known=True),
    "packed-whole": packed(known=False),
}
FENCE = re.compile(r"```hex ([a-z-]+)\n(.*?)```", re.DOTALL)


def shown() -> dict[str, bytes]:
    return {name: bytes.fromhex(digits) for name, digits in FENCE.findall(DOCUMENT.read_text())}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_the_code_makes(name: str) -> None:
    assert shown()[name].hex() == EXAMPLES[name].hex()


def test_the_withdrawal_of_the_document_gives_the_first_name_back() -> None:
    found = shown()
    undone = decode_block(found["withdrawal-block"])
    verify_block(undone, found["fleet"])
    facts = {block.fact_id(n): f for block in (GENESIS, BLOCK, undone) for n, f in enumerate(block.facts)}
    named = [(i, f.obsoletes) for i, f in facts.items() if (f.entity, f.property) == (FLEET_ENTITY, "name")]
    stated = [(fact, 0, seen) for fact, seen in named if fact[:32] != undone.id]
    assert [facts[leaf].value for leaf in leaf_ids(stated)[0]] == ["North"]
    withdrawals = {i for i, f in facts.items() if withdrawn_by(f.value)}
    assert [facts[leaf].value for leaf in leaf_ids(((i, 0, seen) for i, seen in named), withdrawals)[0]] == ["Nord"]


def test_the_blocks_say_what_the_document_says() -> None:
    found = shown()
    genesis = decode_block(found["genesis-header"] + found["genesis-body"])
    verify_block(genesis, found["fleet"])
    assert set(genesis.facts) == set(FOUNDING.facts)
    block = decode_block(found["block"])
    verify_block(block, found["fleet"])
    assert set(block.facts) == set(EDIT.facts)
    assert (block.header.fields.position, block.header.fields.previous) == (1, found["genesis-id"])
    assert block.header.fields.past == range_of([genesis.id]).root
    assert block.body.root == found["root"]


def test_the_values_the_redaction_the_proof_and_the_packed_blocks_are_read() -> None:
    found = shown()
    rest = found["values"]
    for value in VALUES:
        data = encode_value(value)
        assert decode_value(rest[: len(data)]) == value
        rest = rest[len(data) :]
    less = decode_body(found["redacted-body"])
    assert (less.root, less.redacted) == (found["root"], {0, 2})
    erased = {fact_id(found["block-id"], place) for place in (0, 2)}
    verify_block(decode_block(BLOCK.header.data + found["redacted-body"], erased), FLEET)
    assert check(found["range-root"], 11, {3: IDS[3], 9: IDS[9]}, found["proof"])
    trail = Trail()
    trail.follow(GENESIS.header)
    assert unpack(found["packed"], trail, FLEET).data == found["block"]
    assert unpack(found["packed-whole"], Trail(), FLEET).data == found["block"]
