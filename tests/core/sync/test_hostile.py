"""Peers that break the rules.

The session ends with one clear event, and nothing wrong is kept.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.changes import change_id
from core.errors import BlockRefused
from core.sync.batch_codec import BatchEncoder, zstd
from core.sync.block_stream import split_block
from core.sync.codec import MAX_BATCH_BYTES, encode_message, encode_varint
from core.sync.events import Done, Failed, Progress, Reason
from core.sync.messages import (
    Abort,
    Ack,
    Blocks,
    EndOfTurn,
    HaveFingerprints,
    HaveIds,
    Hello,
    Message,
    Offer,
    PrefixFingerprints,
    PrefixIds,
    Summary,
    Want,
)
from core.sync.packed_header import NO_PAST, NO_PREVIOUS, Sent, pack
from core.sync.reconcile.merkle import EMPTY_FINGERPRINT, build_tree
from core.sync.session import MAX_BUFFER_BYTES, Session
from tests.support.memory_replica import (
    FLEET,
    GENESIS,
    PEER,
    MemoryReplica,
    Wire,
    block,
    forged,
    header_of,
    run,
    serve,
    session,
    some,
)

MEMBERS = [GENESIS, block("member " + PEER.hex())]
MINE = [*MEMBERS, *some(0, 100)]
ROOT = b"another root 16."
HELLO = Hello(1, FLEET[:4], len(MINE), ROOT)
FEW = Hello(1, FLEET[:4], 3, ROOT)
NONE = Hello(1, FLEET[:4], 0, EMPTY_FINGERPRINT)
NEW = some(5000, 3)


def entry(data: bytes) -> bytes:
    """A block as it goes over a link with nothing left out; what is no block as it is."""
    try:
        held = split_block(data)
    except BlockRefused:
        return data
    return pack(held.header, held.body, Sent(), linked=False)


def packed(*batches: list[bytes]) -> list[Blocks]:
    return as_they_are(*([entry(data) for data in batch] for batch in batches))


def as_they_are(*batches: list[bytes]) -> list[Blocks]:
    packer = BatchEncoder()
    return [Blocks(packer.encode_batch(batch)) for batch in batches]


def against(
    *messages: Message | bytes, mine: list[bytes] = MINE, calls: bool = False
) -> tuple[Failed | Done | None, MemoryReplica]:
    """How a session ends with a peer that says this, and what is held then."""
    replica = MemoryReplica.of(mine)
    victim = session(initiator=calls)
    for data in messages:
        victim.receive_data(data if isinstance(data, bytes) else encode_message(data))
        serve(victim, replica)
    return victim.outcome, replica


def reason(*messages: Message | bytes, mine: list[bytes] = MINE, calls: bool = False) -> Reason:
    """Why a session fails with a peer that says this.

    And that nothing was kept that it should not have been.
    """
    outcome, replica = against(*messages, mine=mine, calls=calls)
    assert isinstance(outcome, Failed), outcome
    assert outcome.peer == PEER
    assert str(outcome.error)
    assert replica.held.keys() <= MemoryReplica.of([*MINE, *NEW]).held.keys()
    return outcome.reason


OVER = EndOfTurn(has_more=False)
TREE = build_tree(change_id(data) for data in MINE)[1]
ROOT_NODE = next(branch for branch in TREE if branch.prefix == "")
ASKED = HaveFingerprints((PrefixFingerprints("", bytes(256)),))
ALL = HaveIds((PrefixIds("", ()),))


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        pytest.param([b"GET / HTTP/1.1\r\n\r\n"], Reason.MALFORMED, id="another protocol"),
        pytest.param([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)], Reason.MALFORMED, id="TLS inside"),
        pytest.param([b"\x03\x01\x11\x00"], Reason.OTHER_VERSION, id="from before the first release"),
        pytest.param([b"\x03\x01\x31\x00"], Reason.OTHER_VERSION, id="a newer version"),
        pytest.param([Hello(0, FLEET[:4], 3, ROOT)], Reason.OTHER_VERSION, id="no mode in common"),
        pytest.param([Hello(1, b"them", 3, ROOT)], Reason.OTHER_FLEET, id="another fleet"),
        pytest.param([Offer(3, 0)], Reason.OUT_OF_TURN, id="no hello"),
        pytest.param([HELLO, HELLO], Reason.OUT_OF_TURN, id="two hellos"),
        pytest.param([HELLO, Abort(Reason.STORE_FAILED)], Reason.PEER_ABORTED, id="gives up"),
        pytest.param([HELLO, Abort(200)], Reason.PEER_ABORTED, id="gives up for no known reason"),
        pytest.param([Abort(Reason.OTHER_FLEET)], Reason.OTHER_FLEET, id="is of another fleet and says so"),
        # the walk
        pytest.param([HELLO, OVER, Offer(0, 0), Summary(102, ROOT)], Reason.INCONSISTENT, id="differs in nothing"),
        pytest.param([HELLO, EndOfTurn(has_more=True)], Reason.OUT_OF_TURN, id="asks nothing and promises more"),
        pytest.param([HELLO, Want(b"\x80")], Reason.OUT_OF_TURN, id="wants what was not listed"),
        pytest.param([HELLO, ASKED, ASKED], Reason.OUT_OF_TURN, id="opens twice"),
        pytest.param([HELLO, ASKED, ALL], Reason.OUT_OF_TURN, id="opens with both"),
        pytest.param(
            [HELLO, HaveFingerprints((PrefixFingerprints("a", bytes(256)),))], Reason.OUT_OF_TURN, id="opens below"
        ),
        pytest.param([HELLO, HaveIds((PrefixIds("a", ()), PrefixIds("ab", ())))], Reason.OUT_OF_TURN, id="lists twice"),
        pytest.param(
            [HELLO, HaveIds((PrefixIds("b", ()), PrefixIds("a", ())))], Reason.OUT_OF_TURN, id="lists out of order"
        ),
        pytest.param(
            [HELLO, *(HaveIds((PrefixIds(f"{n:04x}", ()),)) for n in range(1000))],
            Reason.OUT_OF_TURN,
            id="lists without end",
        ),
        pytest.param([HELLO, ASKED, OVER, ASKED], Reason.OUT_OF_TURN, id="asks about what was not shown to it"),
        pytest.param([HELLO, ASKED, OVER, OVER], Reason.OUT_OF_TURN, id="does not say what it wants"),
        pytest.param([HELLO, ASKED, OVER, Want(bytes(200))], Reason.OUT_OF_TURN, id="wants more than was listed"),
        pytest.param([HELLO, ASKED, OVER, Want(b"\xff")], Reason.OUT_OF_TURN, id="answers for too few"),
        # the exchange; the peer has few changes, lists none, and so is asked for nothing
        pytest.param([FEW, ALL, OVER, *packed(NEW)], Reason.OUT_OF_TURN, id="a batch that was not announced"),
        pytest.param([FEW, ALL, OVER, Offer(1, 0), *packed(NEW)], Reason.UNREQUESTED, id="more than was announced"),
        pytest.param([FEW, ALL, OVER, Offer(3, 0), *packed(NEW)], Reason.UNREQUESTED, id="changes not asked for"),
        pytest.param([FEW, ALL, OVER, Offer(0, 0), Offer(0, 0)], Reason.OUT_OF_TURN, id="announces twice"),
        pytest.param([FEW, ALL, OVER, Offer(0, 0), *[Ack()] * 500], Reason.OUT_OF_TURN, id="got what was not sent"),
        pytest.param([FEW, ALL, OVER, Summary(3, ROOT)], Reason.OUT_OF_TURN, id="settles before the exchange"),
        pytest.param([FEW, ALL, OVER, ASKED], Reason.OUT_OF_TURN, id="walks on after the walk"),
        pytest.param([FEW, ALL, OVER, Offer(1, 0), Blocks(b"")], Reason.MALFORMED, id="an empty batch"),
        pytest.param([FEW, ALL, OVER, Offer(1, 0), Blocks(b"nonsense")], Reason.MALFORMED, id="not compressed"),
        pytest.param([FEW, ALL, OVER, Offer(1, 0), *packed([b""])], Reason.MALFORMED, id="an empty block"),
        pytest.param([FEW, ALL, OVER, Offer(1, 0), *packed([bytes(70_000)])], Reason.MALFORMED, id="a large block"),
        pytest.param([FEW, ALL, OVER, Offer(5000, 0), *packed([b"x"] * 5000)], Reason.MALFORMED, id="too many blocks"),
        pytest.param([FEW, ALL, OVER, Offer(9, 0), *packed([bytes(65_000)] * 17)], Reason.MALFORMED, id="a bomb"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_refused(messages: list[Message | bytes], why: Reason) -> None:
    assert reason(*messages) == why


def wants(*blocks: bytes) -> list[Message]:
    """A peer that lists these, below a prefix each, so that they are asked for."""
    ids = sorted(change_id(data) for data in blocks)
    return [FEW, HaveIds((PrefixIds("", tuple(change[:16] for change in ids)),)), OVER]


def test_what_was_asked_for_is_kept_and_distinguished_from_what_was_not() -> None:
    outcome, replica = against(*wants(*NEW), Offer(3, 0), *packed(NEW))
    assert outcome is None, "it waits for the peer to have committed what was sent"
    assert all(replica.held[change_id(data)] == data for data in NEW)
    assert reason(*wants(*NEW[:2]), Offer(3, 0), *packed(NEW)) == Reason.UNREQUESTED
    assert reason(*wants(*NEW), Offer(3, 0), *packed([NEW[0], NEW[0], NEW[1]])) == Reason.UNREQUESTED
    assert reason(*wants(*NEW), Offer(3, 0), *packed(NEW[:1], NEW[:1])) == Reason.UNREQUESTED
    assert reason(*wants(*NEW), Offer(3, 0), *packed(NEW[:2]), Summary(3, ROOT)) == Reason.OUT_OF_TURN
    assert reason(*wants(*NEW), Offer(3, 0), *packed([MINE[5]])) == Reason.UNREQUESTED


def test_a_badly_signed_block_ends_the_session_and_is_not_kept() -> None:
    bad = forged(NEW[1])
    outcome, replica = against(*wants(NEW[0], bad), Offer(2, 0), *packed([NEW[0]], [bad]))
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.REFUSED
    assert "badly signed" in str(outcome.error)
    assert PEER.hex()[:8] in str(outcome.error)
    assert change_id(NEW[0]) in replica.held
    assert change_id(bad) not in replica.held


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zstd.compress(bytes(1 << 28))
    assert len(bomb) < 1 << 15
    assert reason(*wants(*NEW), Offer(3, 0), Blocks(bomb)) == Reason.MALFORMED
    wide = zstd.compress(
        bytes(1 << 24), options={zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.checksum_flag: 1}
    )
    assert reason(*wants(*NEW), Offer(3, 0), Blocks(wide)) == Reason.MALFORMED


def test_a_stream_that_ends_and_goes_on_is_malformed() -> None:
    first = zstd.compress(encode_varint(len(NEW[0])) + NEW[0])
    assert reason(*wants(*NEW), Offer(3, 0), Blocks(first), *packed(NEW[1:2])) == Reason.MALFORMED


class TestJoining:
    """A device that holds nothing but the fleet's id."""

    @pytest.mark.parametrize(
        ("count", "chain", "why"),
        [
            pytest.param(0, [], Reason.NOT_A_MEMBER, id="no chain"),
            pytest.param(1, [block("genesis of another fleet"), MEMBERS[1]], Reason.REFUSED, id="another genesis"),
            pytest.param(2, [MEMBERS[1], MEMBERS[0]], Reason.NOT_A_MEMBER, id="the genesis not first"),
            pytest.param(
                2, [MEMBERS[0], block("member " + bytes(16).hex())], Reason.NOT_A_MEMBER, id="not a member by it"
            ),
        ],
    )
    def test_a_peer_that_proves_nothing_gets_and_leaves_nothing(
        self, count: int, chain: list[bytes], why: Reason
    ) -> None:
        messages: list[Message] = [HELLO, Offer(5, count), *packed([*chain, *NEW])]
        outcome, replica = against(*messages, mine=[])
        assert isinstance(outcome, Failed)
        assert outcome.reason == why
        assert replica.held == {}
        assert replica.saves == []

    def test_nothing_is_kept_before_the_chain_is_complete(self) -> None:
        messages: list[Message] = [HELLO, Offer(5, 2), *packed([MEMBERS[0]], [MEMBERS[1]], NEW)]
        _, replica = against(*messages[:-2], mine=[])
        assert replica.held == {}
        _, replica = against(*messages, Summary(5, ROOT), mine=[])
        assert len(replica.held) == 5
        assert replica.saves == [2, 3]

    def test_a_chain_without_end_is_cut_off(self) -> None:
        junk = some(0, 300, 60_000)
        batches = packed(*(junk[start : start + 15] for start in range(0, 300, 15)))
        assert reason(HELLO, Offer(1 << 20, 1 << 20), *batches, mine=[]) == Reason.TOO_LARGE


