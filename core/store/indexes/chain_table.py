"""Keep what is known of each device's chain (core/chain_links.py).

Which changes follow from it, its ends, its faults.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from core.chain import Tip
from core.chain_links import Known, State, link
from core.changes import Block
from core.errors import BlockRefused
from core.header import SignedHeader, header_size, read_checked_header
from core.mountain_range import Range
from core.store import block_table
from core.store.row_ids import row_ids_of

_READ_AHEAD = 256
"""So many positions of a chain: a few packs."""


@dataclass(slots=True)
class ChainUpdate:
    """What became of changes about to be added, and of those that waited for them.

    `states` are those of the new ones; `settled` are the ids of all that turned out to follow from their chains,
    `faulty` of all that do not.
    """

    states: dict[bytes, State]
    settled: list[bytes] = field(default_factory=list)
    faulty: list[bytes] = field(default_factory=list)


class _ChainTable:
    """The table that `link` works on.

    What is new and what moves is held in memory till the end.
    """

    def __init__(self, connection: sqlite3.Connection, added: Mapping[bytes, SignedHeader]) -> None:
        self._connection = connection
        self._added = added
        self._added_after: dict[bytes, list[SignedHeader]] = {}
        for header in added.values():
            self._added_after.setdefault(header.fields.previous or b"", []).append(header)
        self._may_wait = connection.execute("SELECT 1 FROM changes WHERE linked = 0 LIMIT 1").fetchone() is not None
        self.update = ChainUpdate(dict.fromkeys(added, State.WAITING))
        self._tips: dict[bytes, Range] = {}
        self._former_tips: set[bytes] = set()
        self._moved: dict[bytes, Known] = {}
        """Changes that were here before, with what became of them."""
        self._read_ahead: dict[int, SignedHeader | None] = {}
        """Headers of changes that wait, by row: those of a chain are asked for one after the other."""

    def known(self, change: bytes) -> Known | None:
        if (header := self._added.get(change)) is not None:
            return Known(header.fields.device, header.fields.position, self.update.states[change])
        if (moved := self._moved.get(change)) is not None:
            return moved
        row = self._connection.execute(
            "SELECT d.device, c.position, c.linked FROM changes c JOIN devices d ON d.id = c.device WHERE c.hash = ?",
            (change,),
        ).fetchone()
        return None if row is None else Known(row[0], row[1], State(row[2]))

    def waiting_on(self, change: bytes) -> Sequence[SignedHeader]:
        states = self.update.states
        found = [header for header in self._added_after.get(change, ()) if states[header.id] is State.WAITING]
        if self._may_wait:
            rows = self._connection.execute("SELECT id FROM changes WHERE linked = 0 AND previous = ?", (change,))
            found += [header for (row,) in rows.fetchall() if (header := self._read_header(row)) is not None]
        return found

    def _read_header(self, row: int) -> SignedHeader | None:
        if row not in self._read_ahead:
            rows = self._connection.execute(
                "SELECT c.id FROM changes w JOIN changes c ON c.device = w.device AND c.linked = 0"
                " AND c.position BETWEEN w.position AND w.position + ? WHERE w.id = ?",
                (_READ_AHEAD, row),
            ).fetchall()
            blocks = block_table.read_blocks(self._connection, [each for (each,) in rows])
            self._read_ahead = {each: _header_of(data) for each, data in blocks.items()}
        return self._read_ahead.get(row)

    def tip(self, change: bytes) -> Range | None:
        if change in self._tips or change in self._added or change in self._former_tips:
            return self._tips.get(change)
        row = self._connection.execute("SELECT position, peaks FROM tips WHERE hash = ?", (change,)).fetchone()
        return None if row is None else Range.from_bytes(row[0] + 1, row[1])

    def ids_below(self, change: bytes) -> Sequence[bytes]:
        above: list[bytes] = []
        at: bytes | None = change
        while at is not None and (header := self._added.get(at)) is not None:
            above.append(at)
            at = header.fields.previous
        below = [] if at is None else [*read_ids_below(self._connection, at), at]
        return [*below, *reversed(above)][:-1]

    def set_state(self, change: bytes, state: State) -> None:
        if change in self._added:
            self.update.states[change] = state
        else:
            known = self.known(change)
            if known is not None:
                self._moved[change] = Known(known.device, known.position, state)
        (self.update.faulty if state is State.FAULTY else self.update.settled).append(change)

    def set_tip(self, change: bytes, upto: Range, before: bytes | None) -> None:
        if before is not None and self._tips.pop(before, None) is None:
            self._former_tips.add(before)
        self._tips[change] = upto

    def write(self, devices: Mapping[bytes, int]) -> None:
        """Write what became of changes that were here, and which ends there are."""
        self._connection.executemany(
            "UPDATE changes SET linked = ? WHERE hash = ?",
            [(int(known.state), change) for change, known in self._moved.items()],
        )
        self._connection.executemany("DELETE FROM tips WHERE hash = ?", [(each,) for each in self._former_tips])
        owners = {tip: known.device for tip in self._tips if (known := self.known(tip)) is not None}
        self._connection.executemany(
            "INSERT INTO tips (hash, device, position, peaks) VALUES (?, ?, ?, ?)",
            [(tip, devices[owners[tip]], upto.size - 1, upto.to_bytes()) for tip, upto in self._tips.items()],
        )


def _header_of(data: bytes) -> SignedHeader | None:
    """Read the header of a block of the store; None where that is damaged.

    If it can be read all the same it has an id that no change has, and nothing comes of it.
    """
    with suppress(BlockRefused):
        return read_checked_header(data[: header_size(data)])
    return None


def link_chains(
    connection: sqlite3.Connection, blocks: Sequence[Block], rows: Mapping[bytes, int], devices: Mapping[bytes, int]
) -> ChainUpdate:
    """Work out which changes about to be added follow from their chains.

    And which of those that waited for them. Ends and faults are written; the states of the new ones are the caller's
    to write. `rows` and `devices` are the row ids of the new changes and of their devices.
    """
    table = _ChainTable(connection, {block.id: block.header for block in blocks})
    for wrong in link(table, [block.header for block in blocks]):
        row = rows[wrong.change] if wrong.change in rows else row_ids_of(connection, [wrong.change])[wrong.change]
        connection.execute(
            "INSERT INTO faults (change, fault, peaks) VALUES (?, ?, ?)", (row, wrong.fault.value, wrong.peaks)
        )
    table.write(devices)
    update = table.update
    # Of these the chains say what proofs have shown so far.
    connection.executemany("DELETE FROM proven WHERE head = ?", [(each,) for each in update.settled + update.faulty])
    return update


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
