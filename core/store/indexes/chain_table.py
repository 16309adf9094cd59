"""Keep what is known of each device's chain (core/chain_links.py).

Which changes follow from it, its ends, its faults.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from core.chain import Tip
from core.chain_links import Known, State, link
from core.changes import Block
from core.header import SignedHeader, decode_header, header_size
from core.mountain_range import Range


class _ChainTable:
    """The table that `link` works on; notes which changes turn out to be at fault."""

    def __init__(self, connection: sqlite3.Connection, added: Mapping[bytes, SignedHeader]) -> None:
        self._connection = connection
        self._added = added
        self.settled: list[bytes] = []
        self.faulty: list[bytes] = []

    def known(self, change: bytes) -> Known | None:
        row = self._connection.execute(
            "SELECT d.device, c.position, c.linked FROM changes c JOIN devices d ON d.id = c.device WHERE c.hash = ?",
            (change,),
        ).fetchone()
        return None if row is None else Known(row[0], row[1], State(row[2]))

    def waiting_on(self, change: bytes) -> Sequence[SignedHeader]:
        rows = self._connection.execute(
            "SELECT id, hash FROM changes WHERE linked = 0 AND previous = ?", (change,)
        ).fetchall()
        return [self._added.get(waiting) or self._read_header(row) for row, waiting in rows]

    def _read_header(self, row: int) -> SignedHeader:
        (data,) = self._connection.execute("SELECT data FROM blocks WHERE change = ?", (row,)).fetchone()
        return decode_header(data[: header_size(data)])

    def tip(self, change: bytes) -> Range | None:
        row = self._connection.execute("SELECT position, peaks FROM tips WHERE hash = ?", (change,)).fetchone()
        return None if row is None else Range.from_bytes(row[0] + 1, row[1])

    def ids_below(self, change: bytes) -> Sequence[bytes]:
        return read_ids_below(self._connection, change)

    def set_state(self, change: bytes, state: State) -> None:
        self._connection.execute("UPDATE changes SET linked = ? WHERE hash = ?", (int(state), change))
        (self.faulty if state is State.FAULTY else self.settled).append(change)

    def set_tip(self, change: bytes, upto: Range, before: bytes | None) -> None:
        if before is not None:
            self._connection.execute("DELETE FROM tips WHERE hash = ?", (before,))
        self._connection.execute(
            "INSERT INTO tips (hash, device, position, peaks)"
            " SELECT hash, device, position, ? FROM changes WHERE hash = ?",
            (upto.to_bytes(), change),
        )


def link_chains(connection: sqlite3.Connection, blocks: Sequence[Block]) -> tuple[list[bytes], list[bytes]]:
    """Work out which new changes follow from their chains.

    And which of those that waited for them.

    Gives the ids of those that do, and of those that turned out to be at fault.
    """
    table = _ChainTable(connection, {block.id: block.header for block in blocks})
    for wrong in link(table, [block.header for block in blocks]):
        connection.execute(
            "INSERT INTO faults (change, fault, peaks) SELECT id, ?, ? FROM changes WHERE hash = ?",
            (wrong.fault.value, wrong.peaks, wrong.change),
        )
    # Of these the chains say what proofs have shown so far.
    connection.executemany("DELETE FROM proven WHERE head = ?", [(change,) for change in table.settled + table.faulty])
    return table.settled, table.faulty


def read_ids_below(connection: sqlite3.Connection, change: bytes) -> list[bytes]:
    """Read the ids below a linked change in its chain, the first one first."""
    rows = connection.execute(
        "WITH RECURSIVE chain (hash, previous, position) AS ("
        " SELECT hash, previous, position FROM changes WHERE hash = ?"
        " UNION ALL SELECT c.hash, c.previous, c.position FROM chain JOIN changes c ON c.hash = chain.previous)"
        " SELECT hash FROM chain ORDER BY position",
        (change,),
    )
    return [each for (each,) in rows][:-1]


def read_ids_above(connection: sqlite3.Connection, change: bytes) -> list[bytes]:
    """The ids of the linked changes that have this one before them in their chain."""
    rows = connection.execute(
        "WITH RECURSIVE chain (hash, device, position) AS ("
        " SELECT hash, device, position FROM changes WHERE hash = ?"
        " UNION ALL SELECT c.hash, c.device, c.position FROM chain JOIN changes c ON c.device = chain.device"
        f" AND c.position = chain.position + 1 AND c.previous = chain.hash AND c.linked = {int(State.LINKED)})"
        " SELECT hash FROM chain",
        (change,),
    )
    return [each for (each,) in rows][1:]


def read_heads(connection: sqlite3.Connection, device: bytes) -> list[tuple[int, bytes]]:
    """Read the ends of all that is here of a device's chain.

    Linked or not (position and id), the highest first.
    """
    return connection.execute(
        "SELECT c.position, c.hash FROM changes c WHERE c.device = (SELECT id FROM devices WHERE device = ?)"
        f" AND c.linked <> {int(State.FAULTY)} AND NOT EXISTS (SELECT 1 FROM changes n WHERE n.device = c.device"
        f" AND n.position = c.position + 1 AND n.previous = c.hash AND n.linked <> {int(State.FAULTY)})"
        " ORDER BY c.position DESC, c.hash",
        (device,),
    ).fetchall()


def read_tips(connection: sqlite3.Connection, device: bytes) -> list[Tip]:
    """The ends of a device's chain as far as it is linked, the highest first."""
    rows = connection.execute(
        "SELECT t.hash, t.position, t.peaks FROM tips t JOIN devices d ON d.id = t.device WHERE d.device = ?"
        " ORDER BY t.position DESC, t.hash",
        (device,),
    )
    return [Tip(device, position, change, Range.from_bytes(position + 1, peaks)) for change, position, peaks in rows]
