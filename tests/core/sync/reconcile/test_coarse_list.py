from __future__ import annotations

import random
from collections import Counter

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from core.sync.reconcile.coarse_list import (
    MAX_CODED_ELEMENTS,
    choose_resolution,
    compare_list,
    is_coarse_list_better,
    select_listed,
)
from core.sync.reconcile.prefix_coding import decode_short_ids, encode_short_ids, encode_varint, estimate_list_bytes
from core.sync.reconcile.set_sketch import METER_BYTES, SHORT_BITS, SetSketch, short_id, short_key
from core.sync.reconcile.sketch_actions import ScanShortIds, SketchFailed
from core.sync.reconcile.sketch_messages import MORE_FOLLOWS_FLAG, SketchKind
from core.sync.reconcile.sketch_protocol import SketchProtocol
from tests.support.session_sides import Side, SketchRun, run_sketch

KEY = short_key(b"a secret of this fleet")
COARSE = {SketchKind.COARSE_LIST, SketchKind.REST}

shorts = st.integers(0, 2**48 - 1)


def changes(start: int, number: int) -> list[bytes]:
    return [blake3(b"coarse" + seed.to_bytes(8, "big")).digest() for seed in range(start, start + number)]


def kinds(run: SketchRun) -> set[int]:
    return {message[0] & ~MORE_FOLLOWS_FLAG for message in run.there + run.back}


def size_of(run: SketchRun) -> int:
    return sum(map(len, run.there + run.back))


@given(st.sets(shorts, max_size=60), st.sets(shorts, max_size=60), st.sets(shorts, max_size=60), st.integers(8, 48))
def test_what_is_not_on_a_list_is_surely_missed(
    common: set[int], here: set[int], there: set[int], resolution: int
) -> None:
    own, listed = common | here, common | there
    heads = decode_short_ids(encode_short_ids(listed, resolution), resolution, len(listed))
    found = compare_list(heads, resolution, own)
    cut = SHORT_BITS - resolution
    assert list(found.ours) == sorted(x for x in own if x >> cut not in {y >> cut for y in listed})
    assert list(found.theirs) == sorted(y >> cut for y in listed if y >> cut not in {x >> cut for x in own})
    wanted = select_listed(found.theirs, resolution, listed)
    assert set(wanted) <= listed - own and len(wanted) == len(found.theirs)


def test_long_lists_are_compared_piece_by_piece() -> None:
    chance = random.Random(1)
    listed = {chance.getrandbits(48) for _ in range(30_000)}
    own = {short for short in listed if short % 7} | {chance.getrandbits(48) for _ in range(3000)}
    resolution = 17
    heads = sorted(short >> SHORT_BITS - resolution for short in listed)
    found = compare_list(heads, resolution, own)
    seen = Counter(heads)
    assert sorted(found.ours) == sorted(x for x in own if x >> SHORT_BITS - resolution not in seen)
    held = {short >> SHORT_BITS - resolution for short in own}
    assert sorted(found.theirs) == sorted(head for head in heads if head not in held)


@given(st.sets(shorts, max_size=300), st.data())
def test_a_sketch_without_some_is_that_of_the_others(held: set[int], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(held)))) if held else set()
    rest = SetSketch.from_short_ids(held).without(gone)
    assert rest.to_bytes() == SetSketch.from_short_ids(held - gone).to_bytes()


@pytest.mark.parametrize(
    ("common", "here", "there"),
    [(4000, 0, 1500), (4000, 1500, 0), (4000, 20, 1500), (4000, 1500, 40), (3000, 900, 2200)],
)
@settings(max_examples=4)
@given(seed=st.integers(1, 2**32))
def test_a_device_from_a_drawer_finds_all_that_it_lacks(common: int, here: int, there: int, seed: int) -> None:
    shared = changes(0, common)
    a = Side(KEY, shared + changes(seed * 10_000, here))
    b = Side(KEY, shared + changes(seed * 10_000 + here, there))
    run = run_sketch(a, b)
    assert run.failure is None
    assert kinds(run) >= COARSE
    assert a.changes == b.changes and len(a.changes) == common + here + there
    assert run.turns <= 3


