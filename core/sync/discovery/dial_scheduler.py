"""Decide whom to dial, and when. Pure: time and chance come from outside.

A peer is dialed when its root is known to differ from this device's, or is not known: soon after something was saved
here, after a longer delay when the peer announces that it has something else (it is about to dial itself), and again
after a failure, with a backoff that doubles. Devices that hold the same are never dialed. A static peer is one whose
endpoint somebody named and whose root nobody announces; it is dialed when something was saved here, and now and then.

Names and roots come from whoever can send into the network, so their number is bounded, and a peer whose root changes
all the time is dialed no more often than one that fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from core.sync.discovery.announcement import ANNOUNCED_ROOT_BYTES, Announcement
from core.sync.protocol_errors import LocalProtocolError
from core.sync.states import StateMachine

MAX_DIALS = 4
"""Dials at the same time: more would only share one network and one disk."""
MAX_PEER_NAMES = 1024
"""Several times the devices of a large fleet; anybody in the network can announce more."""
MAX_NAMES_PER_DEVICE = 4
"""A device has one name, and a second one while it is renamed; the rest is room for those that lead nowhere."""

DELAY_AFTER_COMMIT_S = (0.0, 0.5)
"""From a commit to the dials that spread it, at random in between: several saves in a row go together."""
DELAY_AFTER_ANNOUNCEMENT_S = (1.0, 3.0)
"""The same from an announcement: the device that saved dials first, and not all dial it at once."""
BACKOFF_BASE_S, BACKOFF_MAX_S = 1.0, 120.0
"""After the first failure, and at most; drawn between half of it and all of it."""
STATIC_PEER_POLL_S = 600.0
"""Between dials of a static peer, give or take a quarter: it cannot announce what it has."""

UniformRandom = Callable[[float, float], float]
"""Draws a number between two, as `random.uniform`."""


class DialState(Enum):
    """Where the dialing of one peer stands."""

    IDLE = "Holds the same, or this device's own root is not known yet: no need to dial."
    WAITING = "To be dialed when the delay and the backoff are over."
    DIALING = "A dial is under way; as far as is known the roots differ."
    DIALING_SYNCED = "A dial is under way; both hold the same by now."
    LEAVING = "Withdrawn from the network while a dial is under way: forgotten when that ends."
    FORGOTTEN = "Not kept any more."


class DialEvent(Enum):
    """What moves the dialing of one peer on."""

    ROOTS_DIFFER = "its root differs from this device's, or is not known"
    ROOTS_AGREE = "both have the same root, or this device's is not known yet"
    ANNOUNCED = "it is announced"
    DIAL_STARTED = "a dial began"
    DIAL_ENDED = "the dial ended: well, in a failure, or given up in a tie-break"
    WITHDRAWN = "its announcement was withdrawn"
    EVICTED = "its place is given to another name"


DIAL: Mapping[DialState, Mapping[DialEvent, DialState]] = {
    DialState.IDLE: {
        DialEvent.ROOTS_DIFFER: DialState.WAITING,
        DialEvent.ROOTS_AGREE: DialState.IDLE,
        DialEvent.ANNOUNCED: DialState.IDLE,
        DialEvent.WITHDRAWN: DialState.FORGOTTEN,
        DialEvent.EVICTED: DialState.FORGOTTEN,
    },
    DialState.WAITING: {
        DialEvent.ROOTS_DIFFER: DialState.WAITING,
        DialEvent.ROOTS_AGREE: DialState.IDLE,
        DialEvent.ANNOUNCED: DialState.WAITING,
        DialEvent.DIAL_STARTED: DialState.DIALING,
        DialEvent.WITHDRAWN: DialState.FORGOTTEN,
        DialEvent.EVICTED: DialState.FORGOTTEN,
    },
    DialState.DIALING: {
        DialEvent.ROOTS_DIFFER: DialState.DIALING,
        DialEvent.ROOTS_AGREE: DialState.DIALING_SYNCED,
        DialEvent.ANNOUNCED: DialState.DIALING,
        DialEvent.DIAL_ENDED: DialState.WAITING,
        DialEvent.WITHDRAWN: DialState.LEAVING,
    },
    DialState.DIALING_SYNCED: {
        DialEvent.ROOTS_DIFFER: DialState.DIALING,
        DialEvent.ROOTS_AGREE: DialState.DIALING_SYNCED,
        DialEvent.ANNOUNCED: DialState.DIALING_SYNCED,
        DialEvent.DIAL_ENDED: DialState.IDLE,
        DialEvent.WITHDRAWN: DialState.LEAVING,
    },
    DialState.LEAVING: {
        DialEvent.ROOTS_DIFFER: DialState.LEAVING,
        DialEvent.ROOTS_AGREE: DialState.LEAVING,
        DialEvent.ANNOUNCED: DialState.DIALING,
        DialEvent.DIAL_ENDED: DialState.FORGOTTEN,
        DialEvent.WITHDRAWN: DialState.LEAVING,
    },
    DialState.FORGOTTEN: {},
}


def loses_tie_break(own: bytes, peer: bytes) -> bool:
    """Say whether this device gives up its dial where both dial each other.

    Of two devices exactly one does.
    """
    return peer < own


@dataclass(frozen=True, slots=True)
class DialStatus:
    """What is known of a peer, and when it is dialed next.

    `device` is None until a static peer has proven who it is; `root` is its first bytes, None if not known; `same`
    says whether that is this device's (None: not known); `failures` counts dials in a row; `next_dial_at` is None if
    there is no need to dial.
    """

    name: str
    device: bytes | None
    root: bytes | None
    same: bool | None
    is_dialing: bool
    failures: int
    next_dial_at: float | None


@dataclass(slots=True)
class _PeerRecord:
    name: str
    device: bytes | None = None
    root: bytes | None = None
    due_at: float | None = None
    backoff_until: float = 0.0
    failures: int = 0
    fruitless: int = 0
    """Dials in a row that moved nothing, although the peer announced another root."""
    root_expires_at: float | None = None
    """When what is known of a static peer's root counts no more."""
    machine: StateMachine[DialState, DialEvent] = field(default_factory=lambda: StateMachine(DIAL, DialState.IDLE))

    @property
    def is_dialing(self) -> bool:
        return self.machine.state in (DialState.DIALING, DialState.DIALING_SYNCED, DialState.LEAVING)

    @property
    def next_dial_at(self) -> float | None:
        return None if self.due_at is None else max(self.due_at, self.backoff_until)


