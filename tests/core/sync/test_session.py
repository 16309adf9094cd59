from __future__ import annotations

from itertools import pairwise
from typing import TypeGuard

from hypothesis import given, settings
from hypothesis import strategies as st

from core.changes import change_id
from core.sync.codec import encode_message
from core.sync.events import Done, Failed, Progress, Reason
from core.sync.exchange import MAX_UNACKED_BATCHES
from core.sync.frames import FrameReader
from core.sync.messages import Blocks, Hello, Message, Offer, SketchPart
from core.sync.reconcile.merkle import EMPTY_FINGERPRINT
from core.sync.reconcile.sketch_messages import SketchKind
from core.sync.session import MODES
from tests.support.memory_replica import FLEET, GENESIS, PEER, MemoryReplica, Wire, block, meet, run, session, some

MEMBERS = [GENESIS, block("member " + PEER.hex())]


@st.composite
def two_sets(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Two sets of blocks with a part in common, from none to a few hundred each."""
    sizes = st.one_of(st.integers(0, 3), st.integers(0, 30), st.integers(0, 120))
    common, only_a, only_b = draw(sizes), draw(sizes), draw(sizes)
    start = draw(st.integers(0, 4)) * 10_000
    shared = [*MEMBERS, *some(start, common)]
    at = draw(st.sampled_from([2000, common]))  # new chains, or where those that both have go on
    a, b = some(start + at, only_a), some(start + at + only_a, only_b)
    return draw(st.sampled_from([([*shared, *a], [*shared, *b]), (shared, []), ([], shared), ([], [])]))


@settings(deadline=None)
@given(two_sets(), st.integers(1, 5000), st.sampled_from([200, 1000, 1 << 18]))
def test_each_side_gets_exactly_what_it_lacked_and_both_hold_the_union(
    sets: tuple[list[bytes], list[bytes]], piece: int, batch: int
) -> None:
    a, b = map(MemoryReplica.of, sets)
    lacking_a, lacking_b = b.held.keys() - a.held.keys(), a.held.keys() - b.held.keys()
    union = a.held | b.held
    there, back = Wire(piece), Wire(piece)
    one, other = meet(a, b, there=there, back=back, batch_bytes=batch)
    assert isinstance(one.outcome, Done)
    assert isinstance(other.outcome, Done)
    assert a.held == b.held == union
    assert a.root == b.root == one.outcome.root == other.outcome.root
    assert one.outcome.equal
    assert other.outcome.equal
    figures, theirs = one.outcome.stats, other.outcome.stats
    assert (figures.sent, figures.received) == (len(lacking_b), len(lacking_a))
    assert (theirs.sent, theirs.received) == (len(lacking_a), len(lacking_b))
    assert (sum(a.saves), sum(b.saves)) == (len(lacking_a), len(lacking_b))
    assert (figures.bytes_out, figures.bytes_in) == (len(there.log), len(back.log))
    assert (figures.bytes_in, figures.bytes_out) == (theirs.bytes_out, theirs.bytes_in)
    assert figures.reconcile_bytes == theirs.reconcile_bytes
    assert figures.round_trips == theirs.round_trips


@settings(deadline=None)
@given(two_sets(), st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 20_000)), min_size=1, max_size=4))
def test_a_cut_at_any_byte_keeps_what_was_committed_and_the_next_session_goes_on(
    sets: tuple[list[bytes], list[bytes]], cuts: list[tuple[int, int]]
) -> None:
    a, b = map(MemoryReplica.of, sets)
    union = a.held | b.held
    for there, back in cuts:
        before = dict(a.held), dict(b.held)
        one, other = meet(a, b, there=Wire(left=there), back=Wire(left=back))
        for mine, was, ended in ((a, before[0], one), (b, before[1], other)):
            assert was.items() <= mine.held.items() <= union.items()
            outcome = ended.outcome
            assert isinstance(outcome, Done) or (
                isinstance(outcome, Failed) and outcome.reason == Reason.CONNECTION_LOST
            )
            assert len(mine.held) - len(was) == outcome.stats.received
    meet(a, b)
    assert a.held == b.held == union


def messages(log: bytes) -> list[Message]:
    """The messages that are there as a whole in what one side sent."""
    reader = FrameReader()
    reader.feed(log)
    return [message for message, _ in iter(reader.next_message, None)]


def is_sketch(message: Message) -> TypeGuard[SketchPart]:
    return isinstance(message, SketchPart)


def batches(log: bytes) -> int:
    return sum(isinstance(message, Blocks) for message in messages(log))


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 8_000))
def test_a_cut_costs_no_more_than_the_batch_under_way(common: int, cut: int) -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 120)]), MemoryReplica.of([*MEMBERS, *some(0, common)])
    there = Wire(left=cut)
    meet(a, b, there=there)
    assert len(b.saves) == batches(there.log)


@given(st.integers(0, 400))
def test_equal_sets_cost_a_hello_each_way(number: int) -> None:
    blocks = [*MEMBERS, *some(0, number)]
    there, back = Wire(), Wire()
    one, _ = meet(MemoryReplica.of(blocks), MemoryReplica.of(reversed(blocks)), there=there, back=back)
    assert isinstance(one.outcome, Done)
    assert one.outcome.equal
    # And two bytes each way, as there is no third device to tell of.
    assert len(there.log) + len(back.log) - 4 == one.outcome.stats.reconcile_bytes <= 52
    assert one.outcome.stats.round_trips == 0


@given(st.integers(1, 100), st.booleans())
def test_an_empty_side_is_sent_everything_without_reconciliation(number: int, calls: bool) -> None:
    full, empty = MemoryReplica.of([*some(0, number), *MEMBERS]), MemoryReplica()
    one, _ = meet(*((empty, full) if calls else (full, empty)))
    assert empty.held == full.held
    assert isinstance(one.outcome, Done)
    assert one.outcome.stats.round_trips == 0
    assert one.outcome.stats.reconcile_bytes <= 40


@given(st.integers(0, 25), st.integers(0, 10))
def test_a_side_that_has_few_lists_them_and_that_takes_one_round_trip(few: int, own: int) -> None:
    a = MemoryReplica.of([*MEMBERS, *some(0, 100)])
    b = MemoryReplica.of([*MEMBERS, *some(0, few), *some(1000, own)])
    one, _ = meet(a, b, modes=["merkle"])
    assert a.held == b.held
    assert isinstance(one.outcome, Done)
    assert one.outcome.stats.round_trips == 1


@given(st.integers(0, 12), st.integers(0, 5), st.booleans())
def test_a_side_that_lacks_most_is_met_without_a_sketch(few: int, own: int, calls: bool) -> None:
    a = MemoryReplica.of([*MEMBERS, *some(0, 200)])
    b = MemoryReplica.of([*MEMBERS, *some(0, few), *some(1000, own)])
    there, back = Wire(), Wire()
    one, _ = meet(*((b, a) if calls else (a, b)), there=there, back=back)
    assert a.held == b.held
    assert isinstance(one.outcome, Done)
    assert one.outcome.stats.round_trips <= 1
    kinds = [message.payload[0] for wire in (there, back) for message in messages(wire.log) if is_sketch(message)]
    assert sorted(kinds) == [SketchKind.LIST, SketchKind.WANTS]


@given(st.integers(0, 40), st.booleans())
def test_a_side_that_wants_trees_only_gets_nothing_else(number: int, calls: bool) -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 50)]), MemoryReplica.of([*MEMBERS, *some(30, number)])
    every, trees = tuple(MODES), ("merkle",)
    one, other = session(initiator=True, modes=trees if calls else every), session(modes=every if calls else trees)
    there, back = Wire(), Wire()
    run(one, a, other, b, there, back)
    assert a.held == b.held
    assert isinstance(one.outcome, Done)
    assert one.outcome.stats.mode == "merkle"
    assert not any(is_sketch(message) for wire in (there, back) for message in messages(wire.log))


def test_membership_goes_first_and_the_newest_batches_are_bounded() -> None:
    a, b = MemoryReplica.of([*some(0, 120), *MEMBERS]), MemoryReplica.of(some(0, 5))
    meet(a, b, batch_bytes=700)
    arrived = list(b.held)[5:]
    assert arrived[:2] == [change_id(data) for data in MEMBERS]
    assert max(b.saves) <= 700 // min(map(len, a.held.values())) + 1
    assert len(b.saves) > 40


def test_a_sender_has_no_more_than_its_credit_on_the_way() -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 500)]), MemoryReplica.of([])
    before_the_first_answer = len(
        encode_message(Hello(1, FLEET[:4], 0, EMPTY_FINGERPRINT)) + encode_message(Offer(0, 0))
    )
    there, back = Wire(), Wire(left=before_the_first_answer)
    meet(a, b, there=there, back=back, batch_bytes=700)
    assert batches(there.log) == len(b.saves) == MAX_UNACKED_BATCHES


def test_progress_is_reported_with_totals_and_ends_with_the_outcome() -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 90)]), MemoryReplica.of([*MEMBERS, *some(30, 90)])
    one, _ = meet(a, b)
    events = one.take_events()
    steps = [event for event in events if isinstance(event, Progress)]
    assert [step.phase for step in steps] == sorted(
        (s.phase for s in steps), key=["hello", "reconcile", "exchange"].index
    )
    assert {step.phase for step in steps} == {"hello", "reconcile", "exchange"}
    assert (steps[-1].sent, steps[-1].to_send, steps[-1].received, steps[-1].to_receive) == (30, 30, 30, 30)
    for before, after in pairwise(steps):
        assert before.sent <= after.sent
        assert before.received <= after.received
        assert before.bytes_out <= after.bytes_out
        assert before.bytes_in <= after.bytes_in
    assert events[-1] == one.outcome
    assert one.take_events() == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=5), st.integers(0, 50), st.integers(0, 50))
def test_what_is_saved_on_either_side_meanwhile_goes_with_this_session_or_the_next(
    saves: list[tuple[bool, int]], only_a: int, only_b: int
) -> None:
    shared = [*MEMBERS, *some(0, 50)]
    a, b = MemoryReplica.of([*shared, *some(100, only_a)]), MemoryReplica.of([*shared, *some(200, only_b)])
    late = iter(enumerate(saves))

    class Busy(Wire):
        def carry(self, sender: object, receiver: object) -> bool:
            for index, (which, number) in late:
                (a if which else b).keep(some(1000 * (index + 1), number))
                break
            return super().carry(sender, receiver)  # type: ignore[arg-type]

    one, other = meet(a, b, there=Busy(), back=Busy())
    assert isinstance(one.outcome, Done)
    assert isinstance(other.outcome, Done)
    assert one.outcome.equal == other.outcome.equal
    for _ in late:
        pass
    meet(a, b)
    assert a.held == b.held
