from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from functools import cache

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from core.sync.protocol_errors import LocalProtocolError
from core.sync.reconcile.group_code import MAX_EXTENSIONS
from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_difference import SetDifference, find_by_prefix
from core.sync.reconcile.set_sketch import METER_BYTES, SetSketch, short_id, short_key
from core.sync.reconcile.sketch_actions import (
    AwaitMessage,
    DifferenceFound,
    PeerWants,
    SendMessages,
    SketchAction,
    SketchFailed,
)
from core.sync.reconcile.sketch_messages import SketchKind
from core.sync.reconcile.sketch_protocol import SketchProtocol
from tests.support.session_sides import Side, SketchRun, run_sketch

SECRET = b"a secret of this fleet"
KEY = short_key(SECRET)
COMMON = 400
SURE = 26
"""Short ids that differ in their first so many bits are told apart whatever the sizes are."""

seeds = st.integers(0, 2**32)
sizes = st.one_of(st.integers(0, 14), st.integers(0, 400))


def changes(start: int, number: int) -> list[bytes]:
    return [blake3(seed.to_bytes(8, "big")).digest() for seed in range(start, start + number)]


@cache
def base() -> Side:
    return Side(KEY, changes(0, COMMON))


def confusable(left: Iterable[bytes], key: bytes = KEY) -> bool:
    """Whether each of these shares the first bits of its short id with another."""
    heads = Counter(short_id(key, change) >> 48 - SURE for change in left)
    return all(number > 1 for number in heads.values())


def size_of(run: SketchRun) -> int:
    return sum(map(len, run.there + run.back))


@given(st.sampled_from([0, 3, COMMON]), sizes, sizes, seeds)
def test_two_sides_find_exactly_what_each_lacks(common: int, here: int, there: int, seed: int) -> None:
    shared = base() if common == COMMON else Side(KEY, changes(0, common))
    start = 1000 * (seed + 1)
    ours, theirs = changes(start, here), changes(start + here, there)
    a, b = Side(KEY, ours, shared), Side(KEY, theirs, shared)
    run = run_sketch(a, b)
    assert run.failure is None
    assert confusable(a.changes ^ b.changes)
    if a.changes == b.changes:
        assert set(ours) <= set(run.sent_there)
        assert set(theirs) <= set(run.sent_back)
    assert run.turns <= 4
    again = run_sketch(a, b)
    assert not again.sent_there and not again.sent_back and again.turns == 0