class DialScheduler:
    """Keep what is known of the peers of one device and say whom to dial.

    All times are seconds of one monotonic clock, whichever; `uniform` is the source of chance.
    """

    def __init__(self, fleet: bytes, device: bytes, uniform: UniformRandom) -> None:
        self._fleet = fleet
        self._device = device
        self._uniform = uniform
        self._root: bytes | None = None
        self._is_member: Callable[[bytes], bool] = lambda device: False
        self._peers: dict[str, _PeerRecord] = {}
        self._static_names: set[str] = set()
        self._accepted_sessions: Counter[bytes] = Counter()

    # --- what happens ------------------------------------------------------------------------------------------------

    def on_local_root(self, root: bytes, is_member: Callable[[bytes], bool], now: float) -> None:
        """Take note of this device's own root, and of which devices may be dialed."""
        self._is_member = is_member
        if root[:ANNOUNCED_ROOT_BYTES] != self._root:
            self._root = root[:ANNOUNCED_ROOT_BYTES]
            for peer in self._peers.values():
                self._schedule(peer, now, DELAY_AFTER_COMMIT_S)

    def add_static_peer(self, name: str, now: float) -> None:
        """Add a peer at an endpoint that somebody named."""
        self._static_names.add(name)
        self._peers[name] = _PeerRecord(name)
        self._schedule(self._peers[name], now, DELAY_AFTER_COMMIT_S)

    def on_announcement(self, announcement: Announcement, now: float) -> bool:
        """Take note of an announcement; False if it is none to remember."""
        name = announcement.name
        if (
            announcement.fleet != self._fleet
            or announcement.device == self._device
            or name in self._static_names
            or not self._has_room(announcement)
        ):
            return False
        if name not in self._peers:
            self._peers[name] = _PeerRecord(name, announcement.device)
        peer = self._peers[name]
        peer.machine.enter(DialEvent.ANNOUNCED)
        peer.root = announcement.root
        self._schedule(peer, now, DELAY_AFTER_ANNOUNCEMENT_S)
        return True

    def on_withdrawal(self, name: str) -> None:
        """Take note that a name is announced no more."""
        peer = self._peers.get(name)
        if peer is not None and name not in self._static_names:
            self._enter(peer, DialEvent.WITHDRAWN)

    def on_network_change(self, now: float) -> None:
        """Take note that addresses of this device came or went: what failed may work now."""
        for peer in self._peers.values():
            peer.failures, peer.fruitless, peer.backoff_until = 0, 0, min(peer.backoff_until, now)

    def on_dial_started(self, name: str) -> None:
        """Take note that a peer which was due is being dialed."""
        self._enter(self._peer(name), DialEvent.DIAL_STARTED)

    def on_peer_identified(self, name: str, device: bytes) -> None:
        """Take note of which device a static peer has proven to be."""
        self._peer(name).device = device

    def count_accepted(self, device: bytes, change: int) -> None:
        """Add to the number of sessions under way that another device dialed for.

        `change` may be negative.
        """
        self._accepted_sessions[device] += change
        if self._accepted_sessions[device] <= 0:
            del self._accepted_sessions[device]

    def is_accepting(self, device: bytes) -> bool:
        """Say whether a session is under way that this other device dialed for."""
        return device in self._accepted_sessions

    def on_synced(self, device: bytes, root: bytes, now: float) -> None:
        """Take note of the root that a device has after a session, whoever dialed."""
        for peer in self._peers.values():
            if peer.device == device:
                peer.root = root[:ANNOUNCED_ROOT_BYTES]
                if peer.name in self._static_names:
                    peer.root_expires_at = now + STATIC_PEER_POLL_S * self._uniform(0.75, 1.25)
                self._schedule(peer, now, DELAY_AFTER_ANNOUNCEMENT_S)

    def on_dial_succeeded(self, name: str, now: float, *, has_moved: bool) -> None:
        """Take note that a dial ended well, and whether its session moved any change."""
        peer = self._peer(name)
        peer.failures, peer.fruitless = 0, 0 if has_moved or name in self._static_names else peer.fruitless + 1
        self._back_off(peer, now, peer.fruitless)

    def on_dial_failed(self, name: str, now: float) -> None:
        """Take note that a dial failed."""
        peer = self._peer(name)
        peer.failures += 1
        self._back_off(peer, now, peer.failures)

    def on_tie_break_lost(self, name: str, now: float) -> None:
        """Take note that a dial was given up because the peer dialed at the same time."""
        self._back_off(self._peer(name), now, 0)

    # --- what to do --------------------------------------------------------------------------------------------------

    def due_peers(self, now: float) -> list[str]:
        """List the names of those to dial now, the most promising first."""
        for peer in self._peers.values():
            if peer.root_expires_at is not None and peer.root_expires_at <= now:
                peer.root = peer.root_expires_at = None
                self._schedule(peer, now, (0.0, 0.0))
        dial_count, busy = self._active_sessions()
        ready = [
            (peer.failures, at, peer)
            for peer in self._peers.values()
            if (at := peer.next_dial_at) is not None and at <= now and self._is_free(peer, busy)
        ]
        ready.sort(key=lambda each: each[:2])
        chosen: dict[bytes | str, str] = {}
        for _failures, _at, peer in ready:
            chosen.setdefault(peer.device or peer.name, peer.name)
        return list(chosen.values())[: max(0, MAX_DIALS - dial_count)]

    def next_wake_at(self) -> float | None:
        """Say when to ask again if nothing happens before; None: no need."""
        dial_count, busy = self._active_sessions()
        if dial_count >= MAX_DIALS:
            return None
        times = [
            at for peer in self._peers.values() if (at := peer.next_dial_at) is not None and self._is_free(peer, busy)
        ]
        times += [peer.root_expires_at for peer in self._peers.values() if peer.root_expires_at is not None]
        return min(times, default=None)

    def failure_count(self, name: str) -> int:
        """Say how many dials of a peer failed in a row."""
        return self._peer(name).failures

    def statuses(self) -> list[DialStatus]:
        """Describe each peer."""
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

    def _peer(self, name: str) -> _PeerRecord:
        if name not in self._peers:
            raise LocalProtocolError(f"no peer has the name {name!r}")
        return self._peers[name]

    def _enter(self, peer: _PeerRecord, event: DialEvent) -> None:
        peer.machine.enter(event)
        if peer.machine.state is DialState.FORGOTTEN:
            del self._peers[peer.name]

    def _schedule(self, peer: _PeerRecord, now: float, delay_s: tuple[float, float]) -> None:
        """Decide whether to dial a peer, and when: no later than was decided before."""
        if self._root is None or peer.root == self._root:
            peer.machine.enter(DialEvent.ROOTS_AGREE)
            peer.due_at = None
            return
        peer.machine.enter(DialEvent.ROOTS_DIFFER)
        at = now + self._uniform(*delay_s)
        peer.due_at = at if peer.due_at is None else min(peer.due_at, at)

    def _has_room(self, announcement: Announcement) -> bool:
        """Say whether the name may be kept, and evict what has to go for it.

        Liars must not keep members out.

        Of one device those names go first that failed most, of all others those that may not be dialed.
        """
        device, known = announcement.device, self._peers.get(announcement.name)
        if known is not None and known.device == device:
            return True
        if known is not None and known.is_dialing:
            return False
        same_device = [peer for peer in self._peers.values() if peer.device == device]
        evictable = [
            peer for peer in self._peers.values() if not peer.is_dialing and peer.name not in self._static_names
        ]
        worst: _PeerRecord | None = None
        if len(same_device) >= MAX_NAMES_PER_DEVICE:
            worst = max(
                (peer for peer in evictable if peer in same_device), key=lambda peer: peer.failures, default=None
            )
            if worst is None or not worst.failures:
                return False
        elif len(self._peers) >= MAX_PEER_NAMES:
            worst = next((peer for peer in evictable if not self._may_dial(peer)), None)
            if worst is None or not self._is_member(device):
                return False
        for peer in (worst, known if known is not worst else None):
            if peer is not None:
                self._enter(peer, DialEvent.EVICTED)
        return True

    def _may_dial(self, peer: _PeerRecord) -> bool:
        return peer.device is None or self._is_member(peer.device)

    def _active_sessions(self) -> tuple[int, set[bytes]]:
        """Count the dials under way, and name the devices in a session."""
        dialing = [peer for peer in self._peers.values() if peer.is_dialing]
        return len(dialing), {*self._accepted_sessions, *(peer.device for peer in dialing if peer.device is not None)}

    def _is_free(self, peer: _PeerRecord, busy: set[bytes]) -> bool:
        return not peer.is_dialing and self._may_dial(peer) and (peer.device is None or peer.device not in busy)

    def _back_off(self, peer: _PeerRecord, now: float, times: int) -> None:
        backoff_s = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** min(times, 30))
        peer.backoff_until = now + backoff_s * self._uniform(0.5, 1.0)
        self._enter(peer, DialEvent.DIAL_ENDED)
