"""The store as sync sees it: a set of changes, by their ids and their exact bytes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from core.store.connection import Database, transaction
from core.store.queries import stats
from core.store.types import SaveResult, SaveTally, SendOrder, SetSummary

# A command that only reads has to start fast: what writing and sync need is imported where it is used.
if TYPE_CHECKING:
    from core.changes import Block
    from core.membership import Membership
    from core.mountain_range import Range
    from core.store.indexes.acceptance import MembershipCache
    from core.sync.holdings import Holding
    from core.sync.position_proofs import CutChain, ProvenPast
    from core.sync.reconcile.merkle import MerkleNode
    from core.sync.reconcile.prefix_coding import ShortIdPrefix
    from core.sync.reconcile.set_sketch import SetSketch

Clock = Callable[[], int]
"""Microseconds since 1970 UTC."""
Entropy = Callable[[int], bytes]
"""So many random bytes."""


class BlockStore:
    """The changes of one device's store. Every method is one hop to its thread."""

    def __init__(self, database: Database, fleet: bytes, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._seen_version = 0
        self._membership_cache: MembershipCache | None = None
        self.fleet = fleet
        self.tally = SaveTally()

    def _membership(self, connection: stats.Connection) -> Membership:
        from core.store.indexes.acceptance import MembershipCache

        self._membership_cache = self._membership_cache or MembershipCache()
        return self._membership_cache.read_membership(connection, self.fleet)

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
        """These changes, those first that are most useful to a peer near `nearby`."""
        from core.store.queries import sync_source

        return SendOrder(
            *await self._database.run(sync_source.order_for_sending, list(hashes), self.fleet, list(nearby))
        )

    async def sketch(self) -> tuple[SetSummary, SetSketch | None]:
        """The summary and the cells of one set of changes; no cells before genesis."""
        from core.store.queries import sync_source

        count, root, cells = await self._database.run(sync_source.read_summary_and_cells)
        return SetSummary(count, root), cells

    async def short_ids(self, prefixes: Sequence[ShortIdPrefix]) -> list[list[tuple[int, bytes]]]:
        """The short ids and change ids that begin with each of these prefixes."""
        from core.store.indexes import short_ids

        return await self._database.run(short_ids.find_by_prefixes, list(prefixes))

    async def all_short_ids(self) -> array[int]:
        """All short ids in ascending order."""
        from core.store.indexes import short_ids

        return await self._database.run(short_ids.read_all_short_ids)

    async def fleet_secret(self) -> bytes | None:
        """The fleet's secret, which keys the short ids; None before the genesis."""
        from core.store.indexes import short_ids

        return await self._database.run(short_ids.read_secret)

    async def obsolete_hints(self, hashes: Sequence[bytes]) -> dict[bytes, list[int]]:
        """The places of those facts of these changes that are no leaves here."""
        from core.store.indexes import obsolete_hints

        return await self._database.run(obsolete_hints.read_obsolete_hints, list(hashes))

    async def clear_obsolete_hints(self) -> None:
        """Drop what only a peer's word or an unkept proof said: all it has is here."""
        from core.store import intake

        await self._database.run(intake.clear_hints, self._membership, self.fleet)

    async def note_equal_sets(self, peer: bytes, link: str, root: bytes) -> list[Holding]:
        """Note that a peer holds the set with this root; give what to report to it."""
        from core.store import intake

        equal = intake.EqualSets(peer, link, self._clock(), root)
        return await self._database.run(intake.note_equal_sets, equal, self._membership)

    async def note_reported_holdings(self, reporter: bytes, reported: Sequence[Holding]) -> None:
        """Note what a peer with equal roots reported of third devices."""
        from core.store import intake

        await self._database.run(intake.note_reported_holdings, reporter, list(reported), self._membership)

    async def save_blocks(
        self,
        blocks: Iterable[bytes],
        *,
        source_device: bytes | None = None,
        link: str = "own",
        obsolete_hints: Mapping[bytes, Sequence[int]] | None = None,
    ) -> SaveResult:
        """Keep blocks from elsewhere in one transaction, on the disk on return.

        Idempotent. Each block is decoded and its signature checked first; what is refused leaves nothing behind.
        `source_device` is the device that it came from and `link` over what. The facts that `obsolete_hints` names are
        no leaves until `clear_obsolete_hints`.
        """
        return await self._database.run(self._save, list(blocks), source_device, link, obsolete_hints or {})

    def _save(
        self,
        connection: stats.Connection,
        blocks: list[bytes],
        source: bytes | None,
        link: str,
        hints: Mapping[bytes, Sequence[int]],
    ) -> SaveResult:
        from core.store import intake

        checked = intake.check_blocks(connection, blocks, self.fleet)
        kept = self._keep(connection, checked.good, source, link, hints, ())
        return SaveResult(kept.added_count, kept.known_count + checked.known_count, (*checked.refused, *kept.refused))

    async def keep_blocks(
        self,
        blocks: Sequence[Block],
        *,
        source_device: bytes | None = None,
        link: str = "own",
        obsolete_hints: Mapping[bytes, Sequence[int]] | None = None,
        proven: Sequence[ProvenPast] = (),
    ) -> SaveResult:
        """Do as `save_blocks` does with blocks whose signatures the caller has checked.

        `proven` is what was proven of where some of them lie.
        """
        return await self._database.run(self._keep, list(blocks), source_device, link, obsolete_hints or {}, proven)

    def _keep(
        self,
        connection: stats.Connection,
        blocks: list[Block],
        source: bytes | None,
        link: str,
        hints: Mapping[bytes, Sequence[int]],
        proven: Sequence[ProvenPast],
    ) -> SaveResult:
        from core.store import intake
        from core.store.ingest import Receipt

        # Signatures are checked before the file is locked, so that a long batch does not keep other processes waiting.
        receipt = Receipt(self._clock(), source, link)
        unique = {block.id: block for block in blocks}
        batch = intake.Batch(unique, receipt, hints, proven)
        kept = intake.Kept(0)
        if unique:
            kept = transaction(connection, intake.keep_batch, batch, self._membership, self.fleet)
            self.tally.received_count += kept.added_count
        return SaveResult(kept.added_count, len(unique) - kept.added_count - len(kept.refused), kept.refused)

    async def chain_starts(self, hashes: Sequence[bytes]) -> tuple[set[bytes], set[bytes]]:
        """What can be left out of changes for a peer that holds all else held here."""
        from core.store.queries import sync_source

        return await self._database.run(sync_source.find_chain_starts, list(hashes))

    async def cut_chains(self, hashes: Sequence[bytes]) -> list[CutChain]:
        """The chains, in part, of devices of which not all changes count alike."""
        from core.store.indexes import proven_positions

        def read(connection: stats.Connection) -> list[CutChain]:
            return proven_positions.read_cut_chains(connection, self._membership(connection), hashes)

        return await self._database.run(read)

    async def chain_ids(self, change: bytes) -> list[bytes]:
        """The ids of the chain of this change to its end; None if it does not follow."""
        from core.store.queries import sync_source

        return await self._database.run(sync_source.read_chain_ids, change)

    async def tips(self, places: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int, bytes, Range | None]]:
        """The changes at these places, each with its range if it ends a linked chain.

        Places are (device, position).
        """
        from core.store.queries import sync_source

        return await self._database.run(sync_source.read_tips_at, list(places))