def left_out(data: bytes, flags: int) -> bytes:
    """A block without its links, whether the receiver can make them or not."""
    held = split_block(data)
    sent, fields = Sent(), held.header.fields
    assert fields.previous is not None
    sent.add(fields.device, fields.position - 1, fields.previous, whole=bool(flags & NO_PAST))
    out = pack(held.header, held.body, sent, linked=True)
    assert out[0] == flags
    return out


@pytest.mark.parametrize("flags", [NO_PREVIOUS, NO_PREVIOUS | NO_PAST])
def test_what_leaves_out_too_much_is_passed_over_and_asked_for_again_in_whole(flags: int) -> None:
    """NEW[2] names NEW[1], which is not here.

    Whoever sent it was wrong about that, and need not be hostile.
    """
    listed = HaveIds((PrefixIds("", tuple(sorted(change_id(data)[:16] for data in [*MINE, NEW[2]]))),))
    wrong = as_they_are([left_out(NEW[2], flags)])
    messages: list[Message] = [HELLO, listed, OVER, Offer(1, 0), *wrong]
    outcome, replica = against(*messages)
    assert outcome is None
    assert replica.held == MemoryReplica.of(MINE).held
    again: list[Message] = [Summary(len(MINE) + 1, ROOT), listed, OVER, Offer(1, 0)]
    stream = BatchEncoder()
    stream.encode_batch([left_out(NEW[2], flags)])
    _, replica = against(*messages, *again, Blocks(stream.encode_batch([entry(NEW[2])])))
    assert replica.held == MemoryReplica.of([*MINE, NEW[2]]).held
    # The second time it cannot have been an error.
    stream = BatchEncoder()
    stream.encode_batch([left_out(NEW[2], flags)])
    assert reason(*messages, *again, Blocks(stream.encode_batch([left_out(NEW[2], flags)]))) == Reason.MALFORMED


