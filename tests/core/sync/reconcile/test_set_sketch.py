from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from core.sync.reconcile.set_sketch import (
    GROUP_BITS,
    METER_BYTES,
    ROWS,
    SKETCH_BYTES,
    VALUE_PRIME,
    SetSketch,
    add_to_rows,
    empty_rows,
    short_id,
    short_key,
)

KEY = short_key(b"a secret of this fleet")


def change(seed: int) -> bytes:
    return blake3(seed.to_bytes(8, "big")).digest()


def some_shorts(start: int, number: int) -> list[int]:
    return [short_id(KEY, change(seed)) for seed in range(start, start + number)]


batches = st.lists(st.integers(0, 30), max_size=5)


@given(batches, st.randoms(use_true_random=False))
def test_the_order_and_batches_of_folding_do_not_matter(sizes: list[int], random: object) -> None:
    shorts = some_shorts(0, sum(sizes))
    mixed = shorts[:]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    cells = SetSketch()
    for size in sizes:
        cells.add_short_ids(mixed[:size])
        del mixed[:size]
    assert cells.to_bytes() == SetSketch.from_short_ids(shorts).to_bytes()


@given(st.integers(0, 40), st.integers(0, 40))
def test_kept_cells_are_read_again_and_go_on(before: int, after: int) -> None:
    data = SetSketch.from_short_ids(some_shorts(0, before)).to_bytes()
    assert len(data) == SKETCH_BYTES
    read = SetSketch.from_bytes(data)
    assert read.to_bytes() == data
    read.add_short_ids(some_shorts(before, after))
    assert read.to_bytes() == SetSketch.from_short_ids(some_shorts(0, before + after)).to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(SKETCH_BYTES),
        bytes(SKETCH_BYTES - 1),
        b"\x02" + bytes(SKETCH_BYTES - 1),
        b"\x01" + bytes(SKETCH_BYTES),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not the cells"):
        SetSketch.from_bytes(data)


@pytest.mark.parametrize("bits", [2, 5, GROUP_BITS])
def test_joined_groups_are_those_of_the_set(bits: int) -> None:
    shorts = some_shorts(0, 500)
    rows = empty_rows(bits)
    add_to_rows(rows, shorts, bits)
    assert SetSketch.from_short_ids(shorts).group_rows(bits) == rows
    assert len(rows) == ROWS + 1
    first = shorts[0]
    alone = [short for short in shorts if (short ^ first) >> 24 - bits & (1 << bits) - 1 == 0]
    group = (first & 0xFFFFFF) >> 24 - bits
    assert rows[3][group] == sum(pow((short >> 24) + 1, 3, VALUE_PRIME) for short in alone) % VALUE_PRIME
    assert rows[0][group] % 32 == len(alone) % 32


def test_the_meter_estimates_the_size_of_a_difference() -> None:
    common = SetSketch.from_short_ids(some_shorts(0, 2000))
    for size, tolerance in ((0, 1), (5, 2), (40, 16), (400, 200), (4000, 2000), (40_000, 20_000)):
        shorts = some_shorts(10_000, size)
        cells = SetSketch.from_short_ids(shorts[: size // 2] + some_shorts(0, 2000))
        common_and_others = SetSketch.from_short_ids(shorts[size // 2 :] + some_shorts(0, 2000))
        assert abs(cells.estimate_difference(common_and_others.meter) - size) <= tolerance
    assert common.estimate_difference(common.meter) == 1
    assert common.estimate_difference(bytes(METER_BYTES)) > 1000
    assert common.estimate_difference(b"\xff" * METER_BYTES) > 100_000


def test_short_ids_are_as_documented() -> None:
    """What two devices must agree on, for ever: another value here is another format."""
    key = short_key(b"secret")
    assert key == blake3(b"secret", derive_key_context="Fieldline 2025 short ids of changes").digest()
    number = int.from_bytes(blake3(change(1), key=key).digest()[:8], "big")
    assert short_id(key, change(1)) == (number >> 24) % (2**24 - 18) << 24 | number & 0xFFFFFF


def test_another_secret_or_salt_gives_other_short_ids() -> None:
    shorts = {short_id(key, change(1)) for key in (KEY, short_key(b"x"), short_key(b"x", b"salt"), short_key(b""))}
    assert len(shorts) == 4
