"""A fleet to test with.

Devices with fixed keys, a genesis, and blocks that they might have written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from core.body import Fact
from core.chain import Tip, advance, first_tip
from core.changes import FLEET_ENTITY, Block, Change, change_id, decode_block, fact_id, sign_block
from core.hashes import digest
from core.header import fleet_id
from core.mountain_range import levels_of
from core.store.store import Store
from core.sync.position_proofs import ProofPlan, ProvenPast, check_proofs
from core.value_codec import ID_BYTES, Value, withdrawal_of
from tests.support.strategies import DEVICES, KEYS, SEED

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


def person_of(user: str) -> bytes:
    """Give the entity of the person whom the genesis calls so."""
    return digest(b"person " + user.encode())[:ID_BYTES]


def person_facts(user: str) -> list[Fact]:
    """Give what is said of a person."""
    return [Fact(person_of(user), "kind", "person"), Fact(person_of(user), "person.name", user)]


USERS = ("admin", "u", "Ann", "Bob", "Jansen", "Jones", "Maier", "Müller", "Straße", "ü")


def make_genesis(secret: str = SECRET) -> Block:
    """Give the first change of a fleet.

    Device 0 is its admin, and the users have names.
    """
    facts = (
        Fact(FLEET_ENTITY, "kind", "fleet"),
        Fact(FLEET_ENTITY, "secret", secret),
        *_member(DEVICES[0], "K0", "admin"),
        *(fact for user in USERS for fact in person_facts(user)),
    )
    return sign_block(Change(person_of("admin"), 1, None, facts), KEYS[0], None, SEED)


_GENESIS_BLOCK = make_genesis()
GENESIS = _GENESIS_BLOCK.data
FLEET = fleet_id(_GENESIS_BLOCK.id)


class Pen:
    """Write blocks of a device, each on top of the one before or a given chain."""

    def __init__(self, number: int, chain: Iterable[bytes] = (), fleet: bytes = FLEET) -> None:
        self.author = AUTHORS[number]
        self.fleet = fleet
        self.tip: Tip | None = None
        for data in chain:
            self._follow(decode_block(data))

    def write(
        self, *facts: Fact, at: int, user: str = "u", note: str | None = None, batch: bytes | None = None
    ) -> bytes:
        """The block of a change."""
        change = Change(person_of(user), at, note, tuple(facts), batch)
        block = sign_block(change, self.author.private_key, self.fleet, SEED, self.tip)
        self._follow(block)
        return block.data

    def branch(self) -> Pen:
        """Another holder of the same key, who goes on from here."""
        other = Pen(AUTHORS.index(self.author), fleet=self.fleet)
        other.tip = self.tip
        return other

    def _follow(self, block: Block) -> None:
        self.tip = advance(self.tip, block.header) if self.tip else first_tip(block.header)


READER = 7
ADMISSION = Pen(0, [GENESIS]).write(
    *(fact for n, device in enumerate(DEVICES[1:4], 1) for fact in _member(device, f"K{n}", "technician")),
    *_member(DEVICES[READER], f"K{READER}", "reader"),
    at=2,
    user="admin",
)
FOUNDING = [GENESIS, ADMISSION]
"""Device 0 is the admin, devices 1 to 3 are technicians, the last is a reader, the others do not belong."""


def fact_of(data: bytes, place: int = 0) -> bytes:
    """The id of a block's fact.

    The facts of a block are in the order of entities and properties.
    """
    return fact_id(change_id(data), place)


def fact_about(data: bytes, entity: bytes, name: str) -> bytes:
    """The id of the fact of a block that is about this slot."""
    block = decode_block(data)
    slots = [(fact.entity, fact.property) for fact in block.facts]
    return block.fact_id(slots.index((entity, name)))


@st.composite
def histories(draw: st.DrawFn, most: int = 10) -> list[bytes]:
    """Blocks by several devices about two entities, at any times.

    Each obsoletes or withdraws some facts of those before it.
    """
    pens = [Pen(number) for number in (1, 2, 3, READER)]
    blocks: list[bytes] = []
    known: list[tuple[tuple[bytes, str], bytes]] = []
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
            # Mostly the latest of the same slot: else hardly anything would ever supersede something.
            near = [fact for slot, fact in known if slot == (entity, name)][-3:] + [fact for _, fact in known][-1:]
            pool = draw(st.sampled_from([near, near, [fact for _, fact in known]]))
            seen = draw(st.lists(st.sampled_from(pool), unique=True, max_size=3)) if pool else []
            value: Value = draw(st.sampled_from([None, "a", "b", "c", 1, True]))
            if seen and draw(st.booleans()):
                value = withdrawal_of(seen)
            facts.append(Fact(entity, name, value, tuple(sorted(seen))))
        data = pen.write(*facts, at=draw(st.integers(10, 30)))
        blocks.append(data)
        known += [((f.entity, f.property), fact_about(data, f.entity, f.property)) for f in facts]
    return blocks


def accepted(blocks: Iterable[bytes]) -> list[bytes]:
    """Those of the blocks whose device may write."""
    return [data for data in blocks if decode_block(data).device in DEVICES[:4]]


async def save_in_pieces(store: Store, blocks: Sequence[bytes], size: int) -> None:
    """Offer blocks in this order, so many at a time, and missing ones again.

    Again what came before the change that admits its author.
    """
    left = list(blocks)
    while left:
        refused: set[bytes] = set()
        for start in range(0, len(left), size):
            saved = await store.save_blocks(left[start : start + size])
            refused |= {change for change, _ in saved.refused}
        assert len(refused) < len(left)
        left = [data for data in left if change_id(data) in refused]


async def proven(store: Store, changes: Sequence[bytes]) -> list[ProvenPast]:
    """What a store's proofs show to who has nothing else of their chains."""
    found: list[ProvenPast] = []
    for chain in await store.cut_chains(await store.hashes()):
        headers = [decode_block(data).header for data in await store.blocks(sorted(chain.sent))]
        plan = ProofPlan([replace(chain, sent={*chain.sent, b"more"})])
        for wanted in plan.next_batch([header for header in headers if header.id in changes]):
            proof = wanted.prove(levels_of(await store.chain_ids(wanted.head.id)))
            checked = check_proofs([proof] if proof else [], FLEET)
            assert isinstance(checked, list)
            found += checked
    return found
