"""Which changes the author of a change had.

Those before it in its device's chain, those that its facts name, and what the authors of those had.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Collection, Mapping

from core.store import block_table
from core.store.connection import load_block
from core.value_codec import CHANGE_ID_BYTES


class Ancestry:
    """Reads the changes that others name as known, and keeps them.

    When they are asked for.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._named: dict[bytes, set[bytes]] = {}
        self._places: dict[bytes, tuple[int, int] | None] = {}

    def named_by(self, change: bytes) -> Collection[bytes]:
        """The changes of the facts that a change names."""
        if change not in self._named:
            row = self._connection.execute("SELECT id FROM changes WHERE hash = ?", (change,)).fetchone()
            data = block_table.read_block(self._connection, row[0]) if row else None
            facts = load_block(data).facts if data else ()
            self._named[change] = {target[:CHANGE_ID_BYTES] for fact in facts for target in fact.obsoletes}
        return self._named[change]

    def descends_from(self, change: bytes, other: bytes) -> bool:
        """Whether the author of a change had another one."""
        return other in self.known_of(change, {other})

    def known_of(self, change: bytes, wanted: set[bytes]) -> set[bytes]:
        """Those of the wanted changes that the author of a change had, itself among them."""
        found: set[bytes] = set()
        reached, wave = {change}, deque([change])
        while wave and found != wanted:
            each = wave.popleft()
            found |= {other for other in wanted - found if other == each or self._is_above(each, other)}
            fresh = set(self.named_by(each)) - reached
            reached |= fresh
            wave.extend(fresh)
        return found

    def _is_above(self, change: bytes, other: bytes) -> bool:
        """Whether another change lies before one in its device's chain.

        By their positions.
        """
        one, two = self._place(change), self._place(other)
        return one is not None and two is not None and one[0] == two[0] and two[1] < one[1]

    def _place(self, change: bytes) -> tuple[int, int] | None:
        if change not in self._places:
            query = "SELECT device, position FROM changes WHERE hash = ?"
            self._places[change] = self._connection.execute(query, (change,)).fetchone()
        return self._places[change]


def known_changes(connection: sqlite3.Connection, asked: Mapping[bytes, set[bytes]]) -> dict[bytes, set[bytes]]:
    """For each of these changes, those of some others that its author had."""
    ancestry = Ancestry(connection)
    return {change: ancestry.known_of(change, wanted) for change, wanted in asked.items()}
