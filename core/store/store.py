"""The store of one device: immutable changes, what is derived from them, and views of them.

The pure parts decide what things mean; the functions of this package run as whole units of work on the database's
thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.store import holding, log
from core.store.database import Database, transaction
from core.store.migrations import open_database
from core.store.results import Counts, Meeting, Order, Saved, Summary
from core.store.scope import NOW, Scope
from core.store.view import View

# A command that only reads has to start fast: what writing and sync need is imported where it is used.
if TYPE_CHECKING:
    from core.changes import Block
    from core.errors import BlockRefused
    from core.importing import Line
    from core.inbox import Matter
    from core.membership import Membership
    from core.records import Edit
    from core.schema import Schema
    from core.store.matters import Mention
    from core.store.standing import Standings
    from core.store.verification import Verification
    from core.store.writing import Author, Imported
    from core.sync.cells import Cells
    from core.sync.merkle import Node
    from core.sync.prefixes import Prefix

Clock = Callable[[], int]
"""Microseconds since 1970 UTC."""

POLL_SECONDS = 0.25


class Store:
    """One device's store. Every method is one hop to its thread; several processes may use the same file.

    All methods raise StoreError where the file cannot be read or written.
    """

    def __init__(self, database: Database, fleet: bytes, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen = 0
        self._standings: Standings | None = None
        self.fleet = fleet

    @classmethod
    async def create(cls, path: Path, *, fleet: bytes, clock: Clock) -> Store:
        """A new empty store for a fleet; raises StoreError if the file exists."""
        database = await open_database(path, create=True)
        await database.write(holding.put_meta, "fleet", fleet)
        return await cls._prepared(database, clock)

    @classmethod
    async def open(cls, path: Path, *, clock: Clock) -> Store:
        """The store at a path; raises StoreError if there is none or it is not one."""
        return await cls._prepared(await open_database(path), clock)

    @classmethod
    async def _prepared(cls, database: Database, clock: Clock) -> Store:
        await database.run(log.prepare)
        fleet = await database.run(holding.meta, "fleet")
        store = cls(database, fleet or b"", clock)
        store._seen = await database.run(holding.data_version)
        return store

    async def settle(self) -> None:
        """Bring all that was saved into the one file, so that it can be moved; raises StoreError without room."""
        await self._database.run(holding.checkpoint)

    async def close(self) -> None:
        """Finish what is under way and let go of the file."""
        await self._database.close()

    # --- blocks: what sync needs -------------------------------------------------------------------------------------

    async def summary(self) -> Summary:
        """How many changes there are and the root of the tree over them."""
        from core.store import offering

        return Summary(*await self._database.run(offering.summary))

    async def hashes(self) -> list[bytes]:
        """All change ids in ascending order."""
        from core.store import offering

        return await self._database.run(offering.hashes)

    async def missing(self, hashes: Sequence[bytes]) -> list[bytes]:
        """Those of these changes that are not here, in the order given."""
        from core.store import offering

        return await self._database.run(offering.missing, list(hashes))

    async def blocks(self, hashes: Sequence[bytes]) -> list[bytes]:
        """The exact bytes of those of these changes that are here, in the order given."""
        from core.store import offering

        return await self._database.run(offering.blocks, list(hashes))

    async def tree(self, prefixes: Sequence[str]) -> list[Node]:
        """The Merkle tree's nodes for these prefixes, in the order given."""
        from core.store import tree

        return await self._database.run(tree.nodes, list(prefixes))

    async def under(self, prefixes: Sequence[str]) -> list[list[bytes]]:
        """The change ids below each of these prefixes, in ascending order."""
        from core.store import tree

        return await self._database.run(tree.under, list(prefixes))

    async def order(self, hashes: Sequence[bytes], near: Sequence[bytes] = ()) -> Order:
        """These changes in the order in which they are most useful to a peer.

        The genesis and membership first, then the schema, then what is current of the entities that are `near` to the
        peer, then what else is current, then history, each newest first.
        """
        from core.store import offering

        return Order(*await self._database.run(offering.order, list(hashes), self.fleet, list(near)))

    async def cells(self) -> tuple[Summary, Cells | None]:
        """The summary and the cells of the same set of changes; no cells before the genesis has come."""
        from core.store import offering

        count, root, cells = await self._database.run(offering.summary_and_cells)
        return Summary(count, root), cells

    async def shorts(self, prefixes: Sequence[Prefix]) -> list[list[tuple[int, bytes]]]:
        """The short ids and change ids that begin with each of these prefixes."""
        from core.store import shorts

        return await self._database.run(shorts.under, list(prefixes))

    async def all_shorts(self) -> list[int]:
        """All short ids in ascending order."""
        from core.store import shorts

        return await self._database.run(shorts.every)

    async def secret(self) -> bytes | None:
        """The fleet's secret, with which the short ids are keyed; None before the genesis has come."""
        from core.store import shorts

        return await self._database.run(shorts.secret)

    async def overtaken(self, hashes: Sequence[bytes]) -> dict[bytes, list[int]]:
        """The places of those facts of these changes that are no leaves here."""
        from core.store import hearsay

        return await self._database.run(hearsay.overtaken, list(hashes))

    async def complete(self) -> None:
        """All that a peer has is here: drop what was only known from its word."""
        from core.store import hearsay

        await self._database.run(hearsay.drop)

    async def save(
        self,
        blocks: Iterable[bytes],
        *,
        source: bytes | None = None,
        link: str = "own",
        overtaken: Mapping[bytes, Sequence[int]] | None = None,
    ) -> Saved:
        """Keep blocks from elsewhere, in one transaction that is on the disk when this returns. Idempotent.

        Each block is decoded and its signature checked first; what is refused leaves nothing behind. `source` is the
        device that it came from and `link` over what. The facts that it called `overtaken` are no leaves until
        `complete`.
        """
        return await self._database.run(self._save, list(blocks), source, link, overtaken or {})

    def _save(
        self,
        connection: holding.Connection,
        blocks: list[bytes],
        source: bytes | None,
        link: str,
        overtaken: Mapping[bytes, Sequence[int]],
    ) -> Saved:
        from core.changes import change_id, decode, verify
        from core.errors import BlockRefused
        from core.store import hearsay, offering
        from core.store.adding import Receipt, add

        ids = {change_id(data): data for data in blocks}
        new = set(offering.missing(connection, list(ids)))
        good: list[Block] = []
        refused: list[tuple[bytes, BlockRefused]] = []
        for change, data in ids.items():
            if change not in new:
                continue
            try:
                block = decode(data)
                verify(block, self.fleet)
                good.append(block)
            except BlockRefused as reason:
                refused.append((change, reason))
        # Signatures are checked before the file is locked, so that a long batch does not keep other processes waiting.
        receipt = Receipt(self._clock(), source, link)
        fresh = {block.id: overtaken[block.id] for block in good if block.id in overtaken}

        def keep(connection: holding.Connection) -> int:
            saved = add(connection, good, receipt, self._membership(connection), self.fleet)
            hearsay.believe(connection, fresh)
            return saved

        return Saved(transaction(connection, keep), len(ids) - len(new), tuple(refused))

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
        self, connection: holding.Connection, author: Author, edits: list[Edit], user: str, note: str | None
    ) -> bytes:
        from core.store import writing

        now, members = self._clock(), self._membership(connection)
        return writing.commit(connection, author, self.fleet, edits, user=user, note=note, now=now, membership=members)

    async def import_history(
        self, author: Author, lines: Sequence[Line], schema: Schema, *, progress: Callable[[int, int], None]
    ) -> Imported:
        """Write an edit history, a change for each line with its time and user: all of it or, on any error, nothing.

        `progress` is told the lines done and their number, on the store's thread.
        """
        return await self._database.write(self._import_history, author, list(lines), schema, progress)

    def _import_history(
        self,
        connection: holding.Connection,
        author: Author,
        lines: list[Line],
        schema: Schema,
        progress: Callable[[int, int], None],
    ) -> Imported:
        from core.store import writing

        return writing.import_history(
            connection,
            author,
            self.fleet,
            lines,
            schema,
            now=self._clock(),
            membership=self._membership(connection),
            progress=progress,
        )

    # --- reading -----------------------------------------------------------------------------------------------------

    def now(self) -> View:
        """The present."""
        return View(self._database, NOW)

    def as_of(self, moment: int) -> View:
        """Everything that was in effect at a moment (microseconds since 1970 UTC), as known today."""
        return View(self._database, Scope("as_of", moment))

    def known_at(self, moment: int) -> View:
        """What this device had received by a moment."""
        return View(self._database, Scope("known_at", moment))

    async def counts(self) -> Counts:
        """How much there is."""
        return Counts(*await self._database.run(holding.counts))

    async def last_met(self) -> int | None:
        """When changes last came from another device (microseconds since 1970 UTC); None if none ever did."""
        return await self._database.run(holding.last_met)

    async def meetings(self) -> list[Meeting]:
        """From whom changes came, the latest first."""
        return [Meeting(*row) for row in await self._database.run(holding.meetings)]

    async def membership(self) -> Membership:
        """Who belongs to the fleet, worked out from its facts."""
        return await self._database.run(self._membership)

    def _membership(self, connection: holding.Connection) -> Membership:
        from core.store.standing import Standings

        self._standings = self._standings or Standings()
        return self._standings.of(connection, self.fleet)

    async def change(self, prefix: str) -> list[bytes]:
        """The ids of the changes that begin with this hex prefix, two at most."""
        return await self._database.run(log.by_prefix, prefix)

    async def effective(self, change: bytes) -> int | None:
        """The moment from which a change counts; None if it is not here."""
        return await self._database.run(holding.effective, change)

    async def changed(self, timeout: float | None = None) -> bool:
        """Wait until this or another process has written something since the last call; False if `timeout` seconds
        pass first.
        """
        waited = 0.0
        while True:
            version = await self._database.run(holding.data_version)
            if version != self._seen:
                self._seen = version
                return True
            if timeout is not None and waited >= timeout:
                return False
            await asyncio.sleep(POLL_SECONDS)
            waited += POLL_SECONDS

    async def unread(self, schema: Schema) -> int:
        """How many entities `read_clues` has to read."""
        from core.store import clues

        return await self._database.run(clues.unread, schema)

    async def read_clues(self, schema: Schema, limit: int) -> int:
        """Read at most `limit` of the entities that facts were added about, for the inbox; gives how many are left."""
        from core.store import clues

        return await self._database.write(clues.read, schema, limit)

    async def matters_state(self, schema: Schema) -> bytes | None:
        """What the inbox depends on; None while `read_clues` has to read something first."""
        from core.store import matters

        return await self._database.run(matters.state, schema)

    async def kept_matters(self, schema: Schema) -> list[Mention] | None:
        """The matters of the present, brought up to date; None if everything has to be looked at for that."""
        from core.store import matters

        found = await self._database.run(matters.kept, schema)
        updated = found is None and await self._database.write(matters.update, schema)
        return await self._database.run(matters.kept, schema) if updated else found

    async def keep_matters(self, schema: Schema, state: bytes, found: Sequence[Mention]) -> None:
        """Keep the matters that were found in a state."""
        from core.store import matters

        await self._database.write(matters.keep, schema, state, found)

    async def whole_matters(self, schema: Schema, some: Sequence[Mention]) -> list[Matter | None]:
        """These matters of the present; None for one that is none any more."""
        from core.store import matters

        return await self._database.run(matters.whole, schema, some)

    async def users(self) -> list[str]:
        """Everybody who ever said anything, in alphabetical order."""
        return await self._database.run(holding.users)

    async def get_meta(self, key: str) -> bytes | None:
        """A note that this device keeps for itself; it is not part of the fleet's facts."""
        return await self._database.run(holding.meta, key)

    async def put_meta(self, key: str, value: bytes) -> None:
        """Keep a note for this device."""
        await self._database.write(holding.put_meta, key, value)

    async def verify(
        self,
        schema: Schema | None = None,
        *,
        repair: bool = False,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> Verification:
        """Check every block and signature, and every derived table against them; `repair` rebuilds what is derived.

        What the inbox is read from depends on the schema, and is not checked without it.
        """
        from core.store import verification

        return await self._database.run(verification.verify, self.fleet, schema, repair, progress)
