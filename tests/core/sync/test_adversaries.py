"""Peers and members who hide a change, keep a device busy, or fill its memory."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.changes import change_id
from core.sync.codec import MAX_CHANGES, encode_message
from core.sync.events import Done, Failed, Reason
from core.sync.frames import FrameReader
from core.sync.messages import (
    Abort,
    EndOfTurn,
    HaveFingerprints,
    HaveIds,
    Hello,
    Message,
    Offer,
    PrefixFingerprints,
    PrefixIds,
    SketchPart,
    Summary,
)
from core.sync.reconcile import merkle_reconciler, set_difference, sketch_reconciler
from core.sync.reconcile.group_code import MAX_EXTENSIONS
from core.sync.reconcile.prefix_coding import decode_short_ids, encode_short_ids, encode_varint
from core.sync.reconcile.set_sketch import SetSketch, short_id, short_key
from core.sync.reconcile.sketch_actions import (
    SendMessages,
    SketchFailed,
)
from core.sync.reconcile.sketch_messages import SketchKind
from core.sync.reconcile.sketch_protocol import SketchProtocol
from core.sync.session import MAX_ROUNDS, Session
from tests.support import memory_replica
from tests.support.memory_replica import (
    FLEET,
    GENESIS,
    PEER,
    SECRET,
    MemoryReplica,
    Wire,
    block,
    meet,
    run,
    serve,
    session,
    some,
)

MEMBERS = [GENESIS, block("member " + PEER.hex())]
MINE = [*MEMBERS, *some(0, 300)]
ROOT = b"another root 16."
NEW = some(5000, 40)


def hello(count: int = len(MINE), root: bytes = ROOT) -> Hello:
    return Hello(3, FLEET[:4], count, root)


def part(kind: SketchKind, body: bytes = b"") -> SketchPart:
    return SketchPart(bytes([kind]) + body)


# --- hiding changes --------------------------------------------------------------------------------------------------


@contextmanager
def alike(twins: Mapping[bytes, bytes], *, salted_too: bool) -> Iterator[None]:
    """Give changes the short ids of others, as a member who knows the secret can.

    `salted_too`: as if they were alike under every salt.
    """

    def short(key: bytes, change: bytes) -> int:
        return short_id(key, twins.get(change, change) if salted_too or key == short_key(SECRET) else change)

    with pytest.MonkeyPatch.context() as patch:
        for module in (sketch_reconciler, set_difference, memory_replica):
            patch.setattr(module, "short_id", short)
        yield


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 14),
    st.integers(0, 30),
    st.sampled_from(["across", "with common ones", "among new ones"]),
    st.booleans(),
    st.booleans(),
)
def test_colliding_short_ids_hide_nothing(pairs: int, others: int, where: str, calls: bool, salted_too: bool) -> None:
    """Whichever changes are alike.

    One on each side, a new and a common one, or two new ones of one side.
    """
    shared = [*MEMBERS, *some(0, 100)]
    ours, theirs = some(1000, pairs + others), some(2000, pairs + others)
    crafted = {
        "across": zip(ours, theirs, strict=True),
        "with common ones": zip(ours, shared[2:], strict=False),
        "among new ones": pairwise(ours),
    }[where]
    twins = {change_id(one): change_id(other) for one, other in list(crafted)[:pairs]}
    a, b = MemoryReplica.of([*shared, *ours]), MemoryReplica.of([*shared, *theirs])
    union = a.held | b.held
    with alike(twins, salted_too=salted_too):
        one, other = meet(*((a, b) if calls else (b, a)))
    assert isinstance(one.outcome, Done) and one.outcome.equal
    assert isinstance(other.outcome, Done) and other.outcome.equal
    assert a.held == b.held == union


def test_a_peer_whose_tree_is_alike_but_whose_changes_are_not_is_found_out() -> None:
    """It repeats our own fingerprints, so that nothing differs, under another root."""
    replica, victim = MemoryReplica.of(MINE), session(modes=["merkle"])
    serve(victim, replica)
    root = replica.table.branches[""]
    alike = HaveFingerprints((PrefixFingerprints("", root.children),))
    messages: list[Message] = [hello(), alike, EndOfTurn(has_more=False), Offer(0, 0), Summary(len(MINE), ROOT)]
    for message in messages:
        victim.receive_data(encode_message(message))
        serve(victim, replica)
    assert isinstance(victim.outcome, Failed)
    assert victim.outcome.reason == Reason.INCONSISTENT


# --- a peer that speaks, and never comes to an end -------------------------------------------------------------------


class Endless:
    """A peer whose cells have the right sizes and never suffice.

    `stubborn` if it goes on after this side gave up.
    """

    def __init__(self, *, stubborn: bool) -> None:
        self.stubborn = stubborn
        self.asked = self.met = 0
        held = MemoryReplica.of([*MINE[:-20], *NEW[:20]])
        self.sketch = SketchProtocol(
            SetSketch.from_short_ids(held.short(change, b"") for change in held.held), len(MINE), is_leader=False
        )
        self.sketch.start()

    def answers(self, message: Message) -> list[Message]:
        if not isinstance(message, SketchPart):
            return []
        kind = message.payload[0] if message.payload else 0
        self.asked += kind == SketchKind.REQUEST_MORE
        self.met += kind == SketchKind.METER
        if kind == SketchKind.REQUEST_MORE or (kind == SketchKind.METER and self.met == 1):
            step = self.sketch.receive_message(message.payload)
            assert isinstance(step, SendMessages)
            # The kind; before the first cells also how many there are.
            head = 1 if kind == SketchKind.REQUEST_MORE else 3
            return [SketchPart(data[:head] + b"\x6b" * (len(data) - head)) for data in step.messages]
        if kind or self.stubborn:
            return [part(SketchKind.CELLS, bytes(99))] * 1000
        return [SketchPart(b""), part(SketchKind.SUMS, b"\x01" * 42)]


@pytest.mark.parametrize("stubborn", [True, False])
def test_cells_without_end_end_the_sketch(stubborn: bool) -> None:
    replica, victim, peer = MemoryReplica.of(MINE), session(initiator=True), Endless(stubborn=stubborn)
    waiting: deque[Message] = deque([hello(), part(SketchKind.SUMS, b"\x01" * 42)])
    reader, message_count = FrameReader(), 0
    while waiting and victim.outcome is None:
        victim.receive_data(encode_message(waiting.popleft()))
        serve(victim, replica)
        reader.feed(victim.data_to_send())
        for message, _ in iter(reader.next_message, None):
            waiting += peer.answers(message)
        message_count += 1
    assert 0 < peer.asked <= MAX_EXTENSIONS
    assert message_count < 200
    assert isinstance(victim.outcome, Failed)
    assert victim.outcome.reason == (Reason.OUT_OF_TURN if stubborn else Reason.MALFORMED)
    assert peer.met == (1 if stubborn else 2), "it goes on with salt when the peer has given up, too"


def test_a_peer_that_always_has_one_more_is_left_after_some_rounds() -> None:
    """Each round brings a real change, and the roots never agree.

    It ends, and all that came is kept.
    """
    replica, victim = MemoryReplica.of(MINE), session(initiator=True)
    peer = MemoryReplica.of([*MINE, *NEW[:1]])
    late = iter(some(9000, 10 * MAX_ROUNDS))

    class Late(Wire):
        def carry(self, sender: Session, receiver: Session) -> bool:
            peer.keep([next(late)])
            return super().carry(sender, receiver)

    other = session()
    run(victim, replica, other, peer, Wire(), Late())
    assert isinstance(victim.outcome, Done)
    assert replica.held.items() <= peer.held.items()
    assert len(replica.held) > len(MINE)


# --- lying counts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [True, False])
@pytest.mark.parametrize("count", [1, 2, len(MINE) - 5, len(MINE) - 30, len(MINE), len(MINE) + 5, 5000, MAX_CHANGES])
def test_a_count_that_is_a_lie_ends_in_a_wait_or_an_event(count: int, calls: bool) -> None:
    replica = MemoryReplica.of(MINE)
    for kind in SketchKind:
        victim = session(initiator=calls)
        serve(victim, replica)
        for message in (hello(count), part(kind, b"\x01"), part(kind, b"\xff" * 42), SketchPart(b"")):
            victim.receive_data(encode_message(message))
            serve(victim, replica)
        assert victim.outcome is None or isinstance(victim.outcome, Failed)
        victim.receive_eof()
        serve(victim, replica)
        assert isinstance(victim.outcome, Failed)
    assert replica.held == MemoryReplica.of(MINE).held


def test_who_says_that_it_has_more_may_not_list_it() -> None:
    """A list is never longer than its reader's set, and costs no more memory."""
    cells = SetSketch.from_short_ids(range(1, 1 << 40, 1 << 30))
    sketch = SketchProtocol(cells, cells.count + 20, is_leader=True)
    assert isinstance(sketch.start(), SendMessages)
    step = sketch.receive_message(bytes([SketchKind.LIST]) + encode_short_ids(range(0, 1 << 40, 1 << 30), 44))
    assert isinstance(step, SketchFailed) and step.is_peer_fault


