"""Proofs of position: what is asked for and shown; forged ones are refused."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import header as headers
from core.header import SignedHeader
from core.mountain_range import levels_of
from core.sync.codec import MalformedMessage, decode_message, encode_message
from core.sync.messages import PositionProof
from core.sync.position_proofs import CutChain, ProofPlan, ProvenPast, Wanted, check_proofs
from tests.support.strategies import FLEET, KEYS, ChainPen

LENGTHS = (2, 3, 37, 100, 255)
TRIES, SOAK_TRIES = 700, 10_000


def chain(count: int, number: int = 0) -> list[SignedHeader]:
    pen = ChainPen(number)
    for _ in range(count):
        pen.write()
    return [block.header for block in pen.blocks]


CHAIN = chain(12)
LEVELS = levels_of(header.id for header in CHAIN)


def plan(sent: list[SignedHeader], cuts: list[SignedHeader], starts: list[SignedHeader] | None = None) -> ProofPlan:
    return ProofPlan([CutChain(CHAIN[0].fields.device, cuts, starts or [], {header.id for header in sent})])


def asked(wanted: list[Wanted]) -> list[tuple[int, list[int]]]:
    return [(each.head.fields.position, sorted(at for at, _ in each.changes)) for each in wanted]


def test_before_a_batch_what_lies_before_each_cut_is_proven_in_the_past_of_the_cut() -> None:
    made = plan(CHAIN, [CHAIN[8], CHAIN[4]])
    assert asked(made.next_batch([CHAIN[2], CHAIN[6], CHAIN[9]])) == [(8, [2, 6]), (4, [2])]


def test_behind_a_place_it_is_the_place_that_is_proven_in_the_past_of_each_change() -> None:
    made = plan(CHAIN, [], [CHAIN[4]])
    assert asked(made.next_batch([CHAIN[2], CHAIN[6], CHAIN[9]])) == [(6, [4]), (9, [4])]


def test_nothing_is_proven_of_a_chain_that_is_whole_with_this_batch_nor_of_other_devices() -> None:
    made = plan(CHAIN[:3], [CHAIN[8]])
    assert made.next_batch(chain(3, 1)) == []
    assert asked(made.next_batch(CHAIN[:2])) == [(8, [0, 1])]
    assert made.next_batch(CHAIN[2:3]) == []
    assert ProofPlan([]).next_batch(CHAIN) == []


@given(st.sets(st.integers(0, 10), min_size=1), st.integers(1, 11))
def test_a_proof_shows_what_is_in_the_chain_and_leaves_out_what_is_not(positions: set[int], cut: int) -> None:
    held = {at: CHAIN[at].id for at in positions if at < cut}
    proof = Wanted(CHAIN[cut], {*held.items(), (0, b"x" * 32)}).prove(LEVELS)
    if not held:
        assert proof is None
        return
    assert proof is not None
    assert decode_message(encode_message(proof)[len(encode_message(proof)) - _size(proof) :]) == proof
    assert check_proofs([proof], FLEET) == [ProvenPast(CHAIN[0].fields.device, CHAIN[cut].id, held)]


def _size(proof: PositionProof) -> int:
    frame = encode_message(proof)
    return len(frame) - (1 if frame[0] < 128 else 2 if frame[1] < 128 else 3)


def test_of_changes_at_one_position_the_one_of_the_chain_is_proven() -> None:
    pen = ChainPen()
    for _ in range(4):
        pen.write()
    thief = pen.branch(1).write(at=7).header
    honest, cut = pen.blocks[1].header, pen.blocks[3].header
    for going in ([honest, thief], [thief, honest]):
        (wanted,) = plan([cut, honest, thief], [cut]).next_batch(going)
        proof = wanted.prove(levels_of(block.id for block in pen.blocks))
        assert proof is not None
        assert proof.changes == ((1, honest.id),)


def test_of_another_chain_nothing_is_proven() -> None:
    assert Wanted(chain(5, 1)[4], {(0, CHAIN[0].id)}).prove(LEVELS) is None


def forged(tries: int, seed: int) -> int:
    """How many of so many forged proofs are taken.

    Another position, change, header, or other hashes.
    """
    chance = Random(seed)
    chains = [(headers_, levels_of(header.id for header in headers_)) for headers_ in map(chain, LENGTHS)]
    taken = 0
    for number in range(tries):
        made, levels = chance.choice(chains)
        cut = made[chance.randrange(1, len(made))]
        true = chance.randrange(cut.fields.position)
        good = Wanted(cut, {(true, made[true].id)}).prove(levels)
        assert good is not None
        claimed = chance.choice([at for at in range(cut.fields.position + 2) if at != true])
        bad = (
            replace(good, changes=((claimed, made[true].id),)),
            replace(good, changes=((true, chance.randbytes(32)),)),
            replace(good, changes=(*good.changes, (cut.fields.position + 1, chance.randbytes(32)))),
            replace(good, header=_another(cut, chance).data),
            replace(good, header=cut.data[:-1] + bytes([cut.data[-1] ^ 1])),
            replace(good, proof=good.proof + chance.randbytes(32)),
            replace(good, proof=good.proof[:-32] + chance.randbytes(32 if good.proof else 1)),
        )[number % 7]
        taken += not isinstance(check_proofs([bad], FLEET), MalformedMessage)
    return taken


def _another(header: SignedHeader, chance: Random) -> SignedHeader:
    """A header that whoever has the key signs, with the same past at another position."""
    position = header.fields.position + chance.choice((1, 2, 7))
    return headers.sign(replace(header.fields, position=position), KEYS[0], FLEET)


def test_forged_proofs_are_refused() -> None:
    assert forged(TRIES, 1) == 0


@pytest.mark.soak
def test_forged_proofs_are_refused_10000_of_10000() -> None:
    assert forged(SOAK_TRIES, Random().getrandbits(32)) == 0


def test_a_proof_of_another_fleet_is_refused() -> None:
    proof = Wanted(CHAIN[4], {(1, CHAIN[1].id)}).prove(LEVELS)
    assert proof is not None
    assert isinstance(check_proofs([proof], b"another fleet's."), MalformedMessage)


def test_proofs_are_small() -> None:
    made = chain(1000)
    levels = levels_of(header.id for header in made)
    sizes = [
        len(proof.header) + len(proof.proof)
        for at in range(0, 999, 37)
        if (proof := Wanted(made[999], {(at, made[at].id)}).prove(levels))
    ]
    assert max(sizes) < 800
