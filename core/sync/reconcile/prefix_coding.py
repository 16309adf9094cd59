"""Lists of short ids, each cut off where it is unique, in few bits.

In about as few as such a list can have.

Their first bits, as many for all (the *resolution*), are sorted and sent as Golomb-Rice coded gaps: a list of n out of
N takes about log2(N / n) + 1.5 bits each. Behind all gaps come, for each in turn, the few further bits that it needs so
as not to be confused with a short id that is not meant: a 1 and the bit for each of them, and then a 0.

Read: Rice, "Some Practical Universal Noiseless Coding Techniques" (1979).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.sync.reconcile.set_sketch import SHORT_BITS

MAX_VARINT_BYTES = 5


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
    return _pack_list(sorted(short >> SHORT_BITS - resolution for short in shorts), resolution, None)


def decode_short_ids(data: bytes, resolution: int, limit: int) -> list[int]:
    """Decode a list of at most `limit` short ids, sorted.

    Raises ValueError for anything else.
    """
    return _unpack_list(data, resolution, limit, tailed=False)[0]


def estimate_list_bytes(count: int, resolution: int) -> int:
    """Estimate how many bytes `encode_short_ids` gives for so many short ids."""
    return 3 + count * (resolution - count.bit_length() + 3) // 8


def _tail_bits(prefix: ShortIdPrefix, resolution: int) -> str:
    more = prefix.bits - resolution
    return format(prefix.value & (1 << more) - 1, f"0{more}b") if more else ""


def _pack_list(heads: Sequence[int], resolution: int, tails: Sequence[str] | None) -> bytes:
    low = max(resolution - len(heads).bit_length(), 0)
    pieces = []
    last = 0
    for head in heads:
        gap = head - last
        pieces.append("1" * (gap >> low) + "0")
        if low:
            pieces.append(format(gap & (1 << low) - 1, f"0{low}b"))
        last = head
    if tails is not None:
        pieces.extend("".join(f"1{bit}" for bit in tail) + "0" for tail in tails)
    bits = "".join(pieces)
    size = (len(bits) + 7) // 8
    body = int(bits.ljust(8 * size, "0") or "0", 2).to_bytes(size, "big")
    return encode_varint(len(heads)) + body


def _unpack_list(data: bytes, resolution: int, limit: int, *, tailed: bool) -> tuple[list[int], list[str]]:
    count, at = decode_varint(data, 0)
    body = data[at:]
    low = max(resolution - count.bit_length(), 0)
    # The gaps add up to less than 2**resolution: so no list is longer, and what is longer is not even looked at.
    most = count * (1 + low + (1 + 2 * (SHORT_BITS - resolution) if tailed else 0)) + (1 << resolution >> low)
    if count > min(limit, 8 * len(body)) or 8 * len(body) > most + 7:
        raise ValueError("a list of short ids is too long")
    bits = format(int.from_bytes(body, "big"), f"0{8 * len(body)}b") if body else ""
    heads: list[int] = []
    tails: list[str] = []
    at = last = 0
    for _ in range(count):
        end = bits.index("0", at)
        last += end - at << low | int(bits[end + 1 : end + 1 + low] or "0", 2)
        at = end + 1 + low
        heads.append(last)
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