def test_a_tenth_that_is_missing_takes_few_bytes_a_difference() -> None:
    """Where a list of all takes 25 bytes; in a set of a million it takes as many."""
    shared = changes(0, 9 * 2000)
    small, large = Side(KEY, shared), Side(KEY, [*shared, *changes(10**6, 2000)])
    without = run_sketch(small, large, has_coarse_lists=False, exchange=False)
    assert COARSE.isdisjoint(kinds(without))
    listed, missing = 900_000, 100_000
    resolution = choose_resolution(listed, missing)
    rest = missing * listed >> resolution
    assert is_coarse_list_better(listed, missing, estimate_list_bytes(listed, 37))
    assert estimate_list_bytes(listed, resolution) + 6 * rest < 8 * missing
    assert not is_coarse_list_better(990_000, 10_000, estimate_list_bytes(990_000, 37)), "a code takes a tenth"
    assert is_coarse_list_better(900_000, MAX_CODED_ELEMENTS + 1, 10**7)
    assert not is_coarse_list_better(5, 10**6, estimate_list_bytes(5, 37)), "a short list needs no second part"


def test_a_device_that_knows_no_coarse_list_gets_none() -> None:
    shared = changes(0, 4000)
    a, b = Side(KEY, shared), Side(KEY, [*shared, *changes(10_000, 1500)])
    run = run_sketch(a, b, has_coarse_lists=False)
    assert COARSE.isdisjoint(kinds(run)) and a.changes == b.changes


def listening(held: int = 4000, peer: int = 5500) -> SketchProtocol:
    """The side with more changes, which waits for a list."""
    cells = SetSketch.from_short_ids(short_id(KEY, change) for change in changes(0, peer))
    sketch = SketchProtocol(cells, held, is_leader=True)
    sketch.start()
    return sketch


def test_lists_that_cannot_be_right_are_refused() -> None:
    own = [short_id(KEY, change) for change in changes(0, 5500)]
    short_list = encode_short_ids(own[:3999], 20)
    for body in (b"", b"\x07" + short_list, b"\x31" + short_list, b"\x14" + short_list, b"\x14" + short_list[:-1]):
        sketch = listening()
        step = sketch.receive_message(bytes([SketchKind.COARSE_LIST]) + body)
        assert isinstance(step, ScanShortIds)
        step = sketch.resume_scan(own)
        assert isinstance(step, SketchFailed) and step.is_peer_fault


def test_a_rest_that_cannot_be_right_is_refused() -> None:
    own = [short_id(KEY, change) for change in changes(0, 4000)]
    none = encode_short_ids([], 20)
    for body in (
        b"",
        encode_varint(5501) + bytes(METER_BYTES) + b"\x14" + none,
        encode_varint(4000) + bytes(METER_BYTES),
        encode_varint(4000) + bytes(METER_BYTES - 1) + b"\x14" + none,
        encode_varint(4000) + bytes(METER_BYTES) + b"\x14" + none + b"\0",
    ):
        sketch = SketchProtocol(SetSketch.from_short_ids(own), 5500, is_leader=False)
        assert isinstance(sketch.start(), ScanShortIds)
        sketch.resume_scan(own)
        sketch.receive_message(bytes([SketchKind.REST]) + body)
        step = sketch.resume_scan(own)
        assert isinstance(step, SketchFailed) and step.is_peer_fault


def test_a_rest_that_is_too_large_leads_to_another_method() -> None:
    own = [short_id(KEY, change) for change in changes(0, 4000)]
    sketch = SketchProtocol(SetSketch.from_short_ids(own), 300_000, is_leader=False)
    assert isinstance(sketch.start(), ScanShortIds)
    sketch.resume_scan(own)
    full = bytes(random.Random(2).randbytes(METER_BYTES))
    sketch.receive_message(
        bytes([SketchKind.REST]) + encode_varint(300_000) + full + b"\x14" + encode_short_ids([], 20)
    )
    step = sketch.resume_scan(own)
    assert isinstance(step, SketchFailed) and not step.is_peer_fault
