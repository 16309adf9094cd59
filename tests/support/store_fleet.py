"""A fleet to test with: devices with fixed keys, a genesis, and blocks that they might have written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from core.changes import FLEET_ENTITY, Change, Fact, Value, change_id, decode_block, fact_id, fleet_id, sign_change
from tests.support.strategies import DEVICES, KEYS

SECRET = "5ec2e7" * 10
ENTITY = b"E" * 16
OTHER = b"F" * 16


@dataclass(frozen=True)
class Author:
    """A device that writes."""

    private_key: Ed25519PrivateKey
    device: bytes


AUTHORS = [Author(key, device) for key, device in zip(KEYS, DEVICES, strict=True)]


def _member(device: bytes, name: str, role: str) -> list[Fact]:
    return [Fact(device, "kind", "member"), Fact(device, "member.name", name), Fact(device, "member.role", role)]


GENESIS = sign_change(
    Change(
        DEVICES[0],
        None,
        "admin",
        1,
        None,
        (
            Fact(FLEET_ENTITY, "kind", "fleet"),
            Fact(FLEET_ENTITY, "secret", SECRET),
            *_member(DEVICES[0], "K0", "admin"),
        ),
    ),
    KEYS[0],
    None,
)
FLEET = fleet_id(change_id(GENESIS))
ADMISSION = sign_change(
    Change(
        DEVICES[0],
        change_id(GENESIS),
        "admin",
        2,
        None,
        tuple(fact for n, device in enumerate(DEVICES[1:4], 1) for fact in _member(device, f"K{n}", "technician")),
    ),
    KEYS[0],
    FLEET,
)
FOUNDING = [GENESIS, ADMISSION]
"""Device 0 is the admin, devices 1 to 3 are technicians, the others do not belong."""


class Pen:
    """Writes blocks of one device, each on top of the one before."""

    def __init__(self, number: int, previous: bytes | None = None) -> None:
        self.author = AUTHORS[number]
        self.previous = previous

    def write(self, *facts: Fact, at: int, user: str = "u", note: str | None = None) -> bytes:
        """The block of a change."""
        change = Change(self.author.device, self.previous, user, at, note, tuple(facts))
        data = sign_change(change, self.author.private_key, FLEET)
        self.previous = change_id(data)
        return data


def fact_of(data: bytes, index: int = 0) -> bytes:
    """The id of a block's fact."""
    return fact_id(change_id(data), index)


@st.composite
def histories(draw: st.DrawFn, most: int = 10) -> list[bytes]:
    """Blocks by several devices about two entities, each obsoleting some facts of those before it; times are any."""
    pens = [Pen(number) for number in range(1, 5)]
    blocks: list[bytes] = []
    ids: list[bytes] = []
    for _ in range(draw(st.integers(1, most))):
        pen = draw(st.sampled_from(pens))
        places = draw(
            st.lists(
                st.tuples(st.sampled_from([ENTITY, OTHER]), st.sampled_from(["p", "q"])),
                min_size=1,
                max_size=3,
                unique=True,
            )
        )
        facts = []
        for entity, name in places:
            seen = draw(st.lists(st.sampled_from(ids), unique=True, max_size=3)) if ids else []
            value: Value = draw(st.sampled_from([None, "a", "b", "c", 1, True]))
            facts.append(Fact(entity, name, value, tuple(sorted(seen))))
        data = pen.write(*facts, at=draw(st.integers(10, 30)))
        blocks.append(data)
        ids += [fact_of(data, index) for index in range(len(facts))]
    return blocks


def accepted(blocks: Iterable[bytes]) -> list[bytes]:
    """Those of the blocks whose device belongs to the fleet."""
    return [data for data in blocks if decode_block(data).change.device in DEVICES[:4]]
