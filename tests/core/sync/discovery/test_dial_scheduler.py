"""Whom a device dials and when: what must hold whatever happens in the network."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.sync.discovery import dial_scheduler
from core.sync.discovery.announcement import Announcement
from core.sync.discovery.dial_scheduler import DialScheduler, DialState, loses_tie_break

FLEET, OWN = b"F" * 16, b"\x50" * 16
ROOTS = [bytes([n]) * 16 for n in range(4)]
DEVICES = [bytes([n]) * 16 for n in (1, 2, 0x60, 0x70)]
NAMES = [f"n{n}" for n in range(9)]
STATIC = "tcp://10.0.0.1:7420"


def is_any(device: bytes) -> bool:
    return True


def announcement(name: str, device: bytes, root: bytes, fleet: bytes = FLEET) -> Announcement:
    return Announcement(name, fleet, device, root[:8], ("10.0.0.2",), 7420)


def make_scheduler(seed: int = 0) -> DialScheduler:
    scheduler = DialScheduler(FLEET, OWN, random.Random(seed).uniform)
    scheduler.on_local_root(ROOTS[0], is_any, 0.0)
    return scheduler


def next_due(scheduler: DialScheduler, now: float) -> tuple[float, list[str]]:
    """When the next dial is due, and whom to dial then."""
    wake = scheduler.next_wake_at()
    assert wake is not None
    now = max(now, wake)
    return now, scheduler.due_peers(now)


def test_a_peer_with_the_same_root_is_not_dialed_and_another_is() -> None:
    scheduler = make_scheduler()
    assert scheduler.on_announcement(announcement("a", DEVICES[0], ROOTS[0]), 0.0)
    assert scheduler.next_wake_at() is None
    assert scheduler.due_peers(1e9) == []
    scheduler.on_announcement(announcement("a", DEVICES[0], ROOTS[1]), 5.0)
    now, names = next_due(scheduler, 5.0)
    assert names == ["a"]
    assert 5 + dial_scheduler.DELAY_AFTER_ANNOUNCEMENT_S[0] <= now <= 5 + dial_scheduler.DELAY_AFTER_ANNOUNCEMENT_S[1]
    scheduler.on_announcement(announcement("a", DEVICES[0], ROOTS[0]), now)
    assert scheduler.due_peers(1e9) == []


def test_a_commit_here_is_dialed_for_sooner() -> None:
    scheduler = make_scheduler()
    scheduler.on_announcement(announcement("a", DEVICES[0], ROOTS[1]), 0.0)
    scheduler.on_local_root(ROOTS[2], is_any, 0.1)
    now, names = next_due(scheduler, 0.1)
    assert names == ["a"]
    assert now <= 0.1 + dial_scheduler.DELAY_AFTER_COMMIT_S[1]


def test_no_peer_is_dialed_before_the_own_root_and_the_members_are_known() -> None:
    scheduler = DialScheduler(FLEET, OWN, random.Random(0).uniform)
    scheduler.on_announcement(announcement("a", DEVICES[0], ROOTS[1]), 0.0)
    assert scheduler.due_peers(1e9) == []
    scheduler.on_local_root(ROOTS[0], lambda device: device != DEVICES[0], 0.0)
    assert scheduler.due_peers(1e9) == []
    assert scheduler.next_wake_at() is None
    scheduler.on_local_root(ROOTS[0], is_any, 0.0)
    assert scheduler.due_peers(1e9) == ["a"]


def test_other_fleets_and_this_device_itself_are_passed_over() -> None:
    scheduler = make_scheduler()
    assert not scheduler.on_announcement(announcement("a", DEVICES[0], ROOTS[1], fleet=b"G" * 16), 0.0)
    assert not scheduler.on_announcement(announcement("b", OWN, ROOTS[1]), 0.0)
    assert scheduler.statuses() == []


def test_names_are_bounded() -> None:
    scheduler = make_scheduler()
    for n in range(20):
        scheduler.on_announcement(announcement(f"x{n}", DEVICES[0], ROOTS[1]), 0.0)
    assert len(scheduler.statuses()) == dial_scheduler.MAX_NAMES_PER_DEVICE
    for n in range(3 * dial_scheduler.MAX_PEER_NAMES):
        scheduler.on_announcement(announcement(f"y{n}", n.to_bytes(16, "big"), ROOTS[1]), 0.0)
    assert len(scheduler.statuses()) == dial_scheduler.MAX_PEER_NAMES


def test_liars_keep_no_member_out() -> None:
    scheduler = make_scheduler()
    scheduler.on_local_root(ROOTS[0], lambda device: device in DEVICES, 0.0)
    for n in range(2 * dial_scheduler.MAX_PEER_NAMES):
        scheduler.on_announcement(announcement(f"y{n}", n.to_bytes(16, "big"), ROOTS[1]), 0.0)
    assert scheduler.on_announcement(announcement("a member", DEVICES[0], ROOTS[1]), 0.0)
    assert not scheduler.on_announcement(announcement("another liar", b"\x99" * 16, ROOTS[1]), 0.0)
    assert scheduler.due_peers(1e9) == ["a member"]
    # Names of one device that lead nowhere give way to another one.
    names = [f"n{n}" for n in range(dial_scheduler.MAX_NAMES_PER_DEVICE)]
    for name in names:
        scheduler.on_announcement(announcement(name, DEVICES[1], ROOTS[1]), 0.0)
    assert not scheduler.on_announcement(announcement("the real one", DEVICES[1], ROOTS[1]), 0.0)
    scheduler.on_dial_started(names[2])
    assert not scheduler.on_announcement(announcement("the real one", DEVICES[1], ROOTS[1]), 0.0)
    scheduler.on_dial_failed(names[2], 0.0)
    assert scheduler.on_announcement(announcement("the real one", DEVICES[1], ROOTS[1]), 0.0)
    assert {each.name for each in scheduler.statuses() if each.device == DEVICES[1]} == {*names, "the real one"} - {
        names[2]
    }


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_a_peer_that_fails_is_dialed_ever_less_often_but_never_given_up(seed: int, times: int) -> None:
    scheduler = make_scheduler(seed)
    scheduler.on_announcement(announcement("a", DEVICES[0], ROOTS[1]), 0.0)
    now = 0.0
    for failed in range(1, times + 1):
        before = now
        now, names = next_due(scheduler, now)
        assert names == ["a"]
        if failed > 1:
            full = min(dial_scheduler.BACKOFF_MAX_S, dial_scheduler.BACKOFF_BASE_S * 2 ** (failed - 1))
            assert full / 2 - 1e-6 <= now - before <= full + 1e-6
        scheduler.on_dial_started("a")
        assert scheduler.due_peers(1e9) == []
        scheduler.on_dial_failed("a", now)
    assert scheduler.statuses()[0].failures == times
    scheduler.on_network_change(now)
    assert scheduler.due_peers(now) == ["a"]


@given(st.integers(0, 2**32))
def test_a_peer_whose_root_changes_all_the_time_is_not_dialed_all_the_time(seed: int) -> None:
    """It announces another root after every session, and has nothing to send."""
    scheduler = make_scheduler(seed)
    dial_count, now = 0, 0.0
    while now < 3600:
        scheduler.on_announcement(announcement("a", DEVICES[0], ROOTS[1 + dial_count % 2]), now)
        now, names = next_due(scheduler, now)
        assert names == ["a"]
        scheduler.on_dial_started("a")
        scheduler.on_synced(DEVICES[0], ROOTS[0], now)
        scheduler.on_dial_succeeded("a", now, has_moved=False)
        dial_count += 1
    assert dial_count < 80


def test_a_static_peer_is_dialed_now_and_then_and_after_a_commit() -> None:
    scheduler = make_scheduler()
    scheduler.add_static_peer(STATIC, 0.0)
    now, names = next_due(scheduler, 0.0)
    for _ in range(5):
        assert names == [STATIC]
        scheduler.on_dial_started(STATIC)
        scheduler.on_peer_identified(STATIC, DEVICES[0])
        scheduler.on_synced(DEVICES[0], ROOTS[0], now)
        scheduler.on_dial_succeeded(STATIC, now, has_moved=False)
        before = now
        now, names = next_due(scheduler, now)
        assert 0.75 * dial_scheduler.STATIC_PEER_POLL_S <= now - before <= 1.25 * dial_scheduler.STATIC_PEER_POLL_S + 1
    scheduler.on_dial_started(STATIC)
    scheduler.on_synced(DEVICES[0], ROOTS[0], now)
    scheduler.on_dial_succeeded(STATIC, now, has_moved=True)
    scheduler.on_local_root(ROOTS[3], is_any, now + 10)
    assert next_due(scheduler, now + 10)[0] <= now + 10 + dial_scheduler.DELAY_AFTER_COMMIT_S[1]


def test_of_two_devices_exactly_one_loses_the_tie_break() -> None:
    for one in DEVICES:
        for other in DEVICES:
            if one != other:
                assert loses_tie_break(one, other) != loses_tie_break(other, one)


class Network(RuleBasedStateMachine):
    """Anything happens in any order; the scheduler keeps to what was promised."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = make_scheduler()
        self.own = ROOTS[0]
        self.now = 0.0
        self.roots: dict[str, bytes] = {}
        self.devices: dict[str, bytes] = {}
        self.dialing: set[str] = set()
        self.busy: Counter[bytes] = Counter()
        self.others: set[bytes] = set()

    @rule(name=st.sampled_from(NAMES), device=st.sampled_from(DEVICES), root=st.sampled_from(ROOTS))
    def announced(self, name: str, device: bytes, root: bytes) -> None:
        if self.scheduler.on_announcement(announcement(name, device, root), self.now):
            assert name not in self.dialing or self.devices[name] == device
            self.roots[name], self.devices[name] = root, device

    @rule(name=st.sampled_from(NAMES))
    def gone(self, name: str) -> None:
        self.scheduler.on_withdrawal(name)
        if name not in self.dialing:
            self.roots.pop(name, None)

    @rule(root=st.sampled_from(ROOTS), not_allowed=st.sets(st.sampled_from(DEVICES)))
    def saved(self, root: bytes, not_allowed: set[bytes]) -> None:
        self.own, self.others = root, not_allowed
        self.scheduler.on_local_root(root, lambda device: device not in not_allowed, self.now)

    @rule(seconds=st.floats(0, 200))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def dials(self) -> None:
        names = self.scheduler.due_peers(self.now)
        for name in names:
            assert name not in self.dialing
            assert self.roots[name] != self.own
            assert self.devices[name] not in self.others
            assert not self.busy[self.devices[name]]
            assert self.devices[name] not in {self.devices[other] for other in self.dialing}
            self.scheduler.on_dial_started(name)
            self.dialing.add(name)
        assert len(self.dialing) <= dial_scheduler.MAX_DIALS
        if len(self.dialing) < dial_scheduler.MAX_DIALS:
            wake = self.scheduler.next_wake_at()
            assert wake is None or wake > self.now

    @rule(data=st.data(), how=st.sampled_from(["moved", "fruitless", "failed", "lost tie-break"]))
    def dial_ends(self, data: st.DataObject, how: str) -> None:
        if not self.dialing:
            return
        name = data.draw(st.sampled_from(sorted(self.dialing)))
        self.dialing.discard(name)
        if how in ("moved", "fruitless"):
            self.scheduler.on_synced(self.devices[name], self.own, self.now)
            for each in self.roots:
                if self.devices[each] == self.devices[name]:
                    self.roots[each] = self.own
            self.scheduler.on_dial_succeeded(name, self.now, has_moved=how == "moved")
        elif how == "failed":
            self.scheduler.on_dial_failed(name, self.now)
        else:
            self.scheduler.on_tie_break_lost(name, self.now)

    @rule(device=st.sampled_from(DEVICES), more=st.booleans())
    def accepts(self, device: bytes, more: bool) -> None:
        if more or self.busy[device]:
            self.scheduler.count_accepted(device, 1 if more else -1)
            self.busy[device] += 1 if more else -1

    @invariant()
    def a_waiting_peer_is_dialed_in_time(self) -> None:
        if len(self.dialing) >= dial_scheduler.MAX_DIALS:
            return
        taken = {self.devices[name] for name in self.dialing} | {d for d, n in self.busy.items() if n}
        waiting = [
            each for each in self.scheduler.statuses() if each.same is False and each.device not in taken | self.others
        ]
        wake = self.scheduler.next_wake_at()
        if waiting:
            assert wake is not None
            assert wake <= self.now + dial_scheduler.BACKOFF_MAX_S
        for each in self.scheduler.statuses():
            assert each.is_dialing == (each.name in self.dialing)

    @invariant()
    def a_time_to_dial_is_set_exactly_where_the_state_needs_one(self) -> None:
        for peer in self.scheduler._peers.values():
            if peer.machine.state is not DialState.LEAVING:
                assert (peer.due_at is None) == (peer.machine.state in (DialState.IDLE, DialState.DIALING_SYNCED))


TestNetwork = Network.TestCase