def test_a_field_that_was_changed_under_a_signature_is_refused_or_passed_over() -> None:
    good, previous = left_out(NEW[1], NO_PREVIOUS | NO_PAST), header_of(NEW[0])
    place = good.index(header_of(NEW[1]).fields.author)
    bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
    _, replica = against(*wants(*NEW[:2]), Offer(2, 0), *as_they_are([entry(NEW[0]), good]))
    assert replica.held.keys() == MemoryReplica.of([*MINE, *NEW[:2]]).held.keys()
    outcome, replica = against(*wants(*NEW[:2]), Offer(2, 0), *as_they_are([entry(NEW[0]), bad]))
    assert outcome is None
    assert replica.held.keys() == {*MemoryReplica.of(MINE).held, previous.id}
    whole = entry(NEW[1])
    place = whole.index(header_of(NEW[1]).fields.author)
    bad = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    assert reason(*wants(*NEW[:2]), Offer(2, 0), *as_they_are([entry(NEW[0]), bad])) == Reason.REFUSED


@pytest.mark.parametrize(("hello", "advice"), [(b"\x03\x01\x11\x00", "format 1"), (b"\x03\x01\x31\x00", "it is newer")])
def test_a_peer_of_another_version_is_reported_with_what_to_do(hello: bytes, advice: str) -> None:
    outcome, _ = against(hello)
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.OTHER_VERSION
    assert advice in str(outcome.error)
    outcome, _ = against(Abort(Reason.OTHER_VERSION))
    assert "update Fieldline there or here" in str(outcome.error)  # type: ignore[union-attr]


