"""What a sketch finds, and what is made of it: which changes to send, and which to ask for in how few bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.sync.reconcile.prefix_coding import ShortIdPrefix, encode_prefixes
from core.sync.reconcile.set_sketch import SHORT_BITS, VALUE_BITS, short_id

MAX_RESOLUTION_BITS = VALUE_BITS


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """What comes of a difference: which changes to send, which to ask for, and the bytes of the list that does."""

    ids_to_send: tuple[bytes, ...]
    wanted_prefixes: tuple[ShortIdPrefix, ...]
    encoded_wants: bytes


@dataclass(frozen=True, slots=True)
class SetDifference:
    """Prefixes of the short ids that only this side has, and of those that only the peer has.

    Look up the own short ids that begin with each of `lookups()`, and hand the result to `settle`.
    """

    ours: tuple[ShortIdPrefix, ...]
    theirs: tuple[ShortIdPrefix, ...]
    peer_count: int

    def lookup_prefixes(self) -> list[ShortIdPrefix]:
        """Which own short ids to look up."""
        resolution = resolution_bits(self.peer_count)
        return [*self.ours, *(prefix.truncate(resolution) for prefix in self.theirs)]

    def plan_transfer(self, held: Sequence[Sequence[tuple[int, bytes]]]) -> TransferPlan | None:
        """What follows from the short ids and change ids held for each of `lookups()`, in the same order.

        None if something is not held that should be: then what was found is wrong.
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
    """With how many bits at least to ask for one of so many: what measured best."""
    return min(count.bit_length() + 1, MAX_RESOLUTION_BITS)


def find_by_prefix(
    key: bytes, changes: Iterable[bytes], prefixes: Sequence[ShortIdPrefix]
) -> list[list[tuple[int, bytes]]]:
    """Look prefixes up among short ids of which there is no index (salted ones), by going through all change ids."""
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
