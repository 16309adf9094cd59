"""Keep the changes of those ever admitted, within their limits; count the rest.

A change may come before the one that admits its author: it is refused then, and comes with the next sync.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.changes import Block, change_id, decode_block, verify_block
from core.errors import AuthorUnknown, BlockRefused
from core.header import fleet_id
from core.membership import Membership
from core.store.connection import read_meta, transaction, write_meta
from core.store.indexes.member_facts import read_ever_admitted, speaks_of_members
from core.store.ingest import Receipt, add_blocks
from core.store.quotas import note_refused, over_limit_error, split_by_limits
from core.store.row_ids import row_ids_of

# A command that only reads has to start fast: what comes from a peer is imported where it is used.
if TYPE_CHECKING:
    from core.sync.holdings import Holding
    from core.sync.position_proofs import ProvenPast
    from core.sync.replica import ObsoleteHints

_META_KEY = "refused"


@dataclass(frozen=True, slots=True)
class RefusedCount:
    """How many changes of unknown devices were refused so far.

    And of the last one its device and when (microseconds since 1970 UTC).
    """

    count: int
    device: bytes
    at_us: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of new blocks: how many were added, and those that were refused.

    Of unknown devices, and beyond their devices' limits.
    """

    added_count: int
    unknown: tuple[Block, ...] = ()
    beyond: tuple[Block, ...] = ()

    @property
    def refused(self) -> tuple[tuple[bytes, BlockRefused], ...]:
        """The ids of those that were refused, and why."""
        unknown = [(block.id, unknown_author_error(block)) for block in self.unknown]
        return (*unknown, *((block.id, over_limit_error(block)) for block in self.beyond))


@dataclass(frozen=True, slots=True)
class CheckedBlocks:
    """New blocks that are good, how many are here already, and what was refused."""

    good: list[Block]
    known_count: int
    refused: list[tuple[bytes, BlockRefused]]


def check_blocks(connection: sqlite3.Connection, blocks: Sequence[bytes], fleet: bytes) -> CheckedBlocks:
    """Decode those blocks that are new, and check their signatures."""
    refused: list[tuple[bytes, BlockRefused]] = []
    ids: dict[bytes, bytes] = {}
    for data in blocks:
        try:
            ids[change_id(data)] = data
        except BlockRefused as reason:
            refused.append((b"", reason))
    known = row_ids_of(connection, list(ids)).keys()
    decoded: list[Block] = []
    for change in [change for change in ids if change not in known]:
        try:
            decoded.append(decode_block(ids[change]))
        except BlockRefused as reason:
            refused.append((change, reason))
    # One after the other and not by turns: that is faster by a few percent, since each keeps the CPU's caches.
    good: list[Block] = []
    for block in decoded:
        try:
            verify_block(block, fleet)
            good.append(block)
        except BlockRefused as reason:
            refused.append((block.id, reason))
    return CheckedBlocks(good, len(known), refused)


@dataclass(frozen=True, slots=True)
class Batch:
    """What came at once.

    Blocks by their ids, from whom, what a peer calls obsolete in them, and what was proven of where some of them lie.
    """

    blocks: Mapping[bytes, Block]
    receipt: Receipt
    hints: ObsoleteHints
    proven: Sequence[ProvenPast]


ReadMembership = Callable[[sqlite3.Connection], Membership]


def keep_batch(connection: sqlite3.Connection, batch: Batch, membership: ReadMembership, fleet: bytes) -> Kept:
    """Keep what is new of a batch, with what is only known from the peer."""
    from core.store.indexes.obsolete_hints import apply_hints
    from core.store.indexes.proven_positions import keep_proven

    new = batch.blocks.keys() - row_ids_of(connection, list(batch.blocks)).keys()
    blocks = [block for change, block in batch.blocks.items() if change in new]
    kept = keep_known(connection, blocks, batch.receipt, membership, fleet)
    new -= {block.id for block in (*kept.unknown, *kept.beyond)}
    apply_hints(connection, {change: batch.hints[change] for change in new if change in batch.hints})
    if batch.proven:
        keep_proven(connection, batch.proven, membership(connection), fleet)
    return kept


