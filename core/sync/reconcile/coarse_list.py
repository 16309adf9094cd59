"""Coarse lists: short ids cut off so far that a few are taken for others.

A device that was away for long lacks a tenth of all changes, or has as many alone. Then a list of all its short ids
costs less than a code, and most of its bits only serve to tell the last few apart. A coarse list leaves these out: what
is not on it is surely not held there, and the few that only seem to be on it remain as a small difference, for a code.

Read: Ozisik et al., "Graphene: Efficient Interactive Set Reconciliation Applied to Blockchain Propagation" (SIGCOMM
2019); Putze, Sanders, Singler, "Cache-, Hash-, and Space-Efficient Bloom Filters" (2009), 3.2 (Golomb-coded sets).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.sync.reconcile.prefix_coding import estimate_list_bytes, is_ascending
from core.sync.reconcile.set_sketch import SHORT_BITS

MIN_RESOLUTION_BITS = 8
CODE_BYTES_PER_ELEMENT = 6
"""What a difference costs by a code, with asking for it."""
REST_COST_PER_ELEMENT = 16
"""What a difference that remains is worth in bytes: those of its code, and the time to decode it."""
REST_BYTES = 1 << 11
"""What the second part costs at least: a meter, a code of few elements, and a round trip."""
MAX_CODED_ELEMENTS = 40_000
"""A difference of more is not left to a code, which takes 0.13 ms of CPU for each."""
_STRIDE = 1 << 12
"""How many short ids are compared at once."""


def choose_resolution(listed: int, difference: int) -> int:
    """Choose how many bits of each short id a list gets, for the least cost.

    Args:
        listed: How many short ids the list has.
        difference: How many changes just one side has, as far as known.
    """
    lowest = max(MIN_RESOLUTION_BITS, listed.bit_length())
    return min(range(lowest, SHORT_BITS), key=lambda bits: _cost(listed, difference, bits, REST_COST_PER_ELEMENT))


def is_coarse_list_better(listed: int, difference: int, list_bytes: int) -> bool:
    """Say whether a coarse list is better than a code, and than a whole list.

    The latter has `list_bytes`. In integers only, since both sides must agree.
    """
    coarse = _cost(listed, difference, choose_resolution(listed, difference), CODE_BYTES_PER_ELEMENT) + REST_BYTES
    is_coded = difference <= MAX_CODED_ELEMENTS and CODE_BYTES_PER_ELEMENT * difference <= coarse
    return not is_coded and coarse < list_bytes


def _cost(listed: int, difference: int, bits: int, rest_cost: int) -> int:
    return estimate_list_bytes(listed, bits) + (rest_cost * difference * listed >> bits)


@dataclass(frozen=True, slots=True)
class ListComparison:
    """What one side finds when it compares its set with the peer's list.

    `ours` are short ids that are not on the list, `theirs` entries of it (with repetitions) that none here begins with.
    """

    ours: array[int]
    theirs: array[int]


def compare_list(heads: Sequence[int], resolution: int, shorts: Iterable[int]) -> ListComparison:
    """Compare the heads that the peer listed, in order, with the own short ids."""
    own = shorts if isinstance(shorts, array) and is_ascending(shorts) else array("Q", sorted(shorts))
    ours, theirs = array("Q"), array("Q")
    cut = SHORT_BITS - resolution
    at = listed_at = 0
    while at < len(own) or listed_at < len(heads):
        # All up to some head, so that what begins alike is never parted.
        last = (1 << resolution) - 1 if at + _STRIDE >= len(own) else own[at + _STRIDE] >> cut
        end, listed_end = bisect_left(own, last + 1 << cut, at), bisect_left(heads, last + 1, listed_at)
        here, there = own[at:end], heads[listed_at:listed_end]
        listed, held = set(there), {short >> cut for short in here}
        if listed != held:
            ours.extend(short for short in here if short >> cut not in listed)
            theirs.extend(head for head in there if head not in held)
        at, listed_at = end, listed_end
    return ListComparison(ours, theirs)


def select_listed(heads: Iterable[int], resolution: int, shorts: Iterable[int]) -> array[int]:
    """Select the short ids that begin with one of these heads."""
    wanted, cut = set(heads), SHORT_BITS - resolution
    return array("Q", (short for short in shorts if short >> cut in wanted))
