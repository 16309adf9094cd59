"""The root over a chain's ids proves which id is at a position, and nothing else."""

from __future__ import annotations

from random import Random

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from core.mountain_range import Range, check, levels_of, prove, range_of


def some_ids(count: int, seed: int = 0) -> list[bytes]:
    return [blake3(b"%d %d" % (seed, number)).digest() for number in range(count)]


def defined(ids: list[bytes]) -> bytes:
    """The root as it is defined: perfect trees, the largest first."""

    def perfect(some: list[bytes]) -> bytes:
        if len(some) == 1:
            return blake3(b"\0" + some[0]).digest()
        half = len(some) // 2
        return blake3(b"\1" + perfect(some[:half]) + perfect(some[half:])).digest()

    peaks, rest = [], ids
    while rest:
        size = 1 << len(rest).bit_length() - 1
        peaks.append(perfect(rest[:size]))
        rest = rest[size:]
    return blake3(b"\3" + len(ids).to_bytes(8, "big") + b"".join(peaks)).digest()


@given(st.integers(1, 300))
def test_the_root_is_that_of_the_definition(count: int) -> None:
    ids = some_ids(count)
    found = range_of(ids)
    assert found.root == defined(ids)
    assert len(found.peaks) == count.bit_count()
    assert Range.from_bytes(count, found.to_bytes()) == found
    with pytest.raises(ValueError, match="peaks"):
        Range.from_bytes(count, found.to_bytes() + bytes(32))


cases = st.integers(1, 200).flatmap(
    lambda count: st.tuples(
        st.integers(count, count + 20), st.just(count), st.sets(st.integers(0, count - 1), min_size=1)
    )
)


@given(cases)
def test_a_proof_of_any_positions_holds(case: tuple[int, int, set[int]]) -> None:
    """Also with the nodes of a chain that has gone on since."""
    total, size, positions = case
    ids = some_ids(total)
    proof = prove(levels_of(ids), size, positions)
    assert check(range_of(ids[:size]).root, size, {p: ids[p] for p in positions}, proof)


@given(cases, st.data())
def test_a_changed_proof_does_not_hold(case: tuple[int, int, set[int]], data: st.DataObject) -> None:
    _, size, positions = case
    ids = some_ids(size)
    root, proof = range_of(ids).root, prove(levels_of(ids), size, positions)
    shown = {p: ids[p] for p in positions}
    one = data.draw(st.sampled_from(sorted(positions)))
    assert not check(root, size, shown | {one: b"x" * 32}, proof)
    assert not check(root, size + 1, shown, proof)
    assert not check(root, size, shown, proof + bytes(32))
    assert not check(root, size, shown, proof + b"x")
    assert not check(b"r" * 32, size, shown, proof)
    assert not check(root, size, {}, proof)
    assert not check(root, size, shown | {size: b"x" * 32}, proof)
    assert not check(root, size, shown | {-1: b"x" * 32}, proof)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        assert not check(root, size, shown, proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :])
        assert not check(root, size, shown, proof[:-32])


def forged(tries: int, seed: int) -> int:
    """How many of so many forged positions are taken."""
    chance = Random(seed)
    chains = [
        (ids, levels_of(ids), range_of(ids).root) for ids in (some_ids(n, n) for n in (2, 3, 37, 100, 255, 256, 1000))
    ]
    taken = 0
    for _ in range(tries):
        ids, levels, root = chance.choice(chains)
        size = len(ids)
        true = chance.randrange(size)
        claimed = chance.randrange(size)
        while claimed == true:
            claimed = chance.randrange(size)
        proof = prove(levels, size, [chance.choice((true, claimed))])
        taken += check(root, size, {claimed: ids[true]}, proof)
        stranger = chance.randbytes(32)
        taken += check(root, size, {claimed: stranger}, proof)
    return taken


def test_forged_positions_are_refused() -> None:
    assert forged(1_000, 1) == 0


@pytest.mark.soak
def test_forged_positions_are_refused_10000_of_10000() -> None:
    assert forged(10_000, Random().getrandbits(32)) == 0


def test_proofs_are_small() -> None:
    for count, most in ((100, 288), (1_000, 512), (10_000, 640)):
        levels = levels_of(some_ids(count))
        chance = Random(count)
        assert max(len(prove(levels, count, [chance.randrange(count)])) for _ in range(100)) <= most
    # A hundred of ten thousand together cost much less than each for itself.
    together = prove(levels, 10_000, Random(5).sample(range(10_000), 100))
    assert len(together) < 25_000


def test_there_is_no_proof_of_what_is_not_there() -> None:
    levels = levels_of(some_ids(5))
    for positions in ([], [5], [-1]):
        with pytest.raises(ValueError, match="position"):
            prove(levels, 5, positions)
    with pytest.raises(ValueError, match="position"):
        prove(levels, 6, [0])
