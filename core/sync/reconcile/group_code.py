"""The code of all groups of a set, encoded and decoded.

Groups come in blocks (`rateless_code`). Both sides hold the rows of their own groups.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.sync.reconcile.prefix_coding import ShortIdPrefix, decode_varint, encode_varint
from core.sync.reconcile.rateless_code import (
    MAX_BLOCK_GROUP_BITS,
    MAX_BLOCK_GROUPS,
    BlockDecoder,
    CodePart,
    encode_part,
)
from core.sync.reconcile.set_sketch import GROUP_BITS, VALUE_BITS, Rows

MIN_GROUP_BITS = 2
"""Fewer groups would save nothing."""
MAX_GROUP_BITS = 13
"""At most 2**13 groups, for about 100,000 differences."""
MAX_GROUP_LOAD = 12
"""Groups are made so many that they have fewer elements than this each."""
MAX_KEPT_GROUP_LOAD = 14
"""The same for as many groups as are kept: for more of them all short ids have to be read."""
MAX_EXTENSIONS = 8
"""How often more may be asked for: a difference that takes more was estimated for another set."""


@dataclass(frozen=True, slots=True)
class CodeShape:
    """2**`group_bits` groups, and of how many `elements` a block's code is."""

    group_bits: int
    elements: int

    @classmethod
    def of_difference(cls, elements: int) -> CodeShape:
        """Choose the shape for a difference of so many elements."""
        bits = next(
            bits
            for bits in range(MIN_GROUP_BITS, 64)
            if elements >> bits < (MAX_KEPT_GROUP_LOAD if bits == GROUP_BITS else MAX_GROUP_LOAD)
        )
        return cls(bits, -(-elements >> max(bits - MAX_BLOCK_GROUP_BITS, 0)))

    @property
    def is_allowed(self) -> bool:
        """Whether a code may have so many groups."""
        return MIN_GROUP_BITS <= self.group_bits <= MAX_GROUP_BITS

    @property
    def size_bytes(self) -> int:
        """How many bytes the first part of such a code has."""
        groups = min(1 << self.group_bits, MAX_BLOCK_GROUPS)
        blocks = 1 << max(self.group_bits - MAX_BLOCK_GROUP_BITS, 0)
        return blocks * CodePart(0, self.elements).size_bytes(groups)


def decode_shape(body: bytes) -> tuple[CodeShape, int]:
    """Read the shape that a code begins with, and where it ends. Raises ValueError."""
    elements, end = decode_varint(body, 1)
    shape = CodeShape(body[0], elements)
    if not shape.is_allowed:
        raise ValueError("a sketch has a wrong number of groups")
    return shape, end


class GroupCode:
    """The code of one side's groups.

    The sender calls `encode`, then `encode_more` for each request; the receiver `decode` for each part, until it
    `is_done` or `has_failed`, and `request_more` after the others. ValueError is raised for what a peer that keeps to
    the rules does not send.
    """

    def __init__(self, shape: CodeShape, rows: Rows, excess: int) -> None:
        """`excess` is how many elements more than the peer's set the own one has, roughly."""
        self._shape = shape
        self._rows = [
            [row[at : at + MAX_BLOCK_GROUPS] for row in rows] for at in range(0, len(rows[0]), MAX_BLOCK_GROUPS)
        ]
        self._groups = len(self._rows[0][0])
        self._blocks = [BlockDecoder(each, excess >> shape.group_bits) for each in self._rows]
        self._parts = dict.fromkeys(range(len(self._blocks)), CodePart(0, shape.elements))
        self._extensions = 0
        self.has_failed = False

    @property
    def is_done(self) -> bool:
        """Whether all of the difference is decoded."""
        return not (self._parts or self.has_failed)

    def encode(self) -> bytes:
        """Encode the shape and the first part of all blocks."""
        code = b"".join(encode_part(rows, CodePart(0, self._shape.elements)) for rows in self._rows)
        return bytes([self._shape.group_bits]) + encode_varint(self._shape.elements) + code

    def encode_more(self, request: bytes) -> bytes:
        """Encode the parts that were asked for."""
        self._extensions += 1
        code = []
        at, last = 0, -1
        while at < len(request):
            fields = []
            for _ in range(4):
                value, at = decode_varint(request, at)
                fields.append(value)
            index, part = fields[0], CodePart(*fields[1:])
            if not last < index < len(self._rows) or not part.start_elements or not part.is_allowed(self._groups):
                raise ValueError("more is asked for than there is")
            code.append(encode_part(self._rows[index], part))
            last = index
        if not code or self._extensions > MAX_EXTENSIONS:
            raise ValueError("more is asked for too often")
        return b"".join(code)

    def decode(self, code: bytes) -> None:
        """Decode the code of all blocks, or of those that more was asked of."""
        if not all(part.is_allowed(self._groups) for part in self._parts.values()):
            raise ValueError("a sketch is of too many elements")
        if sum(part.size_bytes(self._groups) for part in self._parts.values()) != len(code):
            raise ValueError("a sketch has the wrong size")
        at = 0
        more = {}
        for index, part in self._parts.items():
            block, end = self._blocks[index], at + part.size_bytes(self._groups)
            block.feed(part.stop_elements, code[at:end])
            at = end
            if block.has_failed:
                self.has_failed = True
                return
            if not block.is_done:
                more[index] = block.next_part()
        self._parts = more
        self._extensions += bool(more)
        self.has_failed = self._extensions > MAX_EXTENSIONS

    def request_more(self) -> bytes:
        """Make the request for more of the blocks that are not done."""
        return b"".join(
            encode_varint(value)
            for index, p in self._parts.items()
            for value in (index, p.start_elements, p.stop_elements, p.first_row)
        )

    def list_prefixes(self) -> tuple[list[ShortIdPrefix], list[ShortIdPrefix]]:
        """List the prefixes that were decoded, ours and theirs."""
        group_bits = self._shape.group_bits
        bits, width = VALUE_BITS + group_bits, min(group_bits, MAX_BLOCK_GROUP_BITS)
        ours: list[ShortIdPrefix] = []
        theirs: list[ShortIdPrefix] = []
        for index, block in enumerate(self._blocks):
            for found, prefixes in ((block.ours, ours), (block.theirs, theirs)):
                prefixes.extend(ShortIdPrefix(x - 1 << group_bits | index << width | group, bits) for group, x in found)
        return ours, theirs
