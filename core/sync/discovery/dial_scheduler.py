"""Whom to call, and when: pure decisions; time and chance come from outside.

A peer is called when its root is known to differ from this device's, or is not known: soon after something was saved
here, after a longer wait when the peer says that it has something else (it is on its way to call), and again after
a failure, after a pause that doubles. Devices that hold the same are never called. A peer whose root nobody announces
is one at a fixed place; it is called when something was saved here, and every now and then.

Names and roots come from whoever can send into the network, so there are at most so many of them, and one that
changes its mind all the time is called no more often than one that fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from core.sync.discovery.announcement import ANNOUNCED_ROOT_BYTES, Announcement

MAX_DIALS = 4
"""Calls at the same time."""
MAX_PEER_NAMES = 1024
MAX_NAMES_PER_DEVICE = 4

DELAY_AFTER_COMMIT_S = (0.0, 0.5)
"""Seconds from a save to the calls that tell of it, at random in between."""
DELAY_AFTER_ANNOUNCEMENT_S = (1.0, 3.0)
"""The same from an announcement: whoever saved calls first, and not all call it at once."""
BACKOFF_BASE_S, BACKOFF_MAX_S = 1.0, 120.0
"""Seconds to wait after the first failure, and at most; the wait is between half of it and all of it."""
STATIC_PEER_POLL_S = 600.0
"""Seconds between calls of a peer that announces nothing, give or take a quarter."""

UniformRandom = Callable[[float, float], float]
"""A number at random between two."""


def loses_tie_break(own: bytes, peer: bytes) -> bool:
    """Whether this device gives up its call where both call each other at once; of two devices exactly one does."""
    return peer < own


@dataclass(frozen=True, slots=True)
class DialStatus:
    """How it stands with a peer: the first bytes of its root and whether that is the `same` as here (None: not known),
    whether it is being called, how often in a row that failed, and when it is called next (None: there is no need).
    """

    name: str
    device: bytes | None
    root: bytes | None
    same: bool | None
    is_dialing: bool
    failures: int
    next_try: float | None


@dataclass(slots=True)
class _PeerRecord:
    name: str
    device: bytes | None = None
    root: bytes | None = None
    due_at: float | None = None
    backoff_until: float = 0.0
    failures: int = 0
    fruitless: int = 0
    """Calls in a row that moved nothing, although the peer announced another root."""
    is_dialing: bool = False
    is_gone: bool = False
    root_expires_at: float | None = None
    """When what is known of a peer at a fixed place counts no more."""

    @property
    def next_dial_at(self) -> float | None:
        return None if self.due_at is None else max(self.due_at, self.backoff_until)


class DialScheduler:
    """Keeps what is known of the peers of one device and says whom to call. Times are seconds of any one clock."""

    def __init__(self, fleet: bytes, device: bytes, chance: UniformRandom) -> None:
        self._fleet = fleet
        self._device = device
        self._uniform = chance
        self._root: bytes | None = None
        self._is_member: Callable[[bytes], bool] = lambda device: False
        self._peers: dict[str, _PeerRecord] = {}
        self._static_names: set[str] = set()
        self._accepted_sessions: Counter[bytes] = Counter()

    # --- what happens ------------------------------------------------------------------------------------------------

    def on_local_root(self, root: bytes, is_member: Callable[[bytes], bool], now: float) -> None:
        """This device holds what this root says, and these devices may be called."""
        self._is_member = is_member
        if root[:ANNOUNCED_ROOT_BYTES] != self._root:
            self._root = root[:ANNOUNCED_ROOT_BYTES]
            for peer in self._peers.values():
                self._schedule(peer, now, DELAY_AFTER_COMMIT_S)

    def add_static_peer(self, name: str, now: float) -> None:
        """There is a peer at a place that somebody named."""
        self._static_names.add(name)
        self._peers[name] = _PeerRecord(name)
        self._schedule(self._peers[name], now, DELAY_AFTER_COMMIT_S)

    def on_announcement(self, announcement: Announcement, now: float) -> bool:
        """Somebody announces a device; False if that is nothing to remember."""
        if (
            announcement.fleet != self._fleet
            or announcement.device == self._device
            or announcement.name in self._static_names
        ):
            return False
        peer = self._peers.get(announcement.name)
        if peer is None or peer.device != announcement.device:
            if peer is not None and peer.is_dialing:
                return False
            if not self._make_room(announcement):
                return False
            peer = self._peers[announcement.name] = _PeerRecord(announcement.name, announcement.device)
        peer.root, peer.is_gone = announcement.root, False
        self._schedule(peer, now, DELAY_AFTER_ANNOUNCEMENT_S)
        return True

    def on_withdrawal(self, name: str) -> None:
        """A device is announced no more."""
        peer = self._peers.get(name)
        if peer is not None and name not in self._static_names:
            peer.is_gone = True
            self._drop_if_gone(peer)

    def on_network_change(self, now: float) -> None:
        """Addresses of this device came or went: what failed may work now."""
        for peer in self._peers.values():
            peer.failures, peer.fruitless, peer.backoff_until = 0, 0, min(peer.backoff_until, now)

    def on_dial_started(self, name: str) -> None:
        """A peer is being called."""
        self._peers[name].is_dialing = True

    def on_peer_identified(self, name: str, device: bytes) -> None:
        """The device at a fixed place has proven who it is."""
        self._peers[name].device = device

    def count_accepted(self, device: bytes, change: int) -> None:
        """So many more meetings are under way that another device called for; fewer if negative."""
        self._accepted_sessions[device] += change
        if self._accepted_sessions[device] <= 0:
            del self._accepted_sessions[device]

    def is_accepting(self, device: bytes) -> bool:
        """Whether a meeting is under way that this other device called for."""
        return device in self._accepted_sessions

    def on_synced(self, device: bytes, root: bytes, now: float) -> None:
        """A meeting with a device came to its end, whoever called; it holds what this root says."""
        for peer in self._peers.values():
            if peer.device == device:
                peer.root = root[:ANNOUNCED_ROOT_BYTES]
                if peer.name in self._static_names:
                    peer.root_expires_at = now + STATIC_PEER_POLL_S * self._uniform(0.75, 1.25)
                self._schedule(peer, now, DELAY_AFTER_ANNOUNCEMENT_S)

    def on_dial_succeeded(self, name: str, now: float, *, has_moved: bool) -> None:
        """A call came to its end, and `moved` changes or not."""
        peer = self._peers[name]
        peer.failures, peer.fruitless = 0, 0 if has_moved or name in self._static_names else peer.fruitless + 1
        self._back_off(peer, now, peer.fruitless)

    def on_dial_failed(self, name: str, now: float) -> None:
        """A call came to nothing."""
        peer = self._peers[name]
        peer.failures += 1
        self._back_off(peer, now, peer.failures)

    def on_tie_break_lost(self, name: str, now: float) -> None:
        """A call was given up because the peer called at the same time."""
        self._back_off(self._peers[name], now, 0)

    # --- what to do --------------------------------------------------------------------------------------------------

    def due_peers(self, now: float) -> list[str]:
        """The names of those to call now, the most promising first."""
        for peer in self._peers.values():
            if peer.root_expires_at is not None and peer.root_expires_at <= now:
                peer.root = peer.root_expires_at = None
                self._schedule(peer, now, (0.0, 0.0))
        calls, taken = self._active_sessions()
        ready = [
            (peer.failures, at, peer)
            for peer in self._peers.values()
            if (at := peer.next_dial_at) is not None and at <= now and self._is_idle(peer, taken)
        ]
        ready.sort(key=lambda each: each[:2])
        chosen: dict[bytes | str, str] = {}
        for _failures, _at, peer in ready:
            chosen.setdefault(peer.device or peer.name, peer.name)
        return list(chosen.values())[: max(0, MAX_DIALS - calls)]

    def next_wake_at(self) -> float | None:
        """When to ask again if nothing happens before; None: no need."""
        calls, taken = self._active_sessions()
        if calls >= MAX_DIALS:
            return None
        times = [
            at for peer in self._peers.values() if (at := peer.next_dial_at) is not None and self._is_idle(peer, taken)
        ]
        times += [peer.root_expires_at for peer in self._peers.values() if peer.root_expires_at is not None]
        return min(times, default=None)

    def failure_count(self, name: str) -> int:
        """How often in a row calling a peer failed."""
        return self._peers[name].failures

    def statuses(self) -> list[DialStatus]:
        """How it stands with each peer."""
        return [
            DialStatus(
                peer.name,
                peer.device,
                peer.root,
                None if peer.root is None or self._root is None else peer.root == self._root,
                peer.is_dialing,
                peer.failures,
                peer.next_dial_at if self._may_dial(peer) else None,
            )
            for peer in self._peers.values()
        ]

    # --- within ------------------------------------------------------------------------------------------------------

    def _schedule(self, peer: _PeerRecord, now: float, wait: tuple[float, float]) -> None:
        """Decide whether there is a need to call a peer, and when: no later than was decided before."""
        if self._root is None or peer.root == self._root:
            peer.due_at = None
            return
        at = now + self._uniform(*wait)
        peer.due_at = at if peer.due_at is None else min(peer.due_at, at)

    def _make_room(self, said: Announcement) -> bool:
        """Whether there is room for another name; liars must not keep members out.

        Of one device those names go first that failed most, of all others those that may not be called.
        """
        others = [peer for peer in self._peers.values() if peer.device == said.device and peer.name != said.name]
        free = [peer for peer in self._peers.values() if not peer.is_dialing and peer.name not in self._static_names]
        if len(others) >= MAX_NAMES_PER_DEVICE:
            worst = max((peer for peer in free if peer in others), key=lambda peer: peer.failures, default=None)
            if worst is None or not worst.failures:
                return False
        elif len(self._peers) >= MAX_PEER_NAMES:
            worst = next((peer for peer in free if not self._may_dial(peer)), None)
            if worst is None or not self._is_member(said.device):
                return False
        else:
            return True
        del self._peers[worst.name]
        return True

    def _may_dial(self, peer: _PeerRecord) -> bool:
        return peer.device is None or self._is_member(peer.device)

    def _active_sessions(self) -> tuple[int, set[bytes]]:
        """How many calls there are, and the devices that a meeting is under way with."""
        calling = [peer for peer in self._peers.values() if peer.is_dialing]
        return len(calling), {*self._accepted_sessions, *(peer.device for peer in calling if peer.device is not None)}

    def _is_idle(self, peer: _PeerRecord, taken: set[bytes]) -> bool:
        return not peer.is_dialing and self._may_dial(peer) and (peer.device is None or peer.device not in taken)

    def _back_off(self, peer: _PeerRecord, now: float, times: int) -> None:
        pause = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** min(times, 30))
        peer.is_dialing, peer.backoff_until = False, now + pause * self._uniform(0.5, 1.0)
        self._drop_if_gone(peer)

    def _drop_if_gone(self, peer: _PeerRecord) -> None:
        if peer.is_gone and not peer.is_dialing:
            del self._peers[peer.name]