def test_a_list_with_more_bytes_than_its_number_allows_is_not_unpacked() -> None:
    listed = encode_short_ids(range(0, 1 << 48, 1 << 40), 30)
    assert len(decode_short_ids(listed, 30, 256)) == 256
    tracemalloc.start()
    try:
        for data in (listed + bytes(1 << 20), encode_varint(3) + bytes(1 << 20), encode_varint(1) + b"\xff" * 999):
            with pytest.raises(ValueError, match="too long"):
                decode_short_ids(data, 30, 256)
        assert tracemalloc.get_traced_memory()[1] < 5 << 20, "much less than a character for each bit"
    finally:
        tracemalloc.stop()


def test_ids_without_end_are_not_kept_count_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merkle_reconciler, "MAX_TURN_IDS", 1000)
    replica, victim = MemoryReplica.of(MINE), session(modes=["merkle"])
    serve(victim, replica)
    victim.receive_data(encode_message(hello()))
    serve(victim, replica)
    sent = 0
    while victim.outcome is None and sent < 100:
        stems = tuple(bytes([sent, index]) + bytes(15) for index in range(200))
        victim.receive_data(encode_message(HaveIds((PrefixIds(f"{sent:02x}", stems),))))
        serve(victim, replica)
        sent += 1
    assert isinstance(victim.outcome, Failed)
    assert victim.outcome.reason == Reason.TOO_LARGE
    assert victim.data_to_send().endswith(encode_message(Abort(Reason.TOO_LARGE)))
    assert sent == 6


# --- changes that nobody asked for -----------------------------------------------------------------------------------


@pytest.mark.parametrize("modes", [["sketch"], ["merkle"]])
@pytest.mark.parametrize("number", [3, 40])
def test_changes_that_were_not_asked_for_end_the_session_in_both_modes(modes: list[str], number: int) -> None:
    """The one who found the difference knows what is to come.

    A peer that sends others is told off.
    """

    class Pushing(MemoryReplica):
        async def blocks(self, hashes: Sequence[bytes]) -> list[bytes]:
            return some(7000, len(hashes))

    a, b = MemoryReplica.of(MINE), Pushing()
    b.keep([*MINE, *NEW[:number]])
    before = dict(a.held)
    one, other = meet(a, b, modes=modes)
    assert isinstance(one.outcome, Failed)
    assert isinstance(other.outcome, Failed)
    assert (one.outcome.reason, other.outcome.reason) == (Reason.UNREQUESTED, Reason.PEER_ABORTED)
    assert a.held == before
