"""Whatever bytes come, a decoder refuses them or reads what it would write.

Nothing else happens.

What goes in is real blocks, damaged. `make test` tries a few hundred, `make soak` a million for each decoder; a failure
says by which number to have it again (FIELDLINE_FUZZ).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest

from core import changes as format2
from core.body import Fact, decode_body
from core.changes import Change, decode_block, fact_id
from core.errors import BlockRefused
from core.header import decode_header
from core.mountain_range import Range, check, levels_of, prove
from core.sync.codec import MalformedMessage
from core.sync.packed_header import Sent, Trail, pack, unpack
from core.value_codec import FactRef, ParentRef, Ref, decode_value, encode_value
from tests.support.soak_table import soak_row
from tests.support.strategies import AUTHOR, FLEET, ChainPen

SHARDS = 8
EACH = 125_000
"""Inputs a decoder and shard in `make soak`: a million for each decoder."""


class Everything:
    """Allows every redaction."""

    def __contains__(self, fact: object) -> bool:
        return True


PEN = ChainPen()
CHANGES = [
    Change(AUTHOR, 1, None, (Fact(b"E" * 16, "kind", "host"),)),
    Change(AUTHOR, 2, "a note", tuple(Fact(bytes([n % 3]) * 16, f"p{n}", n) for n in range(7)), b"batch678"),
    Change(
        AUTHOR,
        3,
        None,
        (
            Fact(b"E" * 16, "site", ParentRef(b"S" * 16), (b"1" * 32 + b"\0\0",)),
            Fact(b"E" * 16, "list", ("x", 1, True, Ref(b"R" * 16))),
            Fact(b"F" * 16, "erased", FactRef(b"3" * 32 + b"\0\7")),
            Fact(b"F" * 16, "gone", None),
        ),
        None,
        {64: b"later", 70000: b""},
    ),
]
BLOCKS = [PEN.write(change) for change in CHANGES]
BLOCKS.append(format2.redact(BLOCKS[1], {0, 3, 7}))
IDS = [block.id for block in BLOCKS[:3]] * 9
PROOFS = [prove(levels_of(IDS), len(IDS), [p]) for p in (0, 5, 26)]
VALUES = [encode_value(fact.value) for block in BLOCKS for fact in block.facts]


def packed() -> list[bytes]:
    return [pack(block.header, block.body.data, Sent(), linked=True) for block in BLOCKS]


def trail() -> Trail:
    found = Trail()
    for block in BLOCKS[:3]:
        found.follow(block.header)
    return found


def whole(data: bytes) -> None:
    assert decode_block(data, Everything()).data == data


def header(data: bytes) -> None:
    assert decode_header(data).data == data


def body(data: bytes) -> None:
    assert decode_body(data).data == data


def value(data: bytes) -> None:
    assert encode_value(decode_value(data)) == data


def link(data: bytes) -> None:
    found = unpack(data, trail(), FLEET, Everything())
    assert decode_block(found.data, Everything()) == found
    # The signature is checked, so what comes out is one of those that were signed.
    assert found.id in {block.id for block in BLOCKS}


Decoder = Callable[[bytes], None]
DECODERS: dict[str, tuple[Decoder, list[bytes]]] = {
    "block": (whole, [block.data for block in BLOCKS]),
    "header": (header, [block.header.data for block in BLOCKS]),
    "body": (body, [block.body.data for block in BLOCKS]),
    "value": (value, VALUES),
    "link": (link, packed()),
}


def damaged(chance: Random, real: list[bytes]) -> bytes:
    """Bytes as a hostile peer might send them."""
    data = bytearray(chance.choice(real))
    for _ in range(chance.choice((1, 1, 2, 5))):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0:
                data[place:place] = chance.randbytes(chance.randrange(1, 9))
            case 1:
                del data[place : place + chance.randrange(1, 20)]
            case 2 if data:
                data[place % len(data)] = chance.randrange(256)
            case 3 if data:
                data[place % len(data)] ^= 1 << chance.randrange(8)
            case 4:
                other = chance.choice(real)
                start = chance.randrange(len(other) + 1)
                data[place : place + chance.randrange(40)] = other[start : start + chance.randrange(40)]
            case 5:
                data[place:] = b""
            case _:
                data[place : place + 1] = bytes([chance.choice((0x5B, 0x7B, 0x9B, 0xBB, 0xDB, 0x9F, 0xFF, 0xC2))])
    return bytes(data) if chance.randrange(20) else chance.randbytes(chance.randrange(300))


def shards() -> pytest.MarkDecorator:
    soak = [
        pytest.param(shard, EACH, marks=[pytest.mark.soak, pytest.mark.timeout(3600)], id=f"soak {shard}")
        for shard in range(SHARDS)
    ]
    return pytest.mark.parametrize(("shard", "number"), [pytest.param(99, 400, id="some"), *soak])


def chance_of(shard: int) -> tuple[int, Random]:
    reported = os.environ.get("FIELDLINE_FUZZ")
    soak = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
    seed = int(reported) if reported else Random().getrandbits(48) if soak else shard
    return seed, Random(seed)


@shards()
@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_refuses_or_reads_what_it_would_write(
    name: str, shard: int, number: int, record_property: Callable[[str, object], None]
) -> None:
    decoder, real = DECODERS[name]
    seed, chance = chance_of(shard)
    refused = 0
    for count in range(number):
        data = damaged(chance, real)
        try:
            decoder(data)
        except (BlockRefused, MalformedMessage):
            refused += 1
        except BaseException as error:
            error.add_note(f"FIELDLINE_FUZZ={seed}, input {count}: {data.hex()}")
            raise
    ends = {"refused": refused, "read": number - refused}
    record_property(*soak_row(f"bytes of a {name} damaged", number, ends))


@shards()
def test_a_damaged_proof_does_not_hold(shard: int, number: int, record_property: Callable[[str, object], None]) -> None:
    seed, chance = chance_of(shard)
    root = Range()
    for change in IDS:
        root = root.append(change)
    for count in range(number):
        data, position = damaged(chance, PROOFS), chance.randrange(-1, 30)
        change = chance.choice([*IDS, b"x" * 32])
        holds = 0 <= position < len(IDS) and change == IDS[position] and data in PROOFS
        assert check(root.root, len(IDS), {position: change}, data) in (holds, False), f"FIELDLINE_FUZZ={seed}, {count}"
    record_property(*soak_row("proofs of a position damaged", number))


def test_what_is_damaged_here_is_sound_as_it_is() -> None:
    for decoder, real in DECODERS.values():
        for data in real:
            decoder(data)
    assert fact_id(BLOCKS[0].id, 0) == BLOCKS[0].fact_id(0)