def test_a_peer_whose_roots_never_agree_is_left_after_some_rounds() -> None:
    messages: list[Message] = [HELLO]
    for block_ in some(6000, 100):
        listed = HaveIds((PrefixIds("", (change_id(block_)[:16],)),))
        messages += [listed, OVER]
    outcome, _ = against(*messages)
    assert isinstance(outcome, Failed)


def test_a_store_that_cannot_save_ends_the_session_with_its_own_sentence() -> None:
    replica = MemoryReplica.of(MINE)
    replica.full = True
    victim = session()
    for message in [*wants(*NEW), Offer(3, 0), *packed(NEW)]:
        victim.receive_data(encode_message(message))
        serve(victim, replica)
    assert isinstance(victim.outcome, Failed)
    assert victim.outcome.reason == Reason.STORE_FAILED
    assert str(victim.outcome.error).startswith("The disk is full")
    assert victim.data_to_send().endswith(encode_message(Abort(Reason.STORE_FAILED)))


@pytest.mark.parametrize("why", [Reason.TIMED_OUT, Reason.STOPPED])
def test_a_session_can_be_stopped_and_the_peer_is_reported(why: Reason) -> None:
    replica = MemoryReplica.of(MINE)
    victim = session()
    serve(victim, replica)
    victim.data_to_send()
    victim.abort(why)
    victim.abort(why)
    assert isinstance(victim.outcome, Failed)
    assert victim.outcome.reason == why
    assert victim.data_to_send() == encode_message(Abort(why))
    victim.receive_data(encode_message(HELLO))
    assert victim.request is None
    assert [type(event) for event in victim.take_events()] == [Progress, Failed]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans())
