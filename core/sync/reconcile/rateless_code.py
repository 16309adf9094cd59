"""The rateless code of a block of groups.

About as many sums as the difference has elements, however they fall into the groups.

A group with e elements in the difference needs its sums up to row e, but which group needs how many is not known to
the sender. So of row k it sends, instead of a sum for each group, as many *parities* as groups are likely to have k
elements or more: the sums of w^j s over all groups, j = 0, 1, 2 ..., where s is the group's sum and w its own number.
The receiver goes through the rows. Of a group that it has solved it knows the sums in all further rows; as long as
there are no fewer parities than groups left, it finds the sums of these (a Vandermonde system) and solves some more. If
a row has too few, more parities of it can follow: the code has no fixed rate.

Read: Blokh, Zyablov, "Coding of Generalized Concatenated Codes" (1974); Björck, Pereyra, "Solution of Vandermonde
Systems of Equations" (1970); Dodis, Ostrovsky, Reyzin, Smith, "Fuzzy Extractors" (2008), 6 (PinSketch).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from math import isqrt
from operator import mul

from core.sync.reconcile.polynomials import find_roots, inverse, reconstruct_fraction
from core.sync.reconcile.set_sketch import (
    CHECK_BITS,
    CHECK_MODULUS,
    EXCESS_BITS,
    ROWS,
    VALUE_PRIME,
    Rows,
    element_check,
)

MAX_BLOCK_GROUP_BITS = 8
MAX_BLOCK_GROUPS = 1 << MAX_BLOCK_GROUP_BITS
MAX_ELEMENTS_PER_GROUP = 24
"""How many elements a group may have in the mean: beyond, the rows do not suffice."""
MAX_TRIES_PER_GROUP = 24
"""How often a group is tried to be solved, in the mean."""
EXTRA_SHARE = 16
"""The share of elements (one in so many) that is asked for on top when more is asked for."""
SYMBOL_BYTES = 3


@lru_cache(256)
def group_shares(elements: int, groups: int) -> tuple[int, ...]:
    """Compute the share of groups, in 1/65536, with 1, 2 ... `ROWS` elements or more.

    For `elements` that fall into `groups` at random: a Poisson law, in integers only, since both sides must agree.
    """
    weights = [1 << 64]
    while weights[-1] and len(weights) < 1024:
        weights.append(weights[-1] * elements // (groups * len(weights)))
    total = rest = sum(weights)
    out = []
    for k in range(ROWS):
        rest -= weights[k] if k < len(weights) else 0
        out.append((rest << 16) // total)
    return tuple(out)


@lru_cache(256)
def row_heights(elements: int, groups: int) -> tuple[int, ...]:
    """Compute how many parities of the rows 1, 2 ...

    `ROWS` are sent for so many elements.

    For row k the mean number of groups with k elements or more, and one standard deviation on top. Grows with
    `elements`.
    """
    rows = []
    for share in group_shares(elements, groups):
        deviation = isqrt(groups * share * ((1 << 16) - share))
        rows.append(min(groups, groups * share + deviation + 42598 >> 16))  # 0.65: the rounding that measured best
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class CodePart:
    """A part of a block's code: what `stop_elements` need beyond `start_elements`.

    In the rows from `first_row` on. The first part of a block is `CodePart(0, stop_elements)`.
    """

    start_elements: int
    stop_elements: int
    first_row: int = 1

    def is_allowed(self, groups: int) -> bool:
        """Say whether there is such a part of a block of so many groups."""
        rows = range(1, ROWS + 1 if self.start_elements else 2)
        return (
            0 <= self.start_elements < self.stop_elements <= MAX_ELEMENTS_PER_GROUP * groups and self.first_row in rows
        )

    def parity_ranges(self, groups: int) -> list[tuple[int, int]]:
        """Give for each row which parities it has: `(first, end)`."""
        above = row_heights(self.stop_elements, groups)
        below = row_heights(self.start_elements, groups) if self.start_elements else (0,) * ROWS
        return [
            (low, max(low, high) if row >= self.first_row else low)
            for row, (low, high) in enumerate(zip(below, above, strict=True), 1)
        ]

    def size_bytes(self, groups: int) -> int:
        """Give how many bytes the part has."""
        return _checks_bytes(self, groups) + SYMBOL_BYTES * sum(high - low for low, high in self.parity_ranges(groups))


def _checks_bytes(part: CodePart, groups: int) -> int:
    return 0 if part.start_elements else (groups * CHECK_BITS + 7) // 8


@cache
def _parity_weights(power: int, groups: int) -> list[int]:
    return [pow(group + 1, power, VALUE_PRIME) for group in range(groups)]


def _parity(row: Sequence[int], power: int) -> int:
    total: int = sum(map(mul, row, _parity_weights(power, len(row))))
    return total % VALUE_PRIME


def encode_part(rows: Rows, part: CodePart) -> bytes:
    """Encode a part of the code of these groups.

    Row 0 first, unless an earlier part had it; then for each row the parities as 3 bytes each or, where as many as
    there are groups come at once, the sums themselves.
    """
    groups = len(rows[0])
    out = []
    if not part.start_elements:
        packed = 0
        for cell in rows[0]:
            packed = packed << CHECK_BITS | cell
        out.append(packed.to_bytes(_checks_bytes(part, groups), "big"))
    for row, (low, high) in zip(rows[1:], part.parity_ranges(groups), strict=True):
        symbols = row if high - low == groups else [_parity(row, power) for power in range(low, high)]
        out.extend(symbol.to_bytes(SYMBOL_BYTES, "big") for symbol in symbols)
    return b"".join(out)


def _solve_vandermonde(points: Sequence[int], values: list[int]) -> list[int]:
    """Solve sum(points[i]^j y[i]) = values[j] for y (Björck and Pereyra).

    Points are at most `MAX_BLOCK_GROUPS`.
    """
    count = len(points)
    for k in range(count - 1):
        point = points[k]
        values[k + 1 :] = [(b - point * a) % VALUE_PRIME for a, b in zip(values[k:-1], values[k + 1 :], strict=True)]
    for k in range(count - 2, -1, -1):
        scaled = [
            b * inverse(points[i] - points[i - k - 1], VALUE_PRIME) % VALUE_PRIME
            for i, b in enumerate(values[k + 1 :], k + 1)
        ]
        values[k:] = [values[k] - scaled[0], *(a - b for a, b in pairwise(scaled)), scaled[-1]]
    return [value % VALUE_PRIME for value in values]


class _Group:
    """A group that is not solved yet.

    The sums of its difference, and its cell of row 0.

    All are own less the peer's.
    """

    def __init__(self, check: int, mean: int) -> None:
        self.sums: list[int] = []
        self._check = check
        self._mean = mean
        self._tried_sums = 0

    def solve(self) -> tuple[list[int], list[int]] | None:
        """Give the elements only here and only there, if the sums can tell them."""
        count, tried, period = len(self.sums), self._tried_sums, 1 << EXCESS_BITS
        self._tried_sums = count
        start = -count + (self._check + count) % period
        for excess in sorted(range(start, count + 1, period), key=lambda x: abs(x - self._mean)):
            if (count - excess) % 2 and count > 1 and tried == count - 1:
                continue  # the sums before have told; in rows that came as they are nothing was tried
            found = reconstruct_fraction(self.sums, excess, VALUE_PRIME)
            if found is None:
                continue
            first, second = sorted(found, key=len)
            some = find_roots(first, VALUE_PRIME)
            others = None if some is None else find_roots(second, VALUE_PRIME)
            if some is None or others is None:
                continue
            ours, theirs = (some, others) if first is found[0] else (others, some)
            if (sum(map(element_check, ours)) - sum(map(element_check, theirs)) - self._check) % CHECK_MODULUS == 0:
                return ours, theirs
        return None


class BlockDecoder:
    """Finds the difference in a block of groups from own rows and the peer's code.

    `excess` is how many elements more this side has than the peer in one group, roughly. After each `feed` it
    `is_done`, or `has_failed` (the data cannot be right, or a group holds too many), or needs `next_part()`. `ours` and
    `theirs` are pairs of group and element. The work is bounded by the number of groups, whatever is fed.
    """

    def __init__(self, rows: Rows, excess: int = 0) -> None:
        self._rows = rows
        self._excess = excess
        self._received: list[list[int]] = [[] for _ in range(ROWS)]
        self._is_plain_row = [False] * ROWS
        self._open_groups: dict[int, _Group] = {}
        self._row_index = 0
        self._tries_left = MAX_TRIES_PER_GROUP * len(rows[0])
        self._powers: list[tuple[int, int, int, int]] = []  # group, sign, element, its power for the next row
        self.elements = 0
        self.is_done = self.has_failed = False
        self.ours: list[tuple[int, int]] = []
        self.theirs: list[tuple[int, int]] = []

    def feed(self, stop: int, data: bytes) -> None:
        """Take the part that was asked for, or the first one.

        Raises ValueError for a wrong size.
        """
        groups = len(self._rows[0])
        part = CodePart(self.elements, stop, self._row_index + 1)
        if not part.is_allowed(groups) or len(data) != part.size_bytes(groups):
            raise ValueError("a block of cells has the wrong size")
        at = _checks_bytes(part, groups)
        if at:
            packed = int.from_bytes(data[:at], "big")
            for group in range(groups):
                theirs = packed >> CHECK_BITS * (groups - 1 - group) & CHECK_MODULUS - 1
                self._open_groups[group] = _Group((self._rows[0][group] - theirs) % CHECK_MODULUS, self._excess)
        for row, (low, high) in enumerate(part.parity_ranges(groups)):
            end = at + SYMBOL_BYTES * (high - low)
            symbols = [
                int.from_bytes(data[i : i + SYMBOL_BYTES], "big") % VALUE_PRIME for i in range(at, end, SYMBOL_BYTES)
            ]
            if high - low == groups:
                self._is_plain_row[row], self._received[row] = True, symbols
            else:
                self._received[row] += symbols
            at = end
        self.elements = stop
        while not (self.is_done or self.has_failed) and self._next_row():
            pass

    def next_part(self) -> CodePart:
        """Give the part that should suffice for the groups that are left.

        For so many elements that one expects as many open groups as are left.
        """
        groups, stop = len(self._rows[0]), self.elements
        open_share = min(len(self._open_groups) << 16, (groups << 16) - (1 << 15))
        while stop < MAX_ELEMENTS_PER_GROUP * groups and (
            groups * group_shares(stop, groups)[self._row_index] < open_share
            or row_heights(stop, groups)[self._row_index] < len(self._open_groups)
        ):
            stop += 1 + stop // 64
        return CodePart(
            self.elements, min(stop + 1 + stop // EXTRA_SHARE, MAX_ELEMENTS_PER_GROUP * groups), self._row_index + 1
        )

    def _next_row(self) -> bool:
        """Go through one more row; False if the parities do not suffice for it."""
        sums = self._solve_open_sums()
        if sums is None:
            self.has_failed = self.elements >= MAX_ELEMENTS_PER_GROUP * len(self._rows[0])
            return False
        for group, theirs in sums.items():
            self._open_groups[group].sums.append((self._rows[self._row_index + 1][group] - theirs) % VALUE_PRIME)
        self._powers = [(group, sign, x, power * x % VALUE_PRIME) for group, sign, x, power in self._powers]
        self._row_index += 1
        if self._row_index == ROWS or not self._is_plain_row[self._row_index]:
            self._close_groups()
        self.is_done = not (self._open_groups or self.has_failed)
        self.has_failed = self.has_failed or (self._row_index == ROWS and not self.is_done)
        return True

    def _solve_open_sums(self) -> dict[int, int] | None:
        """Compute the peer's sums in this row for the groups that are not solved yet."""
        received = self._received[self._row_index]
        if self._is_plain_row[self._row_index]:
            return {group: received[group] for group in self._open_groups}
        points = [group + 1 for group in self._open_groups]
        if len(received) < len(points):
            return None
        row = array("q", self._rows[self._row_index + 1])
        for group, sign, _, power in self._powers:
            row[group] -= sign * power
        for group in self._open_groups:
            row[group] = 0
        rest = [(symbol - _parity(row, power)) % VALUE_PRIME for power, symbol in enumerate(received)]
        solved = dict(zip(self._open_groups, _solve_vandermonde(points, rest[: len(points)]), strict=True))
        for power in range(len(points), len(rest)):  # what is more than needed tells whether all was solved rightly
            weights = _parity_weights(power, len(row))
            if (sum(s * weights[group] for group, s in solved.items()) - rest[power]) % VALUE_PRIME:
                self.has_failed = True
        return solved

    def _close_groups(self) -> None:
        for group, unsolved in list(self._open_groups.items()):
            self._tries_left -= 1
            if self._tries_left < 0:
                self.has_failed = True
                return
            solution = unsolved.solve()
            if solution is not None:
                del self._open_groups[group]
                for sign, elements, side in ((1, solution[0], self.ours), (-1, solution[1], self.theirs)):
                    side.extend((group, x) for x in elements)
                    self._powers.extend((group, sign, x, pow(x, self._row_index + 1, VALUE_PRIME)) for x in elements)
