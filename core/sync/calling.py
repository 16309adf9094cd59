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

from core.sync.announcing import ROOT_SIZE, Announced

MOST_CALLS = 4
"""Calls at the same time."""
MOST_NAMES = 1024
MOST_NAMES_OF_A_DEVICE = 4

SAVED = (0.0, 0.5)
"""Seconds from a save to the calls that tell of it, at random in between."""
HEARD = (1.0, 3.0)
"""The same from an announcement: whoever saved calls first, and not all call it at once."""
PAUSE, LONGEST_PAUSE = 1.0, 120.0
"""Seconds to wait after the first failure, and at most; the wait is between half of it and all of it."""
INTERVAL = 600.0
"""Seconds between calls of a peer that announces nothing, give or take a quarter."""

Chance = Callable[[float, float], float]
"""A number at random between two."""


def yields(own: bytes, peer: bytes) -> bool:
    """Whether this device gives up its call where both call each other at once; of two devices exactly one does."""
    return peer < own


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with a peer: the first bytes of its root and whether that is the `same` as here (None: not known),
    whether it is being called, how often in a row that failed, and when it is called next (None: there is no need).
    """

    name: str
    device: bytes | None
    root: bytes | None
    same: bool | None
    calling: bool
    failures: int
    next_try: float | None


@dataclass(slots=True)
class _Peer:
    name: str
    device: bytes | None = None
    root: bytes | None = None
    due: float | None = None
    rest: float = 0.0
    failures: int = 0
    vain: int = 0
    """Calls in a row that moved nothing, although the peer announced another root."""
    calling: bool = False
    gone: bool = False
    expires: float | None = None
    """When what is known of a peer at a fixed place counts no more."""

    @property
    def at(self) -> float | None:
        return None if self.due is None else max(self.due, self.rest)


class Caller:
    """Keeps what is known of the peers of one device and says whom to call. Times are seconds of any one clock."""

    def __init__(self, fleet: bytes, device: bytes, chance: Chance) -> None:
        self._fleet = fleet
        self._device = device
        self._chance = chance
        self._root: bytes | None = None
        self._may: Callable[[bytes], bool] = lambda device: False
        self._peers: dict[str, _Peer] = {}
        self._fixed: set[str] = set()
        self._busy: Counter[bytes] = Counter()

    # --- what happens ------------------------------------------------------------------------------------------------

    def here(self, root: bytes, may: Callable[[bytes], bool], now: float) -> None:
        """This device holds what this root says, and these devices may be called."""
        self._may = may
        if root[:ROOT_SIZE] != self._root:
            self._root = root[:ROOT_SIZE]
            for peer in self._peers.values():
                self._weigh(peer, now, SAVED)

    def fixed(self, name: str, now: float) -> None:
        """There is a peer at a place that somebody named."""
        self._fixed.add(name)
        self._peers[name] = _Peer(name)
        self._weigh(self._peers[name], now, SAVED)

    def announced(self, said: Announced, now: float) -> bool:
        """Somebody announces a device; False if that is nothing to remember."""
        if said.fleet != self._fleet or said.device == self._device or said.name in self._fixed:
            return False
        peer = self._peers.get(said.name)
        if peer is None or peer.device != said.device:
            if peer is not None and peer.calling:
                return False
            if not self._make_room(said):
                return False
            peer = self._peers[said.name] = _Peer(said.name, said.device)
        peer.root, peer.gone = said.root, False
        self._weigh(peer, now, HEARD)
        return True

    def gone(self, name: str) -> None:
        """A device is announced no more."""
        peer = self._peers.get(name)
        if peer is not None and name not in self._fixed:
            peer.gone = True
            self._forget(peer)

    def network_changed(self, now: float) -> None:
        """Addresses of this device came or went: what failed may work now."""
        for peer in self._peers.values():
            peer.failures, peer.vain, peer.rest = 0, 0, min(peer.rest, now)

    def began(self, name: str) -> None:
        """A peer is being called."""
        self._peers[name].calling = True

    def known(self, name: str, device: bytes) -> None:
        """The device at a fixed place has proven who it is."""
        self._peers[name].device = device

    def answering(self, device: bytes, meetings: int) -> None:
        """So many more meetings are under way that another device called for; fewer if negative."""
        self._busy[device] += meetings
        if self._busy[device] <= 0:
            del self._busy[device]

    def is_answering(self, device: bytes) -> bool:
        """Whether a meeting is under way that this other device called for."""
        return device in self._busy

    def met(self, device: bytes, root: bytes, now: float) -> None:
        """A meeting with a device came to its end, whoever called; it holds what this root says."""
        for peer in self._peers.values():
            if peer.device == device:
                peer.root = root[:ROOT_SIZE]
                if peer.name in self._fixed:
                    peer.expires = now + INTERVAL * self._chance(0.75, 1.25)
                self._weigh(peer, now, HEARD)

    def ended(self, name: str, now: float, *, moved: bool) -> None:
        """A call came to its end, and `moved` changes or not."""
        peer = self._peers[name]
        peer.failures, peer.vain = 0, 0 if moved or name in self._fixed else peer.vain + 1
        self._rest(peer, now, peer.vain)

    def failed(self, name: str, now: float) -> None:
        """A call came to nothing."""
        peer = self._peers[name]
        peer.failures += 1
        self._rest(peer, now, peer.failures)

    def gave_way(self, name: str, now: float) -> None:
        """A call was given up because the peer called at the same time."""
        self._rest(self._peers[name], now, 0)

    # --- what to do --------------------------------------------------------------------------------------------------

    def due(self, now: float) -> list[str]:
        """The names of those to call now, the most promising first."""
        for peer in self._peers.values():
            if peer.expires is not None and peer.expires <= now:
                peer.root = peer.expires = None
                self._weigh(peer, now, (0.0, 0.0))
        calls, taken = self._under_way()
        ready = [
            (peer.failures, at, peer)
            for peer in self._peers.values()
            if (at := peer.at) is not None and at <= now and self._is_free(peer, taken)
        ]
        ready.sort(key=lambda each: each[:2])
        chosen: dict[bytes | str, str] = {}
        for _failures, _at, peer in ready:
            chosen.setdefault(peer.device or peer.name, peer.name)
        return list(chosen.values())[: max(0, MOST_CALLS - calls)]

    def wake(self) -> float | None:
        """When to ask again if nothing happens before; None: no need."""
        calls, taken = self._under_way()
        if calls >= MOST_CALLS:
            return None
        times = [at for peer in self._peers.values() if (at := peer.at) is not None and self._is_free(peer, taken)]
        times += [peer.expires for peer in self._peers.values() if peer.expires is not None]
        return min(times, default=None)

    def failures(self, name: str) -> int:
        """How often in a row calling a peer failed."""
        return self._peers[name].failures

    def standing(self) -> list[Standing]:
        """How it stands with each peer."""
        return [
            Standing(
                peer.name,
                peer.device,
                peer.root,
                None if peer.root is None or self._root is None else peer.root == self._root,
                peer.calling,
                peer.failures,
                peer.at if self._may_call(peer) else None,
            )
            for peer in self._peers.values()
        ]

    # --- within ------------------------------------------------------------------------------------------------------

    def _weigh(self, peer: _Peer, now: float, wait: tuple[float, float]) -> None:
        """Decide whether there is a need to call a peer, and when: no later than was decided before."""
        if self._root is None or peer.root == self._root:
            peer.due = None
            return
        at = now + self._chance(*wait)
        peer.due = at if peer.due is None else min(peer.due, at)

    def _make_room(self, said: Announced) -> bool:
        """Whether there is room for another name; liars must not keep members out.

        Of one device those names go first that failed most, of all others those that may not be called.
        """
        others = [peer for peer in self._peers.values() if peer.device == said.device and peer.name != said.name]
        free = [peer for peer in self._peers.values() if not peer.calling and peer.name not in self._fixed]
        if len(others) >= MOST_NAMES_OF_A_DEVICE:
            worst = max((peer for peer in free if peer in others), key=lambda peer: peer.failures, default=None)
            if worst is None or not worst.failures:
                return False
        elif len(self._peers) >= MOST_NAMES:
            worst = next((peer for peer in free if not self._may_call(peer)), None)
            if worst is None or not self._may(said.device):
                return False
        else:
            return True
        del self._peers[worst.name]
        return True

    def _may_call(self, peer: _Peer) -> bool:
        return peer.device is None or self._may(peer.device)

    def _under_way(self) -> tuple[int, set[bytes]]:
        """How many calls there are, and the devices that a meeting is under way with."""
        calling = [peer for peer in self._peers.values() if peer.calling]
        return len(calling), {*self._busy, *(peer.device for peer in calling if peer.device is not None)}

    def _is_free(self, peer: _Peer, taken: set[bytes]) -> bool:
        return not peer.calling and self._may_call(peer) and (peer.device is None or peer.device not in taken)

    def _rest(self, peer: _Peer, now: float, times: int) -> None:
        pause = min(LONGEST_PAUSE, PAUSE * 2.0 ** min(times, 30))
        peer.calling, peer.rest = False, now + pause * self._chance(0.5, 1.0)
        self._forget(peer)

    def _forget(self, peer: _Peer) -> None:
        if peer.gone and not peer.calling:
            del self._peers[peer.name]
