"""Keep the changes of those whom somebody ever admitted, within their limits, and count those that are refused.

A change may come before the one that admits its author: it is refused then, and comes with the next sync.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.changes import Block
from core.errors import AuthorUnknown
from core.header import fleet_id
from core.membership import MEMBER_PROPERTIES, Membership
from core.store.connection import read_meta, write_meta
from core.store.indexes.member_facts import read_ever_admitted
from core.store.ingest import Receipt, add_blocks
from core.store.quotas import note_refused, split_by_limits

_META_KEY = "refused"


@dataclass(frozen=True, slots=True)
class RefusedCount:
    """How many changes of unknown devices were refused so far, and of the last one its device and when (microseconds
    since 1970 UTC).
    """

    count: int
    device: bytes
    at_us: int


@dataclass(frozen=True, slots=True)
class Kept:
    """How many blocks were added, and those that were refused: of unknown devices, and beyond their devices' limits."""

    added_count: int
    unknown: tuple[Block, ...]
    beyond: tuple[Block, ...]


def keep_known(
    connection: sqlite3.Connection,
    blocks: Sequence[Block],
    receipt: Receipt,
    membership: Callable[[sqlite3.Connection], Membership],
    fleet: bytes,
) -> Kept:
    """Add those of new blocks whose authors were ever admitted, also by others of them, within their limits.

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
        if not any(fact.property in MEMBER_PROPERTIES for block in known for fact in block.facts):
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
