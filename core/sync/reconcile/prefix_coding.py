"""Lists of short ids, each cut off where it is unique, in few bits.

In about as few as such a list can have.

Their first bits, as many for all (the *resolution*), are sorted and sent as Golomb-Rice coded gaps: a list of n out of
N takes about log2(N / n) + 1.5 bits each. Behind all gaps come, for each in turn, the few further bits that it needs so
as not to be confused with a short id that is not meant: a 1 and the bit for each of them, and then a 0.

Read: Rice, "Some Practical Universal Noiseless Coding Techniques" (1979).
"""

from __future__ import annotations

import operator
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from core.sync.reconcile.set_sketch import SHORT_BITS

MAX_VARINT_BYTES = 5
MAX_TABLE_GAPS = 1 << 12
"""Codes of so many gaps are looked up instead of made."""
PIECES_AT_ONCE = 1 << 13
"""Codes that are packed at once: memory stays small, and so do the numbers."""


@dataclass(frozen=True, slots=True)
class ShortIdPrefix:
    """The first `bits` bits of some short ids."""

    value: int
    bits: int

    @property
    def first_short_id(self) -> int:
        """The least short id that begins so."""
        return self.value << SHORT_BITS - self.bits

    @property
    def last_short_id(self) -> int:
        """The greatest short id that begins so."""
        return (self.value + 1 << SHORT_BITS - self.bits) - 1

    def truncate(self, bits: int) -> ShortIdPrefix:
        """Cut off all but the first bits; itself if it has no more."""
        return ShortIdPrefix(self.value >> self.bits - bits, bits) if bits < self.bits else self

    def shorten_apart_from(self, others: Iterable[int], min_bits: int) -> ShortIdPrefix:
        """Give the shortest part that no one of `others` begins with.

        Of `min_bits` or more.

        Itself if there is no such part.
        """
        first = self.first_short_id
        alike = max((SHORT_BITS - (short ^ first).bit_length() for short in others), default=0)
        return self.truncate(max(min_bits, alike + 1))


def encode_prefixes(prefixes: Iterable[ShortIdPrefix], resolution: int) -> bytes:
    """Encode a list of prefixes with at least `resolution` bits each."""
    split = sorted((prefix.truncate(resolution).value, _tail_bits(prefix, resolution)) for prefix in prefixes)
    return _pack_list([head for head, _ in split], resolution, [tail for _, tail in split])


def decode_prefixes(data: bytes, resolution: int, limit: int) -> list[ShortIdPrefix]:
    """Decode a list of at most `limit` prefixes, sorted.

    Raises ValueError for anything else.
    """
    heads, tails = _unpack_list(data, resolution, limit, tailed=True)
    return [
        ShortIdPrefix(head << len(tail) | int(tail or "0", 2), resolution + len(tail))
        for head, tail in zip(heads, tails, strict=True)
    ]


def encode_short_ids(shorts: Iterable[int], resolution: int) -> bytes:
    """Encode the first `resolution` bits of short ids."""
    cut = SHORT_BITS - resolution
    heads = array("Q", (short >> cut for short in shorts))
    return _pack_list(array("Q", sorted(heads)) if not is_ascending(heads) else heads, resolution, None)


def is_ascending(numbers: Sequence[int]) -> bool:
    """Say whether numbers are in order, with repetitions."""
    return all(map(operator.le, numbers, islice(numbers, 1, None)))


def decode_short_ids(data: bytes, resolution: int, limit: int) -> array[int]:
    """Decode a list of at most `limit` short ids, sorted.

    Raises ValueError for anything else.
    """
    return _unpack_list(data, resolution, limit, tailed=False)[0]


def estimate_list_bytes(count: int, resolution: int) -> int:
    """Estimate how many bytes `encode_short_ids` gives for so many short ids."""
    return 3 + count * (max(resolution - count.bit_length(), 0) + 3) // 8