def clear_hints(connection: sqlite3.Connection, membership: ReadMembership, fleet: bytes) -> None:
    """Drop what is known from a peer's word or from proofs only.

    In transactions of its own.
    """
    from core.store.indexes.obsolete_hints import clear_hints_in_transaction
    from core.store.indexes.proven_positions import clear_proven, has_proven

    clear_hints_in_transaction(connection)
    if has_proven(connection):
        transaction(connection, lambda connection: clear_proven(connection, membership(connection), fleet))


@dataclass(frozen=True, slots=True)
class EqualSets:
    """A peer that holds the same set.

    Over what link, when (microseconds since 1970 UTC), and the root of that set.
    """

    peer: bytes
    link: str
    at_us: int
    root: bytes


def note_equal_sets(connection: sqlite3.Connection, equal: EqualSets, membership: ReadMembership) -> list[Holding]:
    """Note what equal roots have shown, and give what to report to the peer.

    In a transaction of its own. Nothing is locked where nothing is new, and nothing noted if the set is another one
    by now.
    """
    from core.store.indexes import holdings
    from core.store.indexes.merkle_table import read_root
    from core.sync.holdings import choose_holdings, with_tags

    def note(connection: sqlite3.Connection) -> None:
        if read_root(connection) == equal.root:
            holdings.note_equal_sets(connection, equal.peer, equal.link, equal.at_us)

    if not holdings.is_noted(connection, equal.peer, equal.at_us):
        transaction(connection, note)
    known = holdings.read_holdings(connection)
    chosen = choose_holdings(known, equal.peer, int.from_bytes(equal.root[:4], "big"))
    return with_tags(chosen, membership(connection).members)


def note_reported_holdings(
    connection: sqlite3.Connection, reporter: bytes, reported: Sequence[Holding], membership: ReadMembership
) -> None:
    """Note what a peer reported of third devices, if anything of it is new."""
    from core.store.indexes import holdings
    from core.sync.holdings import without_tags

    meant = without_tags(reported, membership(connection).members)
    if holdings.find_unknown(connection, meant):
        # Once more where nobody else writes: a fork may have come meanwhile.
        transaction(
            connection,
            lambda connection: holdings.note_reported(connection, reporter, holdings.find_unknown(connection, meant)),
        )


def keep_known(
    connection: sqlite3.Connection,
    blocks: Sequence[Block],
    receipt: Receipt,
    membership: ReadMembership,
    fleet: bytes,
) -> Kept:
    """Add those of new blocks whose authors were ever admitted, within their limits.

    Also if others of these blocks admit them.

    `membership` reads the one that holds.
    """
    added = 0
    beyond: list[Block] = []
    left = list(blocks)
    while left:
        authors = {block.device for block in left} - membership(connection).authorities.keys()
        unknown = authors - read_ever_admitted(connection, fleet) if authors else set()
        known = [block for block in left if block.device not in unknown or fleet_id(block.id) == fleet]
        left = [block for block in left if block.device in unknown and fleet_id(block.id) != fleet]
        known, over = split_by_limits(connection, known, membership(connection), fleet)
        beyond += over
        added += add_blocks(connection, known, receipt, membership(connection), fleet) if known else 0
        if not any(map(speaks_of_members, known)):
            break
    if left:
        before = read_refused(connection)
        total = len(left) + (before.count if before else 0)
        figures = total.to_bytes(8, "big") + receipt.received_at_us.to_bytes(8, "big")
        write_meta(connection, _META_KEY, figures + left[-1].device)
    note_refused(connection, beyond, receipt.received_at_us)
    return Kept(added, tuple(left), tuple(beyond))


def read_refused(connection: sqlite3.Connection) -> RefusedCount | None:
    """How many changes were refused so far; None if none was."""
    data = read_meta(connection, _META_KEY)
    if data is None:
        return None
    return RefusedCount(int.from_bytes(data[:8], "big"), data[16:], int.from_bytes(data[8:16], "big"))


def unknown_author_error(block: Block) -> AuthorUnknown:
    """The sentence about a block of a device that nobody ever admitted."""
    return AuthorUnknown("device {device} was never admitted", device=block.device.hex()[:8])
