"""The tables of states.

What each of them must be, and that running machines take every row and no other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import count
from random import Random
from typing import Any

import pytest

from core.errors import FieldlineError
from core.sync.codec import encode_message
from core.sync.discovery.announcement import Announcement
from core.sync.discovery.dial_scheduler import DIAL, DialEvent, DialScheduler, DialState
from core.sync.effects import Effects, receive_message
from core.sync.events import Done, Failed
from core.sync.links.serial.arq import Arq
from core.sync.links.serial.arq_states import ARQ, ArqEvent, ArqState
from core.sync.links.serial.baud_negotiation import (
    BAUD,
    BAUD_RATES,
    BaudEvent,
    BaudMessage,
    BaudNegotiation,
    BaudState,
)
from core.sync.links.serial.framing import FRAME_END, FrameType
from core.sync.messages import Ack, Hello, SketchPart
from core.sync.pairing.protocol import MIN_LOOK_S
from core.sync.pairing.states import PAIRING, PairingEvent, PairingState
from core.sync.protocol_errors import LocalProtocolError
from core.sync.reconcile.sketch_reconciler import SketchReconciler
from core.sync.states import (
    METHOD,
    SESSION,
    WAIT,
    Method,
    MethodEvent,
    SessionEvent,
    SessionState,
    StateMachine,
    WaitEvent,
    WaitState,
)
from tests import state_diagrams
from tests.support import pairing_sides
from tests.support.memory_replica import (
    FLEET,
    GENESIS,
    PEER,
    MemoryReplica,
    Summary,
    Wire,
    block,
    meet,
    run,
    serve,
    session,
    some,
)

Table = Mapping[Any, Mapping[Any, Any]]
Row = tuple[Enum, Enum]

MACHINES = {
    "session": (SESSION, SessionState, SessionEvent, {SessionState.DONE, SessionState.FAILED}, True),
    "method": (METHOD, Method, MethodEvent, {Method.MERKLE}, False),
    "wait": (WAIT, WaitState, WaitEvent, {WaitState.OVER}, True),
    "arq": (ARQ, ArqState, ArqEvent, {ArqState.RESET, ArqState.CLOSED}, True),
    "baud": (BAUD, BaudState, BaudEvent, {BaudState.STEADY}, False),
    "dial": (DIAL, DialState, DialEvent, {DialState.FORGOTTEN}, True),
    "pairing": (PAIRING, PairingState, PairingEvent, {PairingState.DONE, PairingState.FAILED}, True),
}
"""Table, its states and events, where each way through it can come to rest, and whether nothing leads out of there."""

machines = pytest.mark.parametrize(("table", "states", "events", "rests", "final"), MACHINES.values(), ids=MACHINES)


def reachable(table: Table, state: Enum) -> set[Enum]:
    found, new = {state}, [state]
    while new:
        new = [after for after in table[new.pop()].values() if after not in found] + new
        found.update(new)
    return found


@machines
def test_a_table_is_whole(table: Table, states: type[Enum], events: type[Enum], rests: set[Enum], final: bool) -> None:
    assert list(table) == list(states)
    assert {event for row in table.values() for event in row} == set(events)
    assert {after for row in table.values() for after in row.values()} <= set(states)
    assert reachable(table, next(iter(states))) == set(states)
    for state in states:
        assert reachable(table, state) & rests
    assert final == all(not table[state] for state in rests)


@machines
def test_every_event_in_every_state_is_a_row_or_an_error_of_this_program(
    table: Table, states: type[Enum], events: type[Enum], rests: set[Enum], final: bool
) -> None:
    for state in states:
        for event in events:
            machine: StateMachine[Enum, Enum] = StateMachine(table, state)
            assert machine.allows(event) == (event in table[state])
            if machine.allows(event):
                machine.enter(event)
                assert machine.state is table[state][event]
            else:
                with pytest.raises(LocalProtocolError, match=f"{event.name} in state {state.name}"):
                    machine.enter(event)
                assert machine.state is state


def test_each_member_has_a_line_of_its_own() -> None:
    for _table, states, events, _rests, _final in MACHINES.values():
        for members in (states, events):
            assert len({member.value for member in members}) == len(members.__members__)


def test_the_document_is_made_from_the_tables() -> None:
    text = state_diagrams.DOCUMENT.read_text(encoding="utf-8")
    assert {found["name"] for found in state_diagrams.SECTION.finditer(text)} == set(state_diagrams.TABLES)
    assert state_diagrams.redraw(text) == text
    assert state_diagrams.redraw(text.replace("HELLO --> RECONCILE", "HELLO --> DONE")) == text


# --- running machines ------------------------------------------------------------------------------------------------


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[Row]:
    """The rows that machines take from here on."""
    rows: set[Row] = set()
    enter = StateMachine.enter

    def record(machine: StateMachine[Enum, Enum], event: Enum) -> None:
        before = machine.state
        enter(machine, event)
        rows.add((before, event))

    monkeypatch.setattr(StateMachine, "enter", record)
    return rows


def missing(table: Table, taken: set[Row]) -> set[Row]:
    return {(state, event) for state, row in table.items() for event in row} - taken


def test_dialing_takes_every_row(taken: set[Row]) -> None:
    for seed in range(60):
        dial_at_random(Random(seed))
    assert not missing(DIAL, taken)


def dial_at_random(random: Random) -> None:
    own, fleet, roots = bytes(16), b"F" * 16, [bytes([n]) * 16 for n in range(3)]
    scheduler = DialScheduler(fleet, own, random.uniform)
    devices, names = [bytes([n]) * 16 for n in (1, 2, 3)], ["a", "b", "c", "d"]
    dialing: dict[str, bytes] = {}
    now = 0.0
    for _ in range(150):
        now += random.random() * 20
        match random.randrange(7):
            case 0 | 1:
                root, device = random.choice(roots), random.choice(devices)
                scheduler.on_announcement(
                    Announcement(random.choice(names), fleet, device, root[:8], ("10.0.0.2",), 7420), now
                )
            case 2:
                scheduler.on_withdrawal(random.choice(names))
            case 3:
                scheduler.on_local_root(random.choice(roots), lambda device: True, now)
            case 4:
                for name in scheduler.due_peers(now):
                    scheduler.on_dial_started(name)
                    dialing[name] = next(each.device or b"" for each in scheduler.statuses() if each.name == name)
            case 5:
                if dialing:
                    scheduler.on_synced(random.choice(list(dialing.values())), random.choice(roots), now)
            case 6:
                if dialing:
                    name = random.choice(list(dialing))
                    del dialing[name]
                    end = random.choice((scheduler.on_dial_failed, scheduler.on_tie_break_lost, None))
                    if end is None:
                        scheduler.on_dial_succeeded(name, now, has_moved=True)
                    else:
                        end(name, now)
        assert {each.name for each in scheduler.statuses() if each.is_dialing} == set(dialing)


def test_pairing_takes_every_row(taken: set[Row]) -> None:
    for seed in range(200):
        pair_at_random(Random(seed))
    assert not missing(PAIRING, taken)


def pair_at_random(random: Random) -> None:
    """Two honest sides whose people answer, stopped or cut off at random."""
    pair = pairing_sides.sides(random)
    for now in range(20):
        side, other = random.sample(pair, 2)
        match random.randrange(8):
            case 0 if side.state in (PairingState.COMPARE, PairingState.SAME_THERE):
                side.answer(random.random() < 0.9, now + MIN_LOOK_S)
            case 1 if side is pair[0] and side.state is PairingState.AGREED:
                side.admit("reader", "K3")
            case 2 if random.random() < 0.1:
                random.choice((side.abort, side.receive_eof))()
            case _:
                if PAIRING[other.state]:
                    pairing_sides.feed(other, side.data_to_send(), now)


def test_a_dial_that_was_not_due_or_never_began_is_an_error_of_this_program() -> None:
    scheduler = DialScheduler(b"F" * 16, bytes(16), Random(0).uniform)
    with pytest.raises(LocalProtocolError, match="no peer"):
        scheduler.on_dial_started("a")
    scheduler.add_static_peer("a", 0.0)
    with pytest.raises(LocalProtocolError, match="DIAL_STARTED in state IDLE"):
        scheduler.on_dial_started("a")
    scheduler.on_local_root(b"1" * 16, lambda device: True, 0.0)
    for end in (scheduler.on_dial_failed, scheduler.on_tie_break_lost):
        with pytest.raises(LocalProtocolError, match="DIAL_ENDED in state WAITING"):
            end("a", 0.0)


def test_negotiating_takes_every_row(taken: set[Row]) -> None:
    for seed in range(1000):
        negotiate_at_random(Random(seed))
    assert not missing(BAUD, taken)


GOOD_ANSWERS = {
    BaudState.STEADY: BaudMessage.PROPOSE,
    BaudState.PROPOSING: BaudMessage.ACCEPT,
    BaudState.PROBING: BaudMessage.PROBE_REPLY,
    BaudState.AWAITING_PROBES: BaudMessage.PROBE,
    BaudState.PROBED: BaudMessage.COMMIT,
}
"""What a peer that keeps to the protocol sends."""


def negotiate_at_random(random: Random) -> None:
    """One end, whose peer often sends what it should, and else whatever it likes."""
    end = BaudNegotiation(BAUD_RATES)
    port, now = end.baud, 0.0
    for _ in range(40):
        now += random.choice((0.0, 0.01, 0.11, 3.0))
        while end.next_body() is not None:
            pass
        match random.randrange(10):
            case 0 | 1 | 2 | 3 if end.state in GOOD_ANSWERS:
                rate = random.randrange(1, len(BAUD_RATES))
                end.receive_body(bytes([FrameType.RATE, GOOD_ANSWERS[end.state], rate]), now)
            case 4:
                message = random.choice(list(BaudMessage))
                end.receive_body(bytes([FrameType.RATE, message, random.randrange(len(BAUD_RATES))]), now)
            case 5:
                end.propose_raise(now)
            case 6 | 7 if end.baud != port:
                port = end.baud
                end.on_baud_switched(now)
            case 8:
                end.on_time(now)
            case 9:
                random.choice((end.on_other_frame, end.revert_to_first))(now)
            case _ if random.random() < 0.1:
                end.reset()
                port = end.baud
        assert end.is_exclusive == (end.state is not BaudState.STEADY)


def test_joining_takes_every_row(taken: set[Row]) -> None:
    for seed in range(150):
        join_at_random(Random(seed))
    assert not missing(ARQ, taken)


def begin(random: Random) -> Arq:
    end = Arq(random.randbytes(8), BAUD_RATES[:1], dials=random.random() < 0.5)
    end.receive_data(FRAME_END, 0.0)
    return end


def exchange_frames(random: Random, ends: list[Arq], now: float) -> None:
    for side, end in enumerate(ends):
        while (frame := end.next_frame(now)) is not None:
            if random.random() < 0.6:
                ends[1 - side].receive_data(frame, now)


def join_at_random(random: Random) -> None:
    """Two ends on a line that loses frames.

    Ports are opened anew, programs end and are started anew.
    """

    now = 0.0
    ends = [begin(random), begin(random)]
    for _ in range(80):
        now += random.random()
        exchange_frames(random, ends, now)
        side = random.randrange(2)
        match random.randrange(12):
            case 0 | 1:
                ends[side].dial(now)
            case 2:
                ends[side].on_port_opened(now)
            case 3:
                ends[1 - side].receive_data(ends[side].make_rst(), now)
                if random.random() < 0.5:
                    ends[side] = begin(random)
            case 4:
                ends[side] = begin(random)
            case 5:
                ends[side].sender.write(b"data")
        if all(end.state in (ArqState.RESET, ArqState.CLOSED) for end in ends):
            return


MEMBERS = [GENESIS, block("member " + PEER.hex())]


class Growing(MemoryReplica):
    """Somebody saves a change whenever it is asked what it holds."""

    numbers: Iterator[int] = count(500_000)

    async def summary(self) -> Summary:
        self.keep(some(next(self.numbers), 1))
        return await super().summary()


class Lying(MemoryReplica):
    """Says another root than it has, a new one each time, for a number of times."""

    lies = 0

    async def summary(self) -> Summary:
        true = await super().summary()
        if not self.lies:
            return true
        self.lies -= 1
        return Summary(true.count, bytes([self.lies]) * 16)


def sets() -> tuple[MemoryReplica, MemoryReplica]:
    return MemoryReplica.of([*MEMBERS, *some(0, 40)]), MemoryReplica.of([*MEMBERS, *some(20, 60)])


def failing_sketch(self: SketchReconciler) -> Effects[None]:
    """Give up at once, as a side does that cannot go on."""
    yield SketchPart(b"")
    yield from receive_message(SketchPart)


@pytest.mark.parametrize("step", [101, pytest.param(23, marks=pytest.mark.soak)])
def test_sessions_take_every_row(taken: set[Row], monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    there, back = Wire(), Wire()
    one, other = meet(*sets(), there=there, back=back)
    # The link is cut after every so many bytes; at the end they are few.
    whole = max(len(there.log), len(back.log))
    for size in (*range(0, whole, step), *range(whole - 60, whole)):
        meet(*sets(), there=Wire(left=size), back=Wire(left=size))
    assert isinstance(one.outcome, Done)
    assert isinstance(other.outcome, Done)
    # Stopped before anything was done; a store that cannot save.
    stopped = session()
    stopped.abort()
    assert isinstance(stopped.outcome, Failed)
    full, other_set = sets()
    full.full = True
    meet(full, other_set)
    # Somebody saves something in every round.
    growing = Growing.of([*MEMBERS, *some(0, 9)])
    one, _ = meet(growing, sets()[0], modes=("merkle",))
    assert isinstance(one.outcome, Done)
    assert not one.outcome.equal
    # Roots that go on differing although all was moved: each method is tried in turn.
    lying = Lying.of(sets()[0].held.values())
    lying.lies = 9
    meet(lying, sets()[0])
    # One of the sides, or both, do not speak the sketch; both hold the same.
    run(session(initiator=True), sets()[0], session(modes=("merkle",)), sets()[1], Wire(), Wire())
    meet(sets()[0], sets()[0])
    # Both hold the same, and one of them says something else then.
    talked_to, held = session(), sets()[0]
    talked_to.receive_data(encode_message(Hello(7, FLEET[:4], len(held.held), held.root)) + encode_message(Ack()))
    serve(talked_to, held)
    assert isinstance(talked_to.outcome, Failed)
    # Sketches that fail.
    monkeypatch.setattr(SketchReconciler, "run", failing_sketch)
    one, other = meet(*sets())
    assert isinstance(one.outcome, Done)
    assert one.outcome.stats.mode == "merkle"
    assert not [row for table in (SESSION, METHOD, WAIT) for row in missing(table, taken)]


def test_calls_out_of_order_are_errors_of_this_program() -> None:
    waiting = session()
    serve(waiting, sets()[0])
    ended = session()
    ended.abort()
    for each in (waiting, ended):
        with pytest.raises(LocalProtocolError, match="RESOLVED in state"):
            each.resolve(None)
        with pytest.raises(LocalProtocolError, match="REJECTED in state"):
            each.reject(FieldlineError("The disk is full."))
    waiting.receive_eof()
    with pytest.raises(LocalProtocolError, match="after the end"):
        waiting.receive_data(b"\0")
