"""Say what lies before and behind a change in its device's chain.

As `core.membership` asks it.

All runs on the store's thread with the plain connection. An answer holds until changes of that device come; so these
objects live no longer than a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from core.chain import Side, Tip
from core.chain_links import State
from core.member_values import Cut
from core.store.indexes.chain_table import read_ids_above, read_ids_below


@dataclass(slots=True)
class StoredChains:
    """The chains as they are in the tables.

    A chain without forks needs no walk: its positions say all.
    """

    connection: sqlite3.Connection
    _linked: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    _forked: dict[bytes, bool] = field(default_factory=dict)
    _below: dict[bytes, AbstractSet[bytes]] = field(default_factory=dict)
    _above: dict[bytes, AbstractSet[bytes]] = field(default_factory=dict)

    def side(self, device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        """See `Chains.side`.

        What lies below a cut is known once the chain up to it is here and right, or by a proof.
        """
        if change == cut.change:
            return Side.WITHIN
        if position >= cut.position:
            return Side.BEYOND
        if not self._is_linked(device, cut.change):
            return Side.WITHIN if self._is_proven(cut.change, change, position) else Side.WAITING
        if not self._is_linked(device, change):
            return Side.BEYOND
        if not self._is_forked(device):
            return Side.WITHIN
        if cut.change not in self._below:
            self._below[cut.change] = frozenset(read_ids_below(self.connection, cut.change))
        return Side.WITHIN if change in self._below[cut.change] else Side.BEYOND

    def is_after(self, device: bytes, cut: Cut, position: int, change: bytes) -> bool:
        """See `Chains.is_after`."""
        if position <= cut.position:
            return False
        if not self._is_linked(device, cut.change) or not self._is_linked(device, change):
            return self._is_proven(change, cut.change, cut.position)
        if not self._is_forked(device):
            return True
        if cut.change not in self._above:
            self._above[cut.change] = frozenset(read_ids_above(self.connection, cut.change))
        return change in self._above[cut.change]

    def _is_linked(self, device: bytes, change: bytes) -> bool:
        """Whether a change of a device is here with all that lies before it in its chain."""
        found = self._linked.get((device, change))
        if found is None:
            row = self.connection.execute(
                "SELECT 1 FROM changes c JOIN devices d ON d.id = c.device"
                f" WHERE c.hash = ? AND d.device = ? AND c.linked = {int(State.LINKED)}",
                (change, device),
            ).fetchone()
            found = self._linked[device, change] = row is not None
        return found

    def _is_proven(self, head: bytes, change: bytes, position: int) -> bool:
        """Whether a proof has shown a change at this position in another's past."""
        query = "SELECT 1 FROM proven WHERE head = ? AND change = ? AND position = ?"
        return self.connection.execute(query, (head, change, position)).fetchone() is not None

    def _is_forked(self, device: bytes) -> bool:
        found = self._forked.get(device)
        if found is None:
            query = "SELECT count(*) FROM tips WHERE device = (SELECT id FROM devices WHERE device = ?)"
            found = self._forked[device] = self.connection.execute(query, (device,)).fetchone()[0] > 1
        return found


@dataclass(frozen=True, slots=True)
class NextChange:
    """The chains, with a change more on top of a tip of a device.

    The one that this device is about to make.
    """

    chains: StoredChains
    tip: Tip

    def side(self, device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        """See `Chains.side`: nobody can have named yet what is not made."""
        return Side.BEYOND

    def is_after(self, device: bytes, cut: Cut, position: int, change: bytes) -> bool:
        """See `Chains.is_after`."""
        return cut.change == self.tip.id or self.chains.is_after(device, cut, self.tip.position, self.tip.id)
