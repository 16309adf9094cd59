"""Which changes follow depends on the set alone, in any order and portions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core import chain
from core import header as headers
from core.chain import Fault, Tip, WrongLink
from core.chain_links import FaultyLink, Known, State, link
from core.header import SignedHeader
from core.mountain_range import Range, range_of
from tests.support.strategies import FLEET, KEYS, ChainPen


@dataclass
class Memory:
    """The table, in memory."""

    headers: dict[bytes, SignedHeader] = field(default_factory=dict)
    states: dict[bytes, State] = field(default_factory=dict)
    tips: dict[bytes, Range] = field(default_factory=dict)
    faulty: list[FaultyLink] = field(default_factory=list)

    def take(self, new: Sequence[SignedHeader]) -> None:
        for header in new:
            self.headers[header.id] = header
            self.states.setdefault(header.id, State.WAITING)
        self.faulty += link(self, new)

    def known(self, change: bytes) -> Known | None:
        header = self.headers.get(change)
        return header and Known(header.fields.device, header.fields.position, self.states[change])

    def waiting_on(self, change: bytes) -> list[SignedHeader]:
        return [h for h in self.headers.values() if h.fields.previous == change and not self.states[h.id]]

    def tip(self, change: bytes) -> Range | None:
        return self.tips.get(change)

    def ids_below(self, change: bytes) -> list[bytes]:
        return chain.ids_below(self.headers[change], self.headers.get) or []

    def set_state(self, change: bytes, state: State) -> None:
        assert self.states[change] is State.WAITING
        self.states[change] = state

    def set_tip(self, change: bytes, upto: Range, before: bytes | None) -> None:
        self.tips.pop(before or b"", None)
        self.tips[change] = upto


def lying(header: SignedHeader, number: int, **wrong: Any) -> SignedHeader:
    key = KEYS[number]
    return headers.sign(replace(header.fields, key=key.public_key().public_bytes_raw(), **wrong), key, FLEET)


@st.composite
def sets(draw: st.DrawFn) -> list[SignedHeader]:
    """Headers of two devices with forks, lies, and what was written on top of lies."""
    pens = [ChainPen(0), ChainPen(1)]
    found: dict[bytes, SignedHeader] = {}
    for number in range(draw(st.integers(1, 12))):
        pen = draw(st.sampled_from(pens))
        act = draw(st.sampled_from(["write", "write", "write", "fork", "lie"]))
        if act == "fork" and pen.blocks:
            pen = pen.branch(draw(st.integers(0, len(pen.blocks) - 1)))
            pens.append(pen)
        header = pen.write(at=number).header
        if act == "lie" and header.fields.position:
            others = sorted(found)
            wrong: dict[str, Any] = draw(
                st.sampled_from([{"past": b"x" * 32}, {"position": header.fields.position + 1}])
                | st.builds(lambda other: {"previous": other}, st.sampled_from(others))
            )
            header = lying(header, KEYS.index(pen.key), **wrong)
            # The liar goes on from the lie as if it were right.
            assert pen.tip is not None
            below = pen.ranges[-2].append(header.id)
            pen.tip = Tip(pen.device, header.fields.position, header.id, Range(header.fields.position + 1, below.peaks))
            if len(below.peaks) != (header.fields.position + 1).bit_count():
                pen.tip = replace(pen.tip, range=range_of([b"?"] * (header.fields.position + 1)))
        found[header.id] = header
    return list(found.values())


def defined(held: dict[bytes, SignedHeader], header: SignedHeader) -> State:
    """The state as it is defined."""
    if header.fields.previous is None:
        return State.LINKED
    before = held.get(header.fields.previous)
    if before is None:
        return State.WAITING
    if chain.place_fault(before.fields.device, before.fields.position, header):
        return State.FAULTY
    state = defined(held, before)
    if state is not State.LINKED:
        return state
    ids = chain.ids_below(header, held.get)
    assert ids is not None
    return State.LINKED if range_of(ids).root == header.fields.past else State.FAULTY


@given(sets(), st.randoms(use_true_random=False), st.integers(1, 5), st.integers(0, 4))
def test_the_states_are_those_of_the_set(found: list[SignedHeader], chance: Random, portion: int, missing: int) -> None:
    order = list(found)
    chance.shuffle(order)
    order = order[: max(1, len(order) - missing)]
    table = Memory()
    for start in range(0, len(order), portion):
        table.take(order[start : start + portion])
        assert table.states == {h.id: defined(table.headers, h) for h in table.headers.values()}
    linked = {change for change, state in table.states.items() if state is State.LINKED}
    ends = linked - {table.headers[change].fields.previous for change in linked}
    assert set(table.tips) == ends
    for change, upto in table.tips.items():
        assert upto == range_of([*table.ids_below(change), change])


@given(sets(), st.randoms(use_true_random=False))
def test_each_wrong_link_is_found_once_and_proves_itself(found: list[SignedHeader], chance: Random) -> None:
    table = Memory()
    order = list(found)
    chance.shuffle(order)
    for header in order:
        table.take([header])
    assert len({wrong.change for wrong in table.faulty}) == len(table.faulty)
    for wrong in table.faulty:
        header = table.headers[wrong.change]
        previous = table.headers[header.fields.previous or b""]
        assert WrongLink(previous.data, header.data, wrong.peaks).check(FLEET).fault is wrong.fault


def test_a_strangers_header_does_not_touch_a_chain() -> None:
    """The attack that forked an honest chain.

    Somebody else's change names its head as previous.
    """
    honest, stranger = ChainPen(0), ChainPen(3)
    mine = [honest.write().header for _ in range(3)]
    stranger.write()
    foreign = lying(stranger.write().header, 3, previous=mine[2].id, position=3, past=honest.ranges[3].root)
    for order in ([*mine, foreign], [foreign, *mine]):
        table = Memory()
        for header in order:
            table.take([header])
        assert set(table.tips) == {mine[2].id}
        assert table.states[foreign.id] is State.FAULTY
        assert table.faulty == [FaultyLink(foreign.id, Fault.FOREIGN)]
    table.take([honest.write().header])
    assert honest.tip is not None
    assert table.tips == {honest.tip.id: honest.tip.range}


def test_a_long_chain_that_comes_newest_first_is_linked_without_deep_recursion() -> None:
    pen = ChainPen()
    for _ in range(1200):
        pen.write()
    table = Memory()
    by_previous = {block.header.fields.previous: block.header for block in pen.blocks}
    table.waiting_on = lambda change: [by_previous[change]] if change in by_previous else []  # type: ignore[method-assign]
    table.take([block.header for block in reversed(pen.blocks[1:])])
    assert set(table.states.values()) == {State.WAITING}
    table.take([pen.blocks[0].header])
    assert set(table.states.values()) == {State.LINKED}
    assert table.tips == {pen.blocks[-1].id: pen.ranges[-1]}
