"""The store of one device: immutable changes, what is derived from them, and views of them.

The pure parts decide what things mean; the functions of this package run as whole units of work on the database's
thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.store.connection import Database, read_meta, transaction, write_meta
from core.store.migrations import open_database
from core.store.queries import log, stats
from core.store.scope import NOW, Scope
from core.store.types import Counts, SaveResult, SendOrder, SetSummary, SourceStats
from core.store.view import View

# A command that only reads has to start fast: what writing and sync need is imported where it is used.
if TYPE_CHECKING:
    from core.changes import Block
    from core.errors import BlockRefused
    from core.history_import import HistoryLine
    from core.inbox import InboxItem
    from core.membership import Membership
    from core.records import Edit
    from core.schema import Schema
    from core.store.commit import Author, ImportResult
    from core.store.indexes.acceptance import MembershipCache
    from core.store.indexes.inbox_cache import ItemKey
    from core.store.verify import Verification
    from core.sync.reconcile.merkle import MerkleNode
    from core.sync.reconcile.prefix_coding import ShortIdPrefix
    from core.sync.reconcile.set_sketch import SetSketch

Clock = Callable[[], int]
"""Microseconds since 1970 UTC."""

POLL_INTERVAL_S = 0.25


class Store:
    """One device's store. Every method is one hop to its thread; several processes may use the same file.

    All methods raise StoreError where the file cannot be read or written.
    """

    def __init__(self, database: Database, fleet: bytes, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen_version = 0
        self._membership_cache: MembershipCache | None = None
        self.fleet = fleet

    @classmethod
    async def create(cls, path: Path, *, fleet: bytes, clock: Clock) -> Store:
        """A new empty store for a fleet; raises StoreError if the file exists."""
        database = await open_database(path, create=True)
        await database.write(write_meta, "fleet", fleet)
        return await cls._initialize(database, clock)

    @classmethod
    async def open(cls, path: Path, *, clock: Clock) -> Store:
        """The store at a path; raises StoreError if there is none or it is not one."""
        return await cls._initialize(await open_database(path), clock)

    @classmethod
    async def _initialize(cls, database: Database, clock: Clock) -> Store:
        await database.run(log.register_functions)
        fleet = await database.run(read_meta, "fleet")
        store = cls(database, fleet or b"", clock)
        store._seen_version = await database.run(stats.read_data_version)
        return store

    async def checkpoint(self) -> None:
        """Bring all that was saved into the one file, so that it can be moved; raises StoreError without room."""
        await self._database.run(stats.checkpoint_log)

    async def close(self) -> None:
        """Finish what is under way and let go of the file."""
        await self._database.close()

    async def summary(self) -> SetSummary:
        """How many changes there are and the root of the tree over them."""
        from core.store.queries import sync_source

        return SetSummary(*await self._database.run(sync_source.read_summary))

    async def hashes(self) -> list[bytes]:
        """All change ids in ascending order."""
        from core.store.queries import sync_source

        return await self._database.run(sync_source.read_hashes)

    async def missing(self, hashes: Sequence[bytes]) -> list[bytes]:
        """Those of these changes that are not here, in the order given."""
        from core.store.queries import sync_source

        return await self._database.run(sync_source.filter_missing, list(hashes))

    async def blocks(self, hashes: Sequence[bytes]) -> list[bytes]:
        """The exact bytes of those of these changes that are here, in the order given."""
        from core.store.queries import sync_source

        return await self._database.run(sync_source.read_blocks, list(hashes))

    async def merkle_nodes(self, prefixes: Sequence[str]) -> list[MerkleNode]:
        """The Merkle tree's nodes for these prefixes, in the order given."""
        from core.store.indexes import merkle_table

        return await self._database.run(merkle_table.read_nodes, list(prefixes))

    async def hashes_under(self, prefixes: Sequence[str]) -> list[list[bytes]]:
        """The change ids below each of these prefixes, in ascending order."""
        from core.store.indexes import merkle_table

        return await self._database.run(merkle_table.read_hashes_under, list(prefixes))

    async def order(self, hashes: Sequence[bytes], nearby: Sequence[bytes] = ()) -> SendOrder:
        """These changes in the order in which they are most useful to a peer.

        The genesis and membership first, then the schema, then what is current of the entities that are `near` to the
        peer, then what else is current, then history, each newest first.
        """
        from core.store.queries import sync_source

        return SendOrder(
            *await self._database.run(sync_source.order_for_sending, list(hashes), self.fleet, list(nearby))
        )

    async def sketch(self) -> tuple[SetSummary, SetSketch | None]:
        """The summary and the cells of the same set of changes; no cells before the genesis has come."""
        from core.store.queries import sync_source

        count, root, cells = await self._database.run(sync_source.read_summary_and_cells)
        return SetSummary(count, root), cells

    async def short_ids(self, prefixes: Sequence[ShortIdPrefix]) -> list[list[tuple[int, bytes]]]:
        """The short ids and change ids that begin with each of these prefixes."""
        from core.store.indexes import short_ids

        return await self._database.run(short_ids.find_by_prefixes, list(prefixes))

    async def all_short_ids(self) -> list[int]:
        """All short ids in ascending order."""
        from core.store.indexes import short_ids

        return await self._database.run(short_ids.read_all_short_ids)

    async def fleet_secret(self) -> bytes | None:
        """The fleet's secret, with which the short ids are keyed; None before the genesis has come."""
        from core.store.indexes import short_ids

        return await self._database.run(short_ids.read_secret)

    async def obsolete_hints(self, hashes: Sequence[bytes]) -> dict[bytes, list[int]]:
        """The places of those facts of these changes that are no leaves here."""
        from core.store.indexes import obsolete_hints

        return await self._database.run(obsolete_hints.read_obsolete_hints, list(hashes))

    async def clear_obsolete_hints(self) -> None:
        """All that a peer has is here: drop what was only known from its word."""
        from core.store.indexes import obsolete_hints

        await self._database.run(obsolete_hints.clear_hints_in_transaction)

    async def save_blocks(
        self,
        blocks: Iterable[bytes],
        *,
        source_device: bytes | None = None,
        link: str = "own",
        obsolete_hints: Mapping[bytes, Sequence[int]] | None = None,
    ) -> SaveResult:
        """Keep blocks from elsewhere, in one transaction that is on the disk when this returns. Idempotent.

        Each block is decoded and its signature checked first; what is refused leaves nothing behind. `source` is the
        device that it came from and `link` over what. The facts that it called `overtaken` are no leaves until
        `complete`.
        """
        return await self._database.run(self._save, list(blocks), source_device, link, obsolete_hints or {})

    def _save(
        self,
        connection: stats.Connection,
        blocks: list[bytes],
        source: bytes | None,
        link: str,
        overtaken: Mapping[bytes, Sequence[int]],
    ) -> SaveResult:
        from core.changes import change_id, decode_block, verify_block
        from core.errors import BlockRefused
        from core.store.indexes import obsolete_hints
        from core.store.ingest import Receipt, add_blocks
        from core.store.queries import sync_source

        ids = {change_id(data): data for data in blocks}
        new = set(sync_source.filter_missing(connection, list(ids)))
        good: list[Block] = []
        refused: list[tuple[bytes, BlockRefused]] = []
        for change, data in ids.items():
            if change not in new:
                continue
            try:
                block = decode_block(data)
                verify_block(block, self.fleet)
                good.append(block)
            except BlockRefused as reason:
                refused.append((change, reason))
        # Signatures are checked before the file is locked, so that a long batch does not keep other processes waiting.
        receipt = Receipt(self._clock(), source, link)
        fresh = {block.id: overtaken[block.id] for block in good if block.id in overtaken}

        def keep(connection: stats.Connection) -> int:
            saved = add_blocks(connection, good, receipt, self._membership(connection), self.fleet)
            obsolete_hints.apply_hints(connection, fresh)
            return saved

        return SaveResult(transaction(connection, keep), len(ids) - len(new), tuple(refused))

    # --- writing as this device --------------------------------------------------------------------------------------

    async def commit(
        self, author: Author, edits: Sequence[Edit], *, user: str, note: str | None = None
    ) -> bytes | None:
        """Write edits as one change and give its id once it is on the disk; None if there are none.

        The facts obsolete what the edits say, and nothing else. Raises Refused for more than 512 edits and
        FieldlineError if this device may not write.
        """
        if not edits:
            return None
        return await self._database.write(self._commit, author, list(edits), user, note)

    def _commit(
        self, connection: stats.Connection, author: Author, edits: list[Edit], user: str, note: str | None
    ) -> bytes:
        from core.store import commit

        now, members = self._clock(), self._membership(connection)
        return commit.commit_edits(
            connection, author, self.fleet, edits, user=user, note=note, now_us=now, membership=members
        )

    async def import_history(
        self, author: Author, lines: Sequence[HistoryLine], schema: Schema, *, on_progress: Callable[[int, int], None]
    ) -> ImportResult:
        """Write an edit history, a change for each line with its time and user: all of it or, on any error, nothing.

        `progress` is told the lines done and their number, on the store's thread.
        """
        return await self._database.write(self._import_history, author, list(lines), schema, on_progress)

    def _import_history(
        self,
        connection: stats.Connection,
        author: Author,
        lines: list[HistoryLine],
        schema: Schema,
        progress: Callable[[int, int], None],
    ) -> ImportResult:
        from core.store import commit

        return commit.import_history_lines(
            connection,
            author,
            self.fleet,
            lines,
            schema,
            now=self._clock(),
            membership=self._membership(connection),
            on_progress=progress,
        )

    # --- reading -----------------------------------------------------------------------------------------------------

    def now(self) -> View:
        """The present."""
        return View(self._database, NOW)

    def as_of(self, at_us: int) -> View:
        """Everything that was in effect at a moment (microseconds since 1970 UTC), as known today."""
        return View(self._database, Scope("as_of", at_us))

    def known_at(self, at_us: int) -> View:
        """What this device had received by a moment."""
        return View(self._database, Scope("known_at", at_us))

    async def counts(self) -> Counts:
        """How much there is."""
        return Counts(*await self._database.run(stats.read_counts))

    async def last_received_at(self) -> int | None:
        """When changes last came from another device (microseconds since 1970 UTC); None if none ever did."""
        return await self._database.run(stats.read_last_received_at)

    async def source_stats(self) -> list[SourceStats]:
        """From whom changes came, the latest first."""
        return [SourceStats(*row) for row in await self._database.run(stats.read_source_stats)]

    async def membership(self) -> Membership:
        """Who belongs to the fleet, worked out from its facts."""
        return await self._database.run(self._membership)

    def _membership(self, connection: stats.Connection) -> Membership:
        from core.store.indexes.acceptance import MembershipCache

        self._membership_cache = self._membership_cache or MembershipCache()
        return self._membership_cache.read_membership(connection, self.fleet)

    async def find_changes(self, prefix: str) -> list[bytes]:
        """The ids of the changes that begin with this hex prefix, two at most."""
        return await self._database.run(log.find_changes_by_prefix, prefix)

    async def effective_time(self, change: bytes) -> int | None:
        """The moment from which a change counts; None if it is not here."""
        return await self._database.run(stats.read_effective_time, change)

    async def wait_for_change(self, timeout: float | None = None) -> bool:
        """Wait until this or another process has written something since the last call; False if `timeout` seconds
        pass first.
        """
        waited = 0.0
        while True:
            version = await self._database.run(stats.read_data_version)
            if version != self._seen_version:
                self._seen_version = version
                return True
            if timeout is not None and waited >= timeout:
                return False
            await asyncio.sleep(POLL_INTERVAL_S)
            waited += POLL_INTERVAL_S

    async def count_unread(self, schema: Schema) -> int:
        """How many entities `read_clues` has to read."""
        from core.store.indexes import conflict_index

        return await self._database.run(conflict_index.count_unread, schema)

    async def update_conflict_index(self, schema: Schema, limit: int) -> int:
        """Read at most `limit` of the entities that facts were added about, for the inbox; gives how many are left."""
        from core.store.indexes import conflict_index

        return await self._database.write(conflict_index.index_unread, schema, limit)

    async def inbox_version(self, schema: Schema) -> bytes | None:
        """What the inbox depends on; None while `read_clues` has to read something first."""
        from core.store.indexes import inbox_cache

        return await self._database.run(inbox_cache.inbox_version, schema)

    async def cached_item_keys(self, schema: Schema) -> list[ItemKey] | None:
        """The matters of the present, brought up to date; None if everything has to be looked at for that."""
        from core.store.indexes import inbox_cache

        found = await self._database.run(inbox_cache.read_cached_keys, schema)
        updated = found is None and await self._database.write(inbox_cache.update_cache, schema)
        return await self._database.run(inbox_cache.read_cached_keys, schema) if updated else found

    async def cache_item_keys(self, schema: Schema, state: bytes, found: Sequence[ItemKey]) -> None:
        """Keep the matters that were found in a state."""
        from core.store.indexes import inbox_cache

        await self._database.write(inbox_cache.write_cached_keys, schema, state, found)

    async def load_inbox_items(self, schema: Schema, some: Sequence[ItemKey]) -> list[InboxItem | None]:
        """These matters of the present; None for one that is none any more."""
        from core.store.indexes import inbox_cache

        return await self._database.run(inbox_cache.load_items, schema, some)

    async def users(self) -> list[str]:
        """Everybody who ever said anything, in alphabetical order."""
        return await self._database.run(stats.read_users)

    async def read_meta(self, key: str) -> bytes | None:
        """A note that this device keeps for itself; it is not part of the fleet's facts."""
        return await self._database.run(read_meta, key)

    async def write_meta(self, key: str, value: bytes) -> None:
        """Keep a note for this device."""
        await self._database.write(write_meta, key, value)

    async def verify(
        self,
        schema: Schema | None = None,
        *,
        repair: bool = False,
        on_progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> Verification:
        """Check every block and signature, and every derived table against them; `repair` rebuilds what is derived.

        What the inbox is read from depends on the schema, and is not checked without it.
        """
        from core.store import verify

        return await self._database.run(verify.verify_store, self.fleet, schema, repair, on_progress)
