"""The sketch of a set: a small summary from which a code is made.

It is kept up to date as the set grows.

A change's *short id* is 48 bits of a keyed hash of its id: 24 bits of *value* and below them 24 bits of *position*.
Short ids that begin with the same bits are next to each other in an index of short ids, so the first bits of one find
the change. Three things are kept:

- `whole`: power sums of the first 28 bits of all short ids, modulo a prime. A few of them give a small difference.
- `rows`: the same for each of `GROUPS` groups, which the first bits of the position make, over the values; groups can
  be joined by adding them. Row 0 holds how many elements a group has (5 bits) and a check of them (15 bits).
- `meter`: parities, from which the size of a difference is estimated (odd sketches with sampling).

All of them are sums or XORs over the set, so the order of arrival cannot be seen in them, and those of two sets differ
by just the elements that the sets do not share.

Read: Minsky, Trachtenberg, Zippel, "Set Reconciliation with Nearly Optimal Communication Complexity" (2003);
Mitzenmacher, Pagh, Pham, "Efficient Estimation for High Similarities using Odd Sketches" (WWW 2014).
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import TypeAlias

from blake3 import blake3

SHORT_BITS = 48
POSITION_BITS = 24
VALUE_BITS = SHORT_BITS - POSITION_BITS
VALUE_PRIME = 2**24 - 17
WHOLE_BITS = 28
WHOLE_PRIME = 2**28 - 57
WHOLE_SUMS = 12
GROUP_BITS = 10
GROUPS = 1 << GROUP_BITS
ROWS = 32
CHECK_BITS = 20
CHECK_MODULUS = 1 << CHECK_BITS
EXCESS_BITS = 5
METER_LEVELS = 6
METER_LEVEL_BITS = 128
METER_BYTES = METER_LEVELS * METER_LEVEL_BITS // 8

_FORMAT = 1
_HEAD = struct.Struct(f"<BQ{WHOLE_SUMS}I")
_CELL_COUNT = (ROWS + 1) * GROUPS
SKETCH_BYTES = _HEAD.size + METER_BYTES + 3 * _CELL_COUNT
"""How many bytes the kept cells have."""

_CONTEXT = "Fieldline 2025 short ids of changes"


def short_key(secret: bytes, salt: bytes = b"") -> bytes:
    """Derive the key of the short ids from the fleet's secret.

    Another salt, unrelated short ids.
    """
    return blake3(secret + salt, derive_key_context=_CONTEXT).digest()


def short_id(key: bytes, change: bytes) -> int:
    """Compute the 48-bit short id of a change id.

    The value part is below `VALUE_PRIME` - 1.
    """
    number = int.from_bytes(blake3(change, key=key).digest(length=8), "big")
    return (number >> POSITION_BITS) % (VALUE_PRIME - 1) << POSITION_BITS | number & (1 << POSITION_BITS) - 1


def element_check(element: int) -> int:
    """Compute what an element (a value plus 1) adds to row 0.

    1 and, above `EXCESS_BITS`, a check.

    It has to be far from linear, since the sums of wrong elements agree with those of the right ones.
    """
    mixed = element * 0x9E3779B1 & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 15) * 0x85EBCA6B & 0xFFFFFFFF
    return (mixed ^ mixed >> 13) >> 32 - CHECK_BITS + EXCESS_BITS << EXCESS_BITS | 1


def power_sums(elements: Sequence[int], count: int, prime: int) -> list[int]:
    """Compute the sums of x, x^2 ... x^count over the elements."""
    sums, powers = [], elements
    for _ in range(count - 1):
        sums.append(sum(powers) % prime)
        powers = [x * y % prime for x, y in zip(powers, elements, strict=True)]
    sums.append(sum(powers) % prime)
    return sums


def pack_sums(sums: Iterable[int]) -> bytes:
    """Pack the sums of a whole set, `WHOLE_BITS` bits each."""
    bits = "".join(format(total, f"0{WHOLE_BITS}b") for total in sums)
    return int(bits, 2).to_bytes(WHOLE_BITS * WHOLE_SUMS // 8, "big")


def unpack_sums(body: bytes) -> list[int]:
    """Read what `pack_sums` gave. Raises ValueError for anything that cannot be that."""
    if len(body) != WHOLE_BITS * WHOLE_SUMS // 8:
        raise ValueError("the sums of a set have the wrong size")
    bits = format(int.from_bytes(body, "big"), f"0{8 * len(body)}b")
    sums = [int(bits[at : at + WHOLE_BITS], 2) for at in range(0, len(bits), WHOLE_BITS)]
    if any(total >= WHOLE_PRIME for total in sums):
        raise ValueError("a sum is too large")
    return sums


Rows: TypeAlias = "list[array[int]]"
"""Row 0 to row `ROWS`, each with a cell for every group."""


def empty_rows(bits: int) -> Rows:
    """Make the rows of 2**bits groups without an element."""
    return [array("I", bytes(4 << bits)) for _ in range(ROWS + 1)]


def add_to_rows(rows: Rows, shorts: Iterable[int], bits: int) -> None:
    """Add short ids to the rows of 2**bits groups.

    Only the cells of their groups are touched.
    """
    members: dict[int, list[int]] = {}
    for short in shorts:
        members.setdefault((short & (1 << POSITION_BITS) - 1) >> POSITION_BITS - bits, []).append(
            (short >> POSITION_BITS) + 1
        )
    for group, elements in members.items():
        rows[0][group] = (rows[0][group] + sum(map(element_check, elements))) % CHECK_MODULUS
        for row, total in zip(rows[1:], power_sums(elements, ROWS, VALUE_PRIME), strict=True):
            row[group] = (row[group] + total) % VALUE_PRIME


class SetSketch:
    """The sketch of a set of short ids, all different.

    `count` is how many there are. Serialised it has `SKETCH_BYTES`; a set can be folded in piece by piece, in any
    order.
    """

    def __init__(self) -> None:
        self.count = 0
        self.whole_sums = [0] * WHOLE_SUMS
        self._meter = [0] * METER_LEVELS
        self._packed: bytes | None = bytes(3 * _CELL_COUNT)
        self._rows: Rows | None = None

    @classmethod
    def from_short_ids(cls, shorts: Iterable[int]) -> SetSketch:
        """Make the sketch of a whole set."""
        cells = cls()
        cells.add_short_ids(shorts)
        return cells

    def add_short_ids(self, shorts: Iterable[int]) -> None:
        """Add short ids that are not in the set yet: a few microseconds each."""
        new = list(shorts)
        self.count += len(new)
        sums = power_sums([(short >> SHORT_BITS - WHOLE_BITS) + 1 for short in new], WHOLE_SUMS, WHOLE_PRIME)
        self.whole_sums = [(a + b) % WHOLE_PRIME for a, b in zip(self.whole_sums, sums, strict=True)]
        for short in new:
            sampled = short | 1 << 2 * METER_LEVELS - 2
            level = (sampled & -sampled).bit_length() - 1 >> 1
            self._meter[level] ^= 1 << (short >> POSITION_BITS) % METER_LEVEL_BITS
        add_to_rows(self._unpack_rows(), new, GROUP_BITS)
        self._packed = None

    def without(self, shorts: Iterable[int]) -> SetSketch:
        """Make the sketch of this set less some of its short ids: a few microseconds each."""
        gone = SetSketch.from_short_ids(shorts)
        rest = SetSketch()
        rest.count = self.count - gone.count
        rest.whole_sums = [(a - b) % WHOLE_PRIME for a, b in zip(self.whole_sums, gone.whole_sums, strict=True)]
        rest._meter = [a ^ b for a, b in zip(self._meter, gone._meter, strict=True)]
        rows = zip(self._unpack_rows(), gone._unpack_rows(), strict=True)
        moduli = chain([CHECK_MODULUS], repeat(VALUE_PRIME))
        rest._rows = [
            array("I", [(x - y) % modulus for x, y in zip(a, b, strict=True)])
            for (a, b), modulus in zip(rows, moduli, strict=False)
        ]
        rest._packed = None
        return rest

    def _unpack_rows(self) -> Rows:
        if self._rows is None:
            packed = self._packed or b""
            wide = bytearray(4 * _CELL_COUNT)
            for plane in range(3):
                wide[plane::4] = packed[plane * _CELL_COUNT : (plane + 1) * _CELL_COUNT]
            flat = struct.unpack(f"<{_CELL_COUNT}I", wide)
            self._rows = [array("I", flat[at : at + GROUPS]) for at in range(0, _CELL_COUNT, GROUPS)]
        return self._rows

    def group_rows(self, bits: int) -> Rows:
        """Give rows 0 to `ROWS` of 2**bits groups, `bits` at most `GROUP_BITS`."""
        if bits == GROUP_BITS:
            return self._unpack_rows()
        width = 1 << GROUP_BITS - bits
        joined = []
        for index, row in enumerate(self._unpack_rows()):
            modulus = VALUE_PRIME if index else CHECK_MODULUS
            joined.append(array("I", [sum(row[at : at + width]) % modulus for at in range(0, GROUPS, width)]))
        return joined

    @property
    def meter(self) -> bytes:
        """The parities, `METER_BYTES`."""
        return b"".join(level.to_bytes(METER_LEVEL_BITS // 8, "little") for level in self._meter)

    def estimate_difference(self, meter: bytes) -> float:
        """Estimate how many elements are in just one of this set and that of a meter.

        The meter has `METER_BYTES`. The maximum of the likelihood; its standard error is about 15 %. It saturates
        at about 200,000.
        """
        odd = [(a ^ b).bit_count() for a, b in zip(_levels(self.meter), _levels(meter), strict=True)]

        def likelihood(size: float) -> float:
            total = 0.0
            for level, ones in enumerate(odd):
                share = 4.0**-level * (0.75 if level < METER_LEVELS - 1 else 1)
                even = math.exp(-2 * size * share / METER_LEVEL_BITS)
                total += ones * math.log((1 - even) / 2) + (METER_LEVEL_BITS - ones) * math.log((1 + even) / 2)
            return total

        return max((1.02**step for step in range(640)), key=likelihood)

    def to_bytes(self) -> bytes:
        """Serialise the sketch."""
        if self._packed is None:
            wide = struct.pack(f"<{_CELL_COUNT}I", *chain.from_iterable(self._unpack_rows()))
            self._packed = b"".join(wide[plane::4] for plane in range(3))
        return _HEAD.pack(_FORMAT, self.count, *self.whole_sums) + self.meter + self._packed

    @classmethod
    def from_bytes(cls, data: bytes) -> SetSketch:
        """Read what `to_bytes` gave. Raises ValueError for anything that cannot be that."""
        if len(data) != SKETCH_BYTES or data[0] != _FORMAT:
            raise ValueError("not the cells of a set in this version's format")
        cells = cls()
        _, cells.count, *cells.whole_sums = _HEAD.unpack_from(data)
        cells._meter = _levels(data[_HEAD.size : _HEAD.size + METER_BYTES])
        cells._packed = data[_HEAD.size + METER_BYTES :]
        return cells


def _levels(meter: bytes) -> list[int]:
    size = METER_LEVEL_BITS // 8
    return [int.from_bytes(meter[at : at + size], "little") for at in range(0, METER_BYTES, size)]