def test_random_bytes_end_the_session_or_leave_it_waiting(messages: list[bytes], calls: bool) -> None:
    outcome, replica = against(*messages, calls=calls)
    assert outcome is None or isinstance(outcome, Failed)
    assert replica.held == MemoryReplica.of(MINE).held


messages: st.SearchStrategy[Message] = st.one_of(
    st.just(ASKED),
    st.builds(
        lambda digit, children: HaveFingerprints((PrefixFingerprints(digit, children),)),
        st.sampled_from(["", "0", "7", "77"]),
        st.sampled_from([bytes(256), ROOT_NODE.children, EMPTY_FINGERPRINT * 15 + bytes(16)]),
    ),
    st.builds(lambda digit: HaveIds((PrefixIds(digit, ()),)), st.sampled_from(["", "0", "7", "77"])),
    st.just(wants(*NEW)[1]),
    st.builds(Want, st.binary(min_size=1, max_size=14)),
    st.builds(EndOfTurn, st.booleans()),
    st.builds(Offer, st.integers(2, 5), st.integers(0, 2)),
    st.lists(st.sampled_from([*NEW, *MINE[:4], NEW[0] + b"x"]), min_size=1, max_size=4).map(
        lambda some: packed(some)[0]
    ),
    st.just(Ack()),
    st.just(Summary(3, ROOT)),
    st.sampled_from([HELLO, FEW, NONE]),
)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([HELLO, FEW, NONE]), st.lists(messages, max_size=12), st.booleans(), st.booleans())
def test_any_messages_in_any_order_never_raise_and_keep_only_real_blocks(
    hello: Message, sent: list[Message], calls: bool, joins: bool
) -> None:
    outcome, replica = against(hello, *sent, mine=[] if joins else MINE, calls=calls)
    assert replica.held.items() <= MemoryReplica.of([*MINE, *NEW]).held.items()
    if isinstance(outcome, Done):
        assert outcome.root == replica.root


Damage = Callable[[bytes], bytes]


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Something that happens to bytes on their way, by a share of their length."""
    share, length = draw(st.floats(0, 1)), draw(st.integers(1, 40))
    what = draw(st.sampled_from(["flip", "lose", "repeat", "swap", "insert"]))
    extra = draw(st.binary(min_size=length, max_size=length))

    def damage(data: bytes) -> bytes:
        at = int(share * len(data))
        head, piece, tail = data[:at], data[at : at + length], data[at + length :]
        if what == "flip":
            return head + bytes(a ^ b for a, b in zip(piece, extra, strict=False)) + tail
        if what == "lose":
            return head + tail
        if what == "repeat":
            return head + piece + piece + tail
        if what == "swap":
            return head + tail[:length] + piece + tail[length:]
        return head + extra + piece + tail

    return damage


@settings(deadline=None, max_examples=100)
@given(damages(), st.booleans(), st.integers(0, 300), st.integers(0, 40), st.sampled_from([0, 1, 60]))
def test_a_damaged_transcript_never_raises_and_keeps_only_real_blocks(
    damage: Damage, first: bool, place: int, only_a: int, common: int
) -> None:
    shared = [*MEMBERS, *some(0, common)]
    a, b = (
        MemoryReplica.of([*shared, *some(1000, only_a)]),
        MemoryReplica.of([*shared, *some(2000, 20)] if common else []),
    )
    union = a.held | b.held

    class Damaging(Wire):
        def carry(self, sender: Session, receiver: Session) -> bool:
            data = sender.data_to_send()
            start, self.piece = len(self.log), 1 << 20
            self.log += data
            if start <= place < start + len(data):
                data = damage(data)
            receiver.receive_data(data)
            return bool(data)

    one, other = session(initiator=True), session()
    run(one, a, other, b, Damaging() if first else Wire(), Wire() if first else Damaging())
    assert a.held.items() | b.held.items() == union.items()
    for ended, replica in ((one, a), (other, b)):
        if isinstance(ended.outcome, Done):
            assert ended.outcome.root == replica.root


def test_a_peer_that_floods_is_not_read_without_end() -> None:
    replica, victim = MemoryReplica.of(MINE), session()
    assert victim.request is not None, "it waits for its own store and reads nothing meanwhile"
    sent = 0
    while not victim.is_buffer_full:
        victim.receive_data(bytes(1 << 16))
        sent += 1 << 16
    assert sent <= MAX_BUFFER_BYTES + (1 << 16)
    assert MAX_BUFFER_BYTES < 8 * MAX_BATCH_BYTES
    serve(victim, replica)
    assert isinstance(victim.outcome, Failed)