def _tail_bits(prefix: ShortIdPrefix, resolution: int) -> str:
    more = prefix.bits - resolution
    return format(prefix.value & (1 << more) - 1, f"0{more}b") if more else ""


def _pack_list(heads: Sequence[int], resolution: int, tails: Sequence[str] | None) -> bytes:
    gaps = map(operator.sub, heads, chain((0,), heads))
    pieces = _encode_gaps(gaps, max(resolution - len(heads).bit_length(), 0))
    if tails is not None:
        pieces = chain(pieces, ("".join(f"1{bit}" for bit in tail) + "0" for tail in tails))
    return encode_varint(len(heads)) + _pack_bits(pieces)


def _encode_gaps(gaps: Iterable[int], low: int) -> Iterator[str]:
    """Encode gaps by Golomb-Rice with `low` plain bits; the common ones are looked up."""
    table = [_encode_gap(gap, low) for gap in range(min(4 << low, MAX_TABLE_GAPS))]
    size = len(table)
    return (table[gap] if gap < size else _encode_gap(gap, low) for gap in gaps)


def _encode_gap(gap: int, low: int) -> str:
    return "1" * (gap >> low) + "0" + (format(gap & (1 << low) - 1, f"0{low}b") if low else "")


def _pack_bits(pieces: Iterable[str]) -> bytes:
    """Pack bits, the first one highest, and pad the last byte with zeros."""
    out = bytearray()
    rest, source = "", iter(pieces)
    while some := list(islice(source, PIECES_AT_ONCE)):
        bits = rest + "".join(some)
        size = len(bits) // 8
        out += int(bits[: 8 * size] or "0", 2).to_bytes(size, "big")
        rest = bits[8 * size :]
    if rest:
        out.append(int(rest.ljust(8, "0"), 2))
    return bytes(out)


def _unpack_list(data: bytes, resolution: int, limit: int, *, tailed: bool) -> tuple[array[int], list[str]]:
    count, at = decode_varint(data, 0)
    body = data[at:]
    low = max(resolution - count.bit_length(), 0)
    # The gaps add up to less than 2**resolution: so no list is longer, and what is longer is not even looked at.
    most = count * (1 + low + (1 + 2 * (SHORT_BITS - resolution) if tailed else 0)) + (1 << resolution >> low)
    if count > min(limit, 8 * len(body)) or 8 * len(body) > most + 7:
        raise ValueError("a list of short ids is too long")
    bits = format(int.from_bytes(body, "big"), f"0{8 * len(body)}b") if body else ""
    tails: list[str] = []
    heads, at = _decode_gaps(bits, count, low)
    last = heads[-1] if heads else 0
    for _ in range(count if tailed else 0):
        end = at
        while bits[end : end + 1] == "1":
            end += 2
        tails.append(bits[at + 1 : end : 2])
        at = end + 1
    if (
        not 0 <= 8 * len(body) - at < 8
        or "1" in bits[at:]
        or last >> resolution
        or any(resolution + len(tail) > SHORT_BITS for tail in tails)
    ):
        raise ValueError("a list of short ids is not in its one form")
    return heads, tails


def _decode_gaps(bits: str, count: int, low: int) -> tuple[array[int], int]:
    """Decode so many numbers from their gaps, and give where they end."""
    numbers = array("Q")
    at = last = 0
    for _ in range(count):
        end = bits.index("0", at)
        last += end - at << low | int(bits[end + 1 : end + 1 + low] or "0", 2)
        at = end + 1 + low
        numbers.append(last)
    return numbers, at


def encode_varint(value: int) -> bytes:
    """Encode an unsigned LEB128 number."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode a number, and give where it ends.

    Raises ValueError above `MAX_VARINT_BYTES`.
    """
    value = 0
    for shift in range(MAX_VARINT_BYTES):
        if at + shift >= len(data):
            break
        byte = data[at + shift]
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value, at + shift + 1
    raise ValueError("a number is cut off or too large")
