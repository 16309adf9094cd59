"""The store of one device.

Immutable changes, what is derived from them, and views of them.

The pure parts decide what things mean; the functions of this package run as whole units of work on the database's
thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from core.store.block_store import BlockStore, Clock, Entropy
from core.store.check_note import CHECKED_META_KEY, VERIFIED_META_KEY, LastCheck
from core.store.connection import Database, StoreError, read_meta, write_meta
from core.store.migrations import open_database
from core.store.queries import log, stats
from core.store.scope import NOW, Scope
from core.store.types import Counts, OnProgress, SourceStats, ignore_progress
from core.store.view import View

# A command that only reads has to start fast: what writing and sync need is imported where it is used.
if TYPE_CHECKING:
    from core.changes import Block
    from core.history_import import HistoryLine
    from core.inbox import InboxItem
    from core.membership import Membership
    from core.records import Edit
    from core.schema import Schema
    from core.store.commit import Author, ImportResult, Writer
    from core.store.indexes.inbox_cache import ItemKey
    from core.store.queries.log import LogEntry
    from core.store.types import Verification

T = TypeVar("T")

__all__ = ["Clock", "Entropy", "Store"]

POLL_INTERVAL_S = 0.25
"""When all of this store was last found right, as digits: microseconds since 1970 UTC."""


class _RehearsalDone(Exception):
    """All went well in what is not to be kept."""


class Store(BlockStore):
    """One device's store. Every method is one hop to its thread.

    Several processes may use the same file. All methods raise StoreError where the file cannot be read or written.
    """

    @classmethod
    async def create(cls, path: Path, *, fleet: bytes, clock: Clock, entropy: Entropy = os.urandom) -> Store:
        """A new empty store for a fleet; raises StoreError if the file exists."""
        database = await open_database(path, create=True)
        await database.write(write_meta, "fleet", fleet)
        return await cls._initialize(database, clock, entropy)

    @classmethod
    async def open(
        cls, path: Path, *, clock: Clock, entropy: Entropy = os.urandom, on_progress: OnProgress = ignore_progress
    ) -> Store:
        """The store at a path; raises StoreError if there is none or it is not one."""
        return await cls._initialize(await open_database(path, on_progress=on_progress), clock, entropy)

    @classmethod
    async def _initialize(cls, database: Database, clock: Clock, entropy: Entropy) -> Store:
        try:
            fleet, version = await database.run(_prepare_store)
        except BaseException:
            await database.close()
            raise
        store = cls(database, fleet, clock, entropy)
        store._seen_version = version
        return store

    async def run(self, work: Callable[[stats.Connection], T]) -> T:
        """Run a function on the store's connection, in one hop."""
        return await self._database.run(work)

    async def checkpoint(self) -> None:
        """Bring all that was saved into one file; raises StoreError without room."""
        await self._database.run(stats.checkpoint_log)

    async def close(self) -> None:
        """Finish what is under way and let go of the file."""
        await self._database.close()

    # --- writing as this device --------------------------------------------------------------------------------------

    async def commit(
        self,
        author: Author,
        edits: Sequence[Edit],
        *,
        user: str,
        note: str | None = None,
        schema: Schema | None = None,
        check_membership: Callable[[Membership], None] | None = None,
        is_rehearsal: bool = False,
    ) -> bytes | None:
        """Write edits made at once, all or none, as a change for each locality.

        Gives the id of the first once they are on the disk; None if there are none, or if it is a rehearsal: then
        nothing of it is kept. The facts obsolete what the edits say, and nothing else. `check_membership` is called
        with the membership after them, on the store's thread, and what it raises undoes them. Raises FieldlineError if
        this device may not write, or if what edits withdraw is superseded by now.
        """
        if not edits:
            return None
        commit = self._rehearse if is_rehearsal else self._commit
        try:
            return await self._database.write_tallied(
                self.tally, self.tally.changes.append, commit, author, list(edits), user, note, schema, check_membership
            )
        except _RehearsalDone:
            return None

    def _commit(
        self,
        connection: stats.Connection,
        author: Author,
        edits: list[Edit],
        user: str,
        note: str | None,
        schema: Schema | None,
        check_membership: Callable[[Membership], None] | None,
    ) -> bytes:
        from core.store import commit

        writer = self._writer(connection, author, schema)
        change = commit.commit_edits(connection, writer, edits, user=user, note=note)
        if check_membership is not None:
            check_membership(self._membership(connection))
        return change

    def _rehearse(self, connection: stats.Connection, *args: Any) -> bytes:
        """Commit, and end in what rolls it back."""
        self._commit(connection, *args)
        raise _RehearsalDone

    def _writer(self, connection: stats.Connection, author: Author, schema: Schema | None) -> Writer:
        from core.schema import Schema as AnySchema
        from core.store.commit import Writer

        return Writer(
            author, self.fleet, schema or AnySchema(), self._membership(connection), self._entropy, self._clock()
        )

    async def adopt_genesis(self, genesis: Block, user: str) -> None:
        """Keep the change that founds the fleet; its author is a user of this device."""
        from core.store import commit

        await self.keep_blocks([genesis])
        await self._database.write(commit.note_person, user, genesis.header.fields.author)
        await self._database.write(commit.note_tip, genesis.id)

    async def import_history(
        self, author: Author, lines: Sequence[HistoryLine], schema: Schema, *, on_progress: Callable[[int, int], None]
    ) -> ImportResult:
        """Write an edit history, each line with its time and user.

        All of it or, on any error, nothing. `on_progress` is told the lines done and their number, on the store's
        thread.
        """

        def note(done: ImportResult) -> None:
            self.tally.received_count += done.change_count

        return await self._database.write_tallied(
            self.tally, note, self._import_history, author, list(lines), schema, on_progress
        )

    def _import_history(
        self,
        connection: stats.Connection,
        author: Author,
        lines: list[HistoryLine],
        schema: Schema,
        progress: Callable[[int, int], None],
    ) -> ImportResult:
        from core.store import commit

        return commit.import_history_lines(connection, self._writer(connection, author, schema), lines, progress)

    # --- reading -----------------------------------------------------------------------------------------------------

    def now(self) -> View:
        """The present."""
        return View(self._database, NOW)

    def as_of(self, at_us: int) -> View:
        """All in effect at a moment (microseconds since 1970 UTC), as known today."""
        return View(self._database, Scope("as_of", at_us))

    def known_at(self, at_us: int) -> View:
        """What this device had received by a moment."""
        return View(self._database, Scope("known_at", at_us))

    async def counts(self) -> Counts:
        """How much there is."""
        return Counts(*await self._database.run(stats.read_counts))

    async def last_received_at(self) -> int | None:
        """When changes last came from elsewhere (microseconds UTC); None if never."""
        return await self._database.run(stats.read_last_received_at)

    async def source_stats(self) -> list[SourceStats]:
        """From whom changes came, the latest first."""
        return [SourceStats(*row) for row in await self._database.run(stats.read_source_stats)]

    async def membership(self) -> Membership:
        """Who belongs to the fleet, worked out from its facts."""
        return await self._database.run(self._membership)

    async def find_changes(self, prefix: str) -> list[bytes]:
        """The ids of the changes that begin with this hex prefix, two at most."""
        return await self._database.run(log.find_changes_by_prefix, prefix)

    async def effective_time(self, change: bytes) -> int | None:
        """The moment from which a save counts, and its changes; None if not here."""
        return await self._database.run(stats.read_effective_time, change)

    async def log_entry(self, change: bytes) -> LogEntry | None:
        """The log entry of a save, by one of its changes; None if it is not here."""
        return await self._database.run(log.read_log_entry, change)

    async def known_changes(self, asked: Mapping[bytes, set[bytes]]) -> dict[bytes, set[bytes]]:
        """For each of these changes, those of others that its author had."""
        from core.store.indexes import ancestry

        return await self._database.run(ancestry.known_changes, asked)

    async def wait_for_change(self, timeout: float | None = None) -> bool:
        """Wait for a write by any process since the last call; False after `timeout` s."""
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
        """Read at most `limit` changed entities for the inbox; gives how many are left."""
        from core.store.indexes import conflict_index

        return await self._database.write_cache(conflict_index.index_unread, schema, limit)

    async def inbox_version(self, schema: Schema) -> bytes | None:
        """What the inbox depends on; None while `read_clues` has to read something first."""
        from core.store.indexes import inbox_cache

        return await self._database.run(inbox_cache.inbox_version, schema)

    async def cached_item_keys(self, schema: Schema) -> list[ItemKey] | None:
        """The items of the present, brought up to date; None if all must be read."""
        from core.store.indexes import inbox_cache

        found = await self._database.run(inbox_cache.read_cached_keys, schema)
        updated = found is None and await self._database.write_cache(inbox_cache.update_cache, schema)
        return await self._database.run(inbox_cache.read_cached_keys, schema) if updated else found

    async def cache_item_keys(self, schema: Schema, state: bytes, found: Sequence[ItemKey]) -> None:
        """Keep the matters that were found in a state."""
        from core.store.indexes import inbox_cache

        await self._database.write_cache(inbox_cache.write_cached_keys, schema, state, found)

    async def load_inbox_items(self, schema: Schema, some: Sequence[ItemKey]) -> list[InboxItem | None]:
        """These matters of the present; None for one that is none any more."""
        from core.store.indexes import inbox_cache

        return await self._database.run(inbox_cache.load_items, schema, some)

    async def users_of(self, changes: Sequence[bytes]) -> dict[bytes, str]:
        """What those who wrote these changes are called."""
        return await self._database.run(stats.read_users_of, list(changes))

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
        """Check every block and signature, and every derived table against them.

        With `repair` a store in which something is wrong is built anew from its blocks; raises StoreError if other
        programs have it open. What the inbox is read from depends on the schema, and is not checked without it.
        """
        from core.store import verify

        found = await self._database.run(verify.verify_store, self.fleet, schema, on_progress)
        if not found.problems:
            await self._note_verified()
        if not repair or not found.problems:
            return found
        await self._database.close()
        try:
            return await repair_at(self._database.path, on_progress, found)
        finally:
            self._database.take_over(await open_database(self._database.path))
            self.fleet, _version = await self._database.run(_prepare_store)
            self._membership_cache = None
            await self._note_verified()

    async def _note_verified(self) -> None:
        """Note when all was found right; where nothing can be written, it is not noted."""
        with suppress(StoreError):
            now_us = self._clock()
            await self.write_meta(VERIFIED_META_KEY, str(now_us).encode())
            await self.write_meta(CHECKED_META_KEY, LastCheck(now_us).to_bytes())


