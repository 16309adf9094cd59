"""Whom a device calls and when: what must hold whatever happens in the network."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.sync import calling
from core.sync.announcing import Announced
from core.sync.calling import Caller, yields

FLEET, OWN = b"F" * 16, b"\x50" * 16
ROOTS = [bytes([n]) * 16 for n in range(4)]
DEVICES = [bytes([n]) * 16 for n in (1, 2, 0x60, 0x70)]
NAMES = [f"n{n}" for n in range(9)]
FIXED = "tcp://10.0.0.1:7420"


def everybody(device: bytes) -> bool:
    return True


def said(name: str, device: bytes, root: bytes, fleet: bytes = FLEET) -> Announced:
    return Announced(name, fleet, device, root[:8], ("10.0.0.2",), 7420)


def caller(seed: int = 0) -> Caller:
    made = Caller(FLEET, OWN, random.Random(seed).uniform)
    made.here(ROOTS[0], everybody, 0.0)
    return made


def later(who: Caller, now: float) -> tuple[float, list[str]]:
    """When the next call is due, and whom to call then."""
    wake = who.wake()
    assert wake is not None
    now = max(now, wake)
    return now, who.due(now)


def test_who_holds_the_same_is_not_called_and_who_does_not_is() -> None:
    who = caller()
    assert who.announced(said("a", DEVICES[0], ROOTS[0]), 0.0)
    assert who.wake() is None
    assert who.due(1e9) == []
    who.announced(said("a", DEVICES[0], ROOTS[1]), 5.0)
    now, names = later(who, 5.0)
    assert names == ["a"]
    assert 5 + calling.HEARD[0] <= now <= 5 + calling.HEARD[1]
    who.announced(said("a", DEVICES[0], ROOTS[0]), now)
    assert who.due(1e9) == []


def test_what_was_saved_here_is_told_sooner() -> None:
    who = caller()
    who.announced(said("a", DEVICES[0], ROOTS[1]), 0.0)
    who.here(ROOTS[2], everybody, 0.1)
    now, names = later(who, 0.1)
    assert names == ["a"]
    assert now <= 0.1 + calling.SAVED[1]


def test_nobody_is_called_before_this_device_knows_what_it_holds_or_whom_it_may_call() -> None:
    who = Caller(FLEET, OWN, random.Random(0).uniform)
    who.announced(said("a", DEVICES[0], ROOTS[1]), 0.0)
    assert who.due(1e9) == []
    who.here(ROOTS[0], lambda device: device != DEVICES[0], 0.0)
    assert who.due(1e9) == []
    assert who.wake() is None
    who.here(ROOTS[0], everybody, 0.0)
    assert who.due(1e9) == ["a"]


def test_other_fleets_and_this_device_itself_are_passed_over() -> None:
    who = caller()
    assert not who.announced(said("a", DEVICES[0], ROOTS[1], fleet=b"G" * 16), 0.0)
    assert not who.announced(said("b", OWN, ROOTS[1]), 0.0)
    assert who.standing() == []


def test_names_are_bounded() -> None:
    who = caller()
    for n in range(20):
        who.announced(said(f"x{n}", DEVICES[0], ROOTS[1]), 0.0)
    assert len(who.standing()) == calling.MOST_NAMES_OF_A_DEVICE
    for n in range(3 * calling.MOST_NAMES):
        who.announced(said(f"y{n}", n.to_bytes(16, "big"), ROOTS[1]), 0.0)
    assert len(who.standing()) == calling.MOST_NAMES


def test_liars_keep_no_member_out() -> None:
    who = caller()
    who.here(ROOTS[0], lambda device: device in DEVICES, 0.0)
    for n in range(2 * calling.MOST_NAMES):
        who.announced(said(f"y{n}", n.to_bytes(16, "big"), ROOTS[1]), 0.0)
    assert who.announced(said("a member", DEVICES[0], ROOTS[1]), 0.0)
    assert not who.announced(said("another liar", b"\x99" * 16, ROOTS[1]), 0.0)
    assert who.due(1e9) == ["a member"]
    # Names of one device that lead nowhere give way to another one.
    names = [f"n{n}" for n in range(calling.MOST_NAMES_OF_A_DEVICE)]
    for name in names:
        who.announced(said(name, DEVICES[1], ROOTS[1]), 0.0)
    assert not who.announced(said("the real one", DEVICES[1], ROOTS[1]), 0.0)
    who.began(names[2])
    assert not who.announced(said("the real one", DEVICES[1], ROOTS[1]), 0.0)
    who.failed(names[2], 0.0)
    assert who.announced(said("the real one", DEVICES[1], ROOTS[1]), 0.0)
    assert {each.name for each in who.standing() if each.device == DEVICES[1]} == {*names, "the real one"} - {names[2]}


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_a_peer_that_fails_is_called_ever_less_often_but_never_given_up(seed: int, times: int) -> None:
    who = caller(seed)
    who.announced(said("a", DEVICES[0], ROOTS[1]), 0.0)
    now = 0.0
    for failed in range(1, times + 1):
        before = now
        now, names = later(who, now)
        assert names == ["a"]
        if failed > 1:
            full = min(calling.LONGEST_PAUSE, calling.PAUSE * 2 ** (failed - 1))
            assert full / 2 - 1e-6 <= now - before <= full + 1e-6
        who.began("a")
        assert who.due(1e9) == []
        who.failed("a", now)
    assert who.standing()[0].failures == times
    who.network_changed(now)
    assert who.due(now) == ["a"]


@given(st.integers(0, 2**32))
def test_one_that_changes_its_mind_all_the_time_is_not_called_all_the_time(seed: int) -> None:
    """It announces something else whenever it was met, and then has nothing."""
    who = caller(seed)
    calls, now = 0, 0.0
    while now < 3600:
        who.announced(said("a", DEVICES[0], ROOTS[1 + calls % 2]), now)
        now, names = later(who, now)
        assert names == ["a"]
        who.began("a")
        who.met(DEVICES[0], ROOTS[0], now)
        who.ended("a", now, moved=False)
        calls += 1
    assert calls < 80


def test_a_peer_at_a_fixed_place_is_called_now_and_then_and_when_something_was_saved() -> None:
    who = caller()
    who.fixed(FIXED, 0.0)
    now, names = later(who, 0.0)
    for _ in range(5):
        assert names == [FIXED]
        who.began(FIXED)
        who.known(FIXED, DEVICES[0])
        who.met(DEVICES[0], ROOTS[0], now)
        who.ended(FIXED, now, moved=False)
        before = now
        now, names = later(who, now)
        assert 0.75 * calling.INTERVAL <= now - before <= 1.25 * calling.INTERVAL + 1
    who.began(FIXED)
    who.met(DEVICES[0], ROOTS[0], now)
    who.ended(FIXED, now, moved=True)
    who.here(ROOTS[3], everybody, now + 10)
    assert later(who, now + 10)[0] <= now + 10 + calling.SAVED[1]


def test_of_two_devices_exactly_one_gives_way() -> None:
    for one in DEVICES:
        for other in DEVICES:
            if one != other:
                assert yields(one, other) != yields(other, one)


class Network(RuleBasedStateMachine):
    """Anything happens in any order; the one who calls keeps to what was promised."""

    def __init__(self) -> None:
        super().__init__()
        self.who = caller()
        self.own = ROOTS[0]
        self.now = 0.0
        self.roots: dict[str, bytes] = {}
        self.devices: dict[str, bytes] = {}
        self.calling: set[str] = set()
        self.busy: Counter[bytes] = Counter()
        self.others: set[bytes] = set()

    @rule(name=st.sampled_from(NAMES), device=st.sampled_from(DEVICES), root=st.sampled_from(ROOTS))
    def announced(self, name: str, device: bytes, root: bytes) -> None:
        if self.who.announced(said(name, device, root), self.now):
            assert name not in self.calling or self.devices[name] == device
            self.roots[name], self.devices[name] = root, device

    @rule(name=st.sampled_from(NAMES))
    def gone(self, name: str) -> None:
        self.who.gone(name)
        if name not in self.calling:
            self.roots.pop(name, None)

    @rule(root=st.sampled_from(ROOTS), not_allowed=st.sets(st.sampled_from(DEVICES)))
    def saved(self, root: bytes, not_allowed: set[bytes]) -> None:
        self.own, self.others = root, not_allowed
        self.who.here(root, lambda device: device not in not_allowed, self.now)

    @rule(seconds=st.floats(0, 200))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def calls(self) -> None:
        names = self.who.due(self.now)
        for name in names:
            assert name not in self.calling
            assert self.roots[name] != self.own
            assert self.devices[name] not in self.others
            assert not self.busy[self.devices[name]]
            assert self.devices[name] not in {self.devices[other] for other in self.calling}
            self.who.began(name)
            self.calling.add(name)
        assert len(self.calling) <= calling.MOST_CALLS
        if len(self.calling) < calling.MOST_CALLS:
            wake = self.who.wake()
            assert wake is None or wake > self.now

    @rule(data=st.data(), how=st.sampled_from(["moved", "vain", "failed", "gave way"]))
    def call_ends(self, data: st.DataObject, how: str) -> None:
        if not self.calling:
            return
        name = data.draw(st.sampled_from(sorted(self.calling)))
        self.calling.discard(name)
        if how in ("moved", "vain"):
            self.who.met(self.devices[name], self.own, self.now)
            for each in self.roots:
                if self.devices[each] == self.devices[name]:
                    self.roots[each] = self.own
            self.who.ended(name, self.now, moved=how == "moved")
        elif how == "failed":
            self.who.failed(name, self.now)
        else:
            self.who.gave_way(name, self.now)

    @rule(device=st.sampled_from(DEVICES), more=st.booleans())
    def answers(self, device: bytes, more: bool) -> None:
        if more or self.busy[device]:
            self.who.answering(device, 1 if more else -1)
            self.busy[device] += 1 if more else -1

    @invariant()
    def who_waits_is_called_in_time(self) -> None:
        if len(self.calling) >= calling.MOST_CALLS:
            return
        taken = {self.devices[name] for name in self.calling} | {d for d, n in self.busy.items() if n}
        waiting = [
            each for each in self.who.standing() if each.same is False and each.device not in taken | self.others
        ]
        wake = self.who.wake()
        if waiting:
            assert wake is not None
            assert wake <= self.now + calling.LONGEST_PAUSE
        for each in self.who.standing():
            assert each.calling == (each.name in self.calling)


TestNetwork = Network.TestCase