def test_bytes_and_turns_are_as_few_as_promised() -> None:
    """Means over 20 runs; in a set of a million each missing one costs 6 bits more."""
    for size, most, turns in ((0, 46, 0), (1, 48, 0), (10, 60, 0), (100, 760, 1.3), (1000, 5300, 1.3)):
        runs = 20 if size < 1000 else 6
        sketch_runs = []
        for attempt in range(runs):
            new = changes(100_000 * (attempt + 1), size)
            a, b = Side(KEY, new[: size // 2], base()), Side(KEY, new[size // 2 :], base())
            sketch_runs.append(run_sketch(a, b))
            assert a.changes == b.changes
        assert sum(map(size_of, sketch_runs)) / runs <= most
        assert sum(run.turns for run in sketch_runs) / runs <= turns


@pytest.mark.parametrize(("here", "there"), [(0, 300), (300, 0), (12, 3000), (3000, 12), (900, 900)])
def test_a_side_that_has_little_lists_it(here: int, there: int) -> None:
    a, b = Side(KEY, changes(0, here)), Side(KEY, changes(10_000, there))
    run = run_sketch(a, b)
    assert a.changes == b.changes and len(a.changes) == here + there
    assert size_of(run) < 6 * min(here, there) + 250
    kinds = {message[0] for message in run.there + run.back}
    assert SketchKind.LIST in kinds and SketchKind.CELLS not in kinds


def test_a_difference_for_more_groups_than_are_kept() -> None:
    """The groups are made from all short ids then, on both sides."""
    new = changes(50_000, 14_000)
    shared = Side(KEY, changes(0, 60_000 - 20_000))
    a, b = Side(KEY, new[:9000], shared), Side(KEY, new[9000:], shared)
    run = run_sketch(a, b)
    assert run.failure is None
    assert confusable(a.changes ^ b.changes)
    assert SketchKind.CELLS in {message[0] & 127 for message in run.back}
    assert size_of(run) < 6 * len(new)


def test_long_messages_come_in_pieces() -> None:
    new = changes(20_000, 90)
    a, b = Side(KEY, new[:50], base()), Side(KEY, new[50:], base())
    run = run_sketch(a, b, max_part_bytes=50)
    assert a.changes == b.changes
    assert max(map(len, run.there + run.back)) == 51


# --- short ids that are alike ----------------------------------------------------------------------------------------


@cache
def alike(key: bytes, bits: int = 28) -> tuple[bytes, bytes]:
    """Two changes whose short ids begin with the same bits."""
    seen: dict[int, bytes] = {}
    for seed in range(1 << 20):
        change = blake3(b"alike" + seed.to_bytes(4, "big")).digest()
        head = short_id(key, change) >> 48 - bits
        if head in seen:
            return seen[head], change
        seen[head] = change
    raise AssertionError("none found")


@pytest.mark.parametrize("others", [0, 6, 20])
def test_short_ids_that_cancel_out_are_left_over_and_found_with_salt(others: int) -> None:
    one, other = alike(KEY)
    new = changes(30_000, others)
    ours, theirs = [one, *new[: others // 2]], [other, *new[others // 2 :]]
    a, b = Side(KEY, ours, base()), Side(KEY, theirs, base())
    run_sketch(a, b)
    assert a.changes ^ b.changes == {one, other}, "the roots differ, and so the sides know that something is left"

    salted = short_key(SECRET, b"12345678")
    c, d = Side(salted, [*a.changes, *changes(0, COMMON)]), Side(salted, [*b.changes, *changes(0, COMMON)])
    run_sketch(c, d)
    assert c.changes == d.changes


def test_a_change_that_is_alike_to_one_that_both_have_is_sent_with_it() -> None:
    one, other = alike(KEY)
    for a, b in ((Side(KEY, [one, other]), Side(KEY, [one])), (Side(KEY, [other]), Side(KEY, [one, other]))):
        run_sketch(a, b)
        assert a.changes == b.changes == {one, other}


def test_two_new_ones_that_are_alike_do_not_mislead() -> None:
    """They are one double root.

    Nothing is found by the sums, and salt or another mode has to follow.
    """
    a, b = Side(KEY, alike(KEY)), Side(KEY, [])
    run = run_sketch(a, b)
    assert run.failure or a.changes == b.changes


def test_who_does_not_know_the_secret_cannot_make_ids_that_hide_a_change() -> None:
    """Crafted to be alike without the key, they have nothing in common with it."""
    victim, crafted = alike(short_key(b""))
    a, b = Side(short_key(b""), [victim]), Side(short_key(b""), [crafted])
    run_sketch(a, b)
    assert a.changes != b.changes, "without a key the attack works"
    a, b = Side(KEY, [victim], base()), Side(KEY, [crafted], base())
    run_sketch(a, b)
    assert a.changes == b.changes == {victim, crafted}


def test_looking_up_without_an_index_finds_the_same() -> None:
    side = Side(KEY, changes(0, 500))
    prefixes = [ShortIdPrefix(short >> 30, 18) for short in side.shorts()[:20]] + [
        ShortIdPrefix(1, 30),
        ShortIdPrefix(3, 5),
    ]
    found = find_by_prefix(KEY, side.changes, prefixes)
    assert [sorted(some) for some in found] == [side.find(prefix) for prefix in prefixes]


# --- hostile peers ---------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(0, 40), st.booleans(), seeds)
def test_broken_messages_lead_to_a_step(size: int, truncate: bool, seed: int) -> None:
    """No exception and no endless run, whatever bit is flipped or byte is missing."""
    source = random.Random(seed)

    def twist(message: bytes) -> bytes:
        at = source.randrange(len(message))
        return message[:at] if truncate else message[:at] + bytes([message[at] ^ 1 << seed % 8]) + message[at + 1 :]

    new = changes(40_000, size)
    a, b = Side(KEY, new[: size // 2], base()), Side(KEY, new[size // 2 :], base())
    run = run_sketch(a, b, twist=twist, exchange=False)
    assert len(run.there + run.back) < 30
    assert set(run.sent_there) <= a.changes | base().changes


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=120)), max_size=8), st.booleans(), st.integers(0, 2**27)
)
def test_messages_of_noise_are_refused_or_answered_within_bounds(
    messages: list[tuple[int, bytes]], leading: bool, count: int
) -> None:
    side = base()
    sketch = SketchProtocol(side.cells, count, is_leader=leading)
    step, plan = side.finish(sketch, sketch.start())
    for kind, body in messages:
        step, plan = side.finish(sketch, sketch.receive_message(bytes([kind % 8 if kind < 200 else kind]) + body))
        assert sketch.buffered_bytes <= sum(len(body) for _, body in messages)
        if not isinstance(step, AwaitMessage | SendMessages):
            break
    match step:
        case SendMessages():
            # Everything this side has, as a list or as code for the largest difference that it can be of.
            assert sum(map(len, step.messages)) <= 8 * COMMON
        case PeerWants():
            assert len(step.prefixes) <= COMMON
        case SketchFailed():
            # Noise is the peer's fault, or looks like sums and cells that nothing fits.
            assert step.is_peer_fault or step.why in ("the sketch cannot be decoded", "what was found is not held")
        case DifferenceFound():
            assert plan is not None and set(plan.ids_to_send) <= side.changes
        case _:
            assert isinstance(step, AwaitMessage)


def test_cells_without_end_end_the_run() -> None:
    new = changes(60_000, 300)
    side, peer = Side(KEY, new[:150], base()), Side(KEY, new[150:], base())
    sketch = SketchProtocol(side.cells, peer.cells.count, is_leader=False)
    sketch.start()
    step = sketch.receive_message(bytes([SketchKind.METER]) + peer.cells.meter)
    assert isinstance(step, SendMessages) and step.messages[0][0] == SketchKind.CELLS
    asked = 0
    while isinstance(step, SendMessages):
        asked += 1
        step = sketch.receive_message(bytes([SketchKind.REQUEST_MORE, 0, 100, 101, 1]))
    assert isinstance(step, SketchFailed) and step.is_peer_fault
    assert asked == MAX_EXTENSIONS + 1


def test_pieces_without_end_end_the_run() -> None:
    sketch = SketchProtocol(base().cells, base().cells.count, is_leader=True, max_message_bytes=1000)
    sketch.start()
    for _ in range(10):
        assert isinstance(sketch.receive_message(bytes([SketchKind.SUMS | 128]) + bytes(99)), AwaitMessage)
    assert sketch.receive_message(bytes([SketchKind.SUMS | 128]) + bytes(99)) == SketchFailed(
        "a message that was not expected", is_peer_fault=True
    )


@pytest.mark.parametrize(
    "message",
    [
        b"",
        bytes([SketchKind.WANTS, 0]),
        bytes([SketchKind.CELLS, 4]),
        bytes([SketchKind.SUMS]),
        bytes([SketchKind.SUMS]) + b"\xff" * 42,
        bytes([0]),
        bytes([200]),
    ],
)
def test_what_was_not_expected_is_broken(message: bytes) -> None:
    sketch = SketchProtocol(base().cells, base().cells.count, is_leader=True)
    sketch.start()
    step = sketch.receive_message(message)
    assert isinstance(step, SketchFailed) and step.is_peer_fault


@pytest.mark.parametrize(
    "more",
    [
        b"",
        bytes([0, 0, 30, 1]),
        bytes([1, 20, 30, 1]),
        bytes([0, 30, 20, 1]),
        bytes([0, 20, 30, 0]),
        bytes([0, 20, 30, 33]),
        bytes([0, 20, 200, 2]),
        bytes([0, 20, 30, 1, 0, 20, 30, 1]),
        bytes([0, 20, 30]),
        bytes([0, 20, 255, 255, 255, 255, 255, 255, 1]),
    ],
)
def test_more_than_there_is_cannot_be_asked_for(more: bytes) -> None:
    sketch = SketchProtocol(base().cells, base().cells.count, is_leader=False)
    sketch.start()
    assert isinstance(sketch.receive_message(bytes([SketchKind.METER]) + base().cells.meter), SendMessages)
    step = sketch.receive_message(bytes([SketchKind.REQUEST_MORE]) + more)
    assert isinstance(step, SketchFailed) and step.is_peer_fault


@pytest.mark.parametrize(
    ("count", "opening", "answers"),
    [
        (0, AwaitMessage, 0),
        (1, AwaitMessage, 0),
        (COMMON - 1, SendMessages, 1),
        (COMMON + 20, SendMessages, 1),
        (COMMON + 50, AwaitMessage, 1),
        (1 << 27, SendMessages, 0),
    ],
)
def test_a_count_that_is_a_lie_ends_in_the_peers_fault(count: int, opening: type[SketchAction], answers: int) -> None:
    """The side waits for what fits the count, and answers so many messages."""
    new = changes(70_000, 20)
    side, peer = Side(KEY, new[:10], base()), Side(KEY, new[10:], base())
    sketch = SketchProtocol(side.cells, count, is_leader=False)
    step, _ = side.finish(sketch, sketch.start())
    assert isinstance(step, opening)
    meter = bytes([SketchKind.METER]) + peer.cells.meter
    steps = [side.finish(sketch, sketch.receive_message(meter))[0]]
    if not isinstance(steps[0], SketchFailed):
        steps.append(side.finish(sketch, sketch.receive_message(bytes([SketchKind.LIST, 0])))[0])
    assert all(isinstance(each, SendMessages) for each in steps[:-1])
    assert (len(steps) - 1, steps[-1]) == (answers, SketchFailed("a message that was not expected", is_peer_fault=True))


def test_a_meter_of_nonsense_is_answered_within_bounds() -> None:
    for noise in (bytes(METER_BYTES), b"\xff" * METER_BYTES, b"\x55" * METER_BYTES):
        sketch = SketchProtocol(base().cells, base().cells.count, is_leader=False)
        sketch.start()
        step, _ = base().finish(sketch, sketch.receive_message(bytes([SketchKind.METER]) + noise))
        assert isinstance(step, SendMessages)
        assert sum(map(len, step.messages)) <= 8 * COMMON


def test_what_is_found_but_not_held_is_found_out() -> None:
    assert SetDifference((ShortIdPrefix(5, 28),), (), 10).plan_transfer([[]]) is None


def test_scanned_without_a_scan_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(LocalProtocolError):
        SketchProtocol(SetSketch(), 0, is_leader=True).resume_scan([])