def _prepare_store(connection: stats.Connection) -> tuple[bytes, int]:
    """Give the connection what queries use; gives fleet and version of the data."""
    log.register_functions(connection)
    return read_meta(connection, "fleet") or b"", stats.read_data_version(connection)


async def repair_at(
    path: Path, on_progress: Callable[[int, int], None], found: Verification | None = None
) -> Verification:
    """Build the store at a path anew from its blocks; nobody may have it open.

    `found` is what is wrong with it. Raises StoreError, with nothing changed, if it cannot be done.
    """
    from core.errors import FieldlineError
    from core.store.repair import repair_store
    from core.store.types import Verification

    stopped = False

    def progress(done: int, total: int) -> None:
        if stopped:
            raise InterruptedError
        on_progress(done, total)

    work = asyncio.create_task(asyncio.to_thread(repair_store, path, progress))
    try:
        made = await asyncio.shield(work)
    except asyncio.CancelledError:
        # The thread ends at its next step, and has to be done with the files before anybody opens them.
        stopped = True
        await asyncio.wait([work])
        raise
    repaired = found.problems if found else [FieldlineError("The file is damaged: {what}.", what=str(path))]
    if made.mended_count:
        repaired = [*repaired, FieldlineError("Damaged changes that were restored: {count}.", count=made.mended_count)]
    return Verification(made.checked_count, made.lost, repaired, made.kept_file)
