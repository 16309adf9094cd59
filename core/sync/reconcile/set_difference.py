"""What a sketch finds: which changes to send, and which to ask for.

In how few bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.sync.reconcile.prefix_coding import ShortIdPrefix, encode_prefixes
from core.sync.reconcile.set_sketch import SHORT_BITS, VALUE_BITS, short_id

MAX_RESOLUTION_BITS = VALUE_BITS


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """What follows from a difference: the ids to send, and the prefixes to ask for."""

    ids_to_send: tuple[bytes, ...]
    wanted_prefixes: tuple[ShortIdPrefix, ...]
    encoded_wants: bytes


@dataclass(frozen=True, slots=True)
class SetDifference:
    """Prefixes of the short ids that only this side has, and that only the peer has.

    Look up the own short ids for each of `lookup_prefixes()`, and hand the result to `plan_transfer`.
    """

    ours: tuple[ShortIdPrefix, ...]
    theirs: tuple[ShortIdPrefix, ...]
    peer_count: int

    def lookup_prefixes(self) -> list[ShortIdPrefix]:
        """List the prefixes to look up among the own short ids."""
        resolution = resolution_bits(self.peer_count)
        return [*self.ours, *(prefix.truncate(resolution) for prefix in self.theirs)]

    def plan_transfer(self, held: Sequence[Sequence[tuple[int, bytes]]]) -> TransferPlan | None:
        """Plan the transfer, given what is held for each lookup prefix, in order.

        `held` are `(short id, change id)` pairs. None if something is not held that should be: the
        difference is wrong.
        """
        ours, near = held[: len(self.ours)], held[len(self.ours) :]
        if not all(ours):
            return None
        send = {change: short for found in ours for short, change in found}
        sent = set(send.values())
        resolution = resolution_bits(self.peer_count)
        wanted = tuple(
            prefix.shorten_apart_from((short for short, _ in found if short not in sent), resolution)
            for prefix, found in zip(self.theirs, near, strict=True)
        )
        return TransferPlan(tuple(send), wanted, encode_prefixes(wanted, resolution))


def resolution_bits(count: int) -> int:
    """Give the least number of bits to ask for one of so many changes with: measured."""
    return min(count.bit_length() + 1, MAX_RESOLUTION_BITS)


def find_by_prefix(
    key: bytes, changes: Iterable[bytes], prefixes: Sequence[ShortIdPrefix]
) -> list[list[tuple[int, bytes]]]:
    """Look up prefixes among short ids without an index (salted ones).

    Reads all change ids.
    """
    found: list[list[tuple[int, bytes]]] = [[] for _ in prefixes]
    tables: dict[int, dict[int, list[int]]] = {}
    for index, prefix in enumerate(prefixes):
        tables.setdefault(prefix.bits, {}).setdefault(prefix.value, []).append(index)
    for change in changes:
        short = short_id(key, change)
        for bits, table in tables.items():
            for index in table.get(short >> SHORT_BITS - bits, ()):
                found[index].append((short, change))
    return found
