"""Whom a device calls and when: what must hold whatever happens in the network."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.sync.discovery import dial_scheduler
from core.sync.discovery.announcement import Announcement
from core.sync.discovery.dial_scheduler import DialScheduler, loses_tie_break

FLEET, OWN = b"F" * 16, b"\x50" * 16
ROOTS = [bytes([n]) * 16 for n in range(4)]
DEVICES = [bytes([n]) * 16 for n in (1, 2, 0x60, 0x70)]
NAMES = [f"n{n}" for n in range(9)]
FIXED = "tcp://10.0.0.1:7420"


def everybody(device: bytes) -> bool:
    return True


def said(name: str, device: bytes, root: bytes, fleet: bytes = FLEET) -> Announcement:
    return Announcement(name, fleet, device, root[:8], ("10.0.0.2",), 7420)


def caller(seed: int = 0) -> DialScheduler:
    made = DialScheduler(FLEET, OWN, random.Random(seed).uniform)
    made.on_local_root(ROOTS[0], everybody, 0.0)
    return made


def later(who: DialScheduler, now: float) -> tuple[float, list[str]]:
    """When the next call is due, and whom to call then."""
    wake = who.next_wake_at()
    assert wake is not None
    now = max(now, wake)
    return now, who.due_peers(now)


def test_who_holds_the_same_is_not_called_and_who_does_not_is() -> None:
    who = caller()
    assert who.on_announcement(said("a", DEVICES[0], ROOTS[0]), 0.0)
    assert who.next_wake_at() is None
    assert who.due_peers(1e9) == []
    who.on_announcement(said("a", DEVICES[0], ROOTS[1]), 5.0)
    now, names = later(who, 5.0)
    assert names == ["a"]
    assert 5 + dial_scheduler.DELAY_AFTER_ANNOUNCEMENT_S[0] <= now <= 5 + dial_scheduler.DELAY_AFTER_ANNOUNCEMENT_S[1]
    who.on_announcement(said("a", DEVICES[0], ROOTS[0]), now)
    assert who.due_peers(1e9) == []


def test_what_was_saved_here_is_told_sooner() -> None:
    who = caller()
    who.on_announcement(said("a", DEVICES[0], ROOTS[1]), 0.0)
    who.on_local_root(ROOTS[2], everybody, 0.1)
    now, names = later(who, 0.1)
    assert names == ["a"]
    assert now <= 0.1 + dial_scheduler.DELAY_AFTER_COMMIT_S[1]


def test_nobody_is_called_before_this_device_knows_what_it_holds_or_whom_it_may_call() -> None:
    who = DialScheduler(FLEET, OWN, random.Random(0).uniform)
    who.on_announcement(said("a", DEVICES[0], ROOTS[1]), 0.0)
    assert who.due_peers(1e9) == []
    who.on_local_root(ROOTS[0], lambda device: device != DEVICES[0], 0.0)
    assert who.due_peers(1e9) == []
    assert who.next_wake_at() is None
    who.on_local_root(ROOTS[0], everybody, 0.0)
    assert who.due_peers(1e9) == ["a"]


def test_other_fleets_and_this_device_itself_are_passed_over() -> None:
    who = caller()
    assert not who.on_announcement(said("a", DEVICES[0], ROOTS[1], fleet=b"G" * 16), 0.0)
    assert not who.on_announcement(said("b", OWN, ROOTS[1]), 0.0)
    assert who.statuses() == []


def test_names_are_bounded() -> None:
    who = caller()
    for n in range(20):
        who.on_announcement(said(f"x{n}", DEVICES[0], ROOTS[1]), 0.0)
    assert len(who.statuses()) == dial_scheduler.MAX_NAMES_PER_DEVICE
    for n in range(3 * dial_scheduler.MAX_PEER_NAMES):
        who.on_announcement(said(f"y{n}", n.to_bytes(16, "big"), ROOTS[1]), 0.0)
    assert len(who.statuses()) == dial_scheduler.MAX_PEER_NAMES


def test_liars_keep_no_member_out() -> None:
    who = caller()
    who.on_local_root(ROOTS[0], lambda device: device in DEVICES, 0.0)
    for n in range(2 * dial_scheduler.MAX_PEER_NAMES):
        who.on_announcement(said(f"y{n}", n.to_bytes(16, "big"), ROOTS[1]), 0.0)
    assert who.on_announcement(said("a member", DEVICES[0], ROOTS[1]), 0.0)
    assert not who.on_announcement(said("another liar", b"\x99" * 16, ROOTS[1]), 0.0)
    assert who.due_peers(1e9) == ["a member"]
    # Names of one device that lead nowhere give way to another one.
    names = [f"n{n}" for n in range(dial_scheduler.MAX_NAMES_PER_DEVICE)]
    for name in names:
        who.on_announcement(said(name, DEVICES[1], ROOTS[1]), 0.0)
    assert not who.on_announcement(said("the real one", DEVICES[1], ROOTS[1]), 0.0)
    who.on_dial_started(names[2])
    assert not who.on_announcement(said("the real one", DEVICES[1], ROOTS[1]), 0.0)
    who.on_dial_failed(names[2], 0.0)
    assert who.on_announcement(said("the real one", DEVICES[1], ROOTS[1]), 0.0)
    assert {each.name for each in who.statuses() if each.device == DEVICES[1]} == {*names, "the real one"} - {names[2]}


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_a_peer_that_fails_is_called_ever_less_often_but_never_given_up(seed: int, times: int) -> None:
    who = caller(seed)
    who.on_announcement(said("a", DEVICES[0], ROOTS[1]), 0.0)
    now = 0.0
    for failed in range(1, times + 1):
        before = now
        now, names = later(who, now)
        assert names == ["a"]
        if failed > 1:
            full = min(dial_scheduler.BACKOFF_MAX_S, dial_scheduler.BACKOFF_BASE_S * 2 ** (failed - 1))
            assert full / 2 - 1e-6 <= now - before <= full + 1e-6
        who.on_dial_started("a")
        assert who.due_peers(1e9) == []
        who.on_dial_failed("a", now)
    assert who.statuses()[0].failures == times
    who.on_network_change(now)
    assert who.due_peers(now) == ["a"]


@given(st.integers(0, 2**32))
def test_one_that_changes_its_mind_all_the_time_is_not_called_all_the_time(seed: int) -> None:
    """It announces something else whenever it was met, and then has nothing."""
    who = caller(seed)
    calls, now = 0, 0.0
    while now < 3600:
        who.on_announcement(said("a", DEVICES[0], ROOTS[1 + calls % 2]), now)
        now, names = later(who, now)
        assert names == ["a"]
        who.on_dial_started("a")
        who.on_synced(DEVICES[0], ROOTS[0], now)
        who.on_dial_succeeded("a", now, has_moved=False)
        calls += 1
    assert calls < 80


def test_a_peer_at_a_fixed_place_is_called_now_and_then_and_when_something_was_saved() -> None:
    who = caller()
    who.add_static_peer(FIXED, 0.0)
    now, names = later(who, 0.0)
    for _ in range(5):
        assert names == [FIXED]
        who.on_dial_started(FIXED)
        who.on_peer_identified(FIXED, DEVICES[0])
        who.on_synced(DEVICES[0], ROOTS[0], now)
        who.on_dial_succeeded(FIXED, now, has_moved=False)
        before = now
        now, names = later(who, now)
        assert 0.75 * dial_scheduler.STATIC_PEER_POLL_S <= now - before <= 1.25 * dial_scheduler.STATIC_PEER_POLL_S + 1
    who.on_dial_started(FIXED)
    who.on_synced(DEVICES[0], ROOTS[0], now)
    who.on_dial_succeeded(FIXED, now, has_moved=True)
    who.on_local_root(ROOTS[3], everybody, now + 10)
    assert later(who, now + 10)[0] <= now + 10 + dial_scheduler.DELAY_AFTER_COMMIT_S[1]


def test_of_two_devices_exactly_one_gives_way() -> None:
    for one in DEVICES:
        for other in DEVICES:
            if one != other:
                assert loses_tie_break(one, other) != loses_tie_break(other, one)


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
        if self.who.on_announcement(said(name, device, root), self.now):
            assert name not in self.calling or self.devices[name] == device
            self.roots[name], self.devices[name] = root, device

    @rule(name=st.sampled_from(NAMES))
    def gone(self, name: str) -> None:
        self.who.on_withdrawal(name)
        if name not in self.calling:
            self.roots.pop(name, None)

    @rule(root=st.sampled_from(ROOTS), not_allowed=st.sets(st.sampled_from(DEVICES)))
    def saved(self, root: bytes, not_allowed: set[bytes]) -> None:
        self.own, self.others = root, not_allowed
        self.who.on_local_root(root, lambda device: device not in not_allowed, self.now)

    @rule(seconds=st.floats(0, 200))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def calls(self) -> None:
        names = self.who.due_peers(self.now)
        for name in names:
            assert name not in self.calling
            assert self.roots[name] != self.own
            assert self.devices[name] not in self.others
            assert not self.busy[self.devices[name]]
            assert self.devices[name] not in {self.devices[other] for other in self.calling}
            self.who.on_dial_started(name)
            self.calling.add(name)
        assert len(self.calling) <= dial_scheduler.MAX_DIALS
        if len(self.calling) < dial_scheduler.MAX_DIALS:
            wake = self.who.next_wake_at()
            assert wake is None or wake > self.now

    @rule(data=st.data(), how=st.sampled_from(["moved", "vain", "failed", "gave way"]))
    def call_ends(self, data: st.DataObject, how: str) -> None:
        if not self.calling:
            return
        name = data.draw(st.sampled_from(sorted(self.calling)))
        self.calling.discard(name)
        if how in ("moved", "vain"):
            self.who.on_synced(self.devices[name], self.own, self.now)
            for each in self.roots:
                if self.devices[each] == self.devices[name]:
                    self.roots[each] = self.own
            self.who.on_dial_succeeded(name, self.now, has_moved=how == "moved")
        elif how == "failed":
            self.who.on_dial_failed(name, self.now)
        else:
            self.who.on_tie_break_lost(name, self.now)

    @rule(device=st.sampled_from(DEVICES), more=st.booleans())
    def answers(self, device: bytes, more: bool) -> None:
        if more or self.busy[device]:
            self.who.count_accepted(device, 1 if more else -1)
            self.busy[device] += 1 if more else -1

    @invariant()
    def who_waits_is_called_in_time(self) -> None:
        if len(self.calling) >= dial_scheduler.MAX_DIALS:
            return
        taken = {self.devices[name] for name in self.calling} | {d for d, n in self.busy.items() if n}
        waiting = [
            each for each in self.who.statuses() if each.same is False and each.device not in taken | self.others
        ]
        wake = self.who.next_wake_at()
        if waiting:
            assert wake is not None
            assert wake <= self.now + dial_scheduler.BACKOFF_MAX_S
        for each in self.who.statuses():
            assert each.is_dialing == (each.name in self.calling)


TestNetwork = Network.TestCase
