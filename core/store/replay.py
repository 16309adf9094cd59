"""Save the blocks of a store into a new one, in their order of arrival.

By the code that saves what comes in.

All functions run on the thread of their connections.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.changes import Block, change_id, decode_block, parent_ids
from core.changes import verify_block as verify_signature
from core.errors import BlockRefused
from core.store.connection import transaction
from core.store.indexes.acceptance import MembershipCache
from core.store.ingest import Receipt, add_blocks

MAX_BLOCKS_PER_BATCH = 500


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block as a store has it.

    `change` is the id that it is kept under, None if that cannot be read any more; `data` is None if there are no
    bytes.
    """

    row: int
    change: bytes | None
    data: bytes | None
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class BadBlock:
    """A block that is not what it should be, and why."""

    stored: StoredBlock
    reason: BlockRefused


def check_block(stored: StoredBlock, fleet: bytes, *, is_signed: bool = False) -> Block:
    """Decode a block and check that it is the one that it is kept as.

    And its signature unless somebody else does. Raises BlockRefused.
    """
    if stored.data is None or (stored.change is not None and change_id(stored.data) != stored.change):
        raise BlockRefused("its bytes are damaged")
    # The id is the header's alone: that the body belongs to it is checked by decoding.
    block = decode_block(stored.data)
    if not is_signed:
        verify_signature(block, fleet)
    return block


class Replay:
    """Adds blocks to an empty store in batches.

    They get the rows that they had, as far as none is left out.
    """

    def __init__(self, copy: sqlite3.Connection, fleet: bytes) -> None:
        self._copy = copy
        self._fleet = fleet
        self._membership = MembershipCache()
        self._batch: list[Block] = []
        self._expected: set[bytes] = set()
        self._receipt: Receipt | None = None

    def add(self, block: Block, receipt: Receipt) -> None:
        """Add a block that was checked."""
        # A batch keeps the order of rows, so it must not hold a child before its parent, nor two receipts.
        if self._receipt != receipt or len(self._batch) == MAX_BLOCKS_PER_BATCH or block.id in self._expected:
            self.flush()
        self._receipt = receipt
        self._batch.append(block)
        self._expected |= parent_ids(block)

    def flush(self) -> None:
        """Save what was added."""
        if self._batch and self._receipt is not None:
            transaction(self._copy, self._save, self._batch, self._receipt)
        self._batch, self._expected = [], set()

    def _save(self, connection: sqlite3.Connection, batch: list[Block], receipt: Receipt) -> None:
        membership = self._membership.read_membership(connection, self._fleet)
        add_blocks(connection, batch, receipt, membership, self._fleet, is_ordered=True)


def replay_blocks(
    stored: Iterable[StoredBlock],
    copy: sqlite3.Connection,
    fleet: bytes,
    on_block: Callable[[StoredBlock], None],
    mend: Callable[[StoredBlock], Block | None] = lambda stored: None,
    *,
    is_signed: bool = False,
) -> list[BadBlock]:
    """Save all good blocks into an empty store, and give those that are not good.

    `on_block` is called with each before it is looked at; `mend` is asked for what one that is not good was;
    with `is_signed` somebody else checks the signatures.
    """
    replay = Replay(copy, fleet)
    bad: list[BadBlock] = []
    for each in stored:
        on_block(each)
        try:
            block = check_block(each, fleet, is_signed=is_signed)
        except BlockRefused as reason:
            mended = mend(each)
            if mended is None:
                bad.append(BadBlock(each, reason))
                continue
            block = mended
        replay.add(block, each.receipt)
    replay.flush()
    return bad
