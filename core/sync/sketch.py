"""The `sketch` mode: two sides find out which changes just one of them has, in few bytes and hardly more than one turn.

Both know how many changes the other has from its hello. One of them *leads* (the one that called):

1. The other sends the power sums of its whole set (SUMS, 43 bytes). If the difference is at most 11, the leading side
   knows it then.
2. If it is larger, the leading side sends its meter (METER, 97 bytes). The other estimates the difference from it and
   sends the code of as many groups as fit (CELLS, about 4 bytes a difference). If that does not suffice, the leading
   side asks for more of it (MORE), if need be again.
3. Where that takes fewer bytes, the side with fewer changes sends a list of all its short ids (LIST) instead: at once
   if the counts say so already, else when the size of the difference is known, asked for by PLEASE where it is the
   leading one. Then the other side finds the difference.
4. Whoever found it looks up its own short ids, says which of the peer's it wants (WANTS), and sends what the peer
   lacks.

What is found can be wrong, though seldom: short ids collide by chance, and a member who knows the secret can make them.
So the roots are compared after the exchange. If they differ, a run with salted short ids (`core.sync.cells.short_key`)
finds what the first could not, and if it does not, the `merkle` mode does.

All is pure: a `Sketch` is given messages and says what to do next. Messages are hostile: each of them leads to a step,
at worst to `Stuck`, after bounded work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from core.sync.cells import (
    GROUP_BITS,
    METER_SIZE,
    SHORT_BITS,
    VALUE_BITS,
    WHOLE_BITS,
    WHOLE_PRIME,
    WHOLE_SUMS,
    Cells,
    Rows,
    add_to_rows,
    empty_rows,
)
from core.sync.difference import Difference, resolution_of
from core.sync.polynomials import fraction, roots
from core.sync.prefixes import Prefix, decode, decode_all, encode_all, list_size, read_varint, varint
from core.sync.staircase import MAX_BLOCK, MAX_BLOCK_BITS, SYMBOL, Block, Part, encode

MIN_BITS = 2
MAX_BITS = 13
"""At most 2**13 groups, for about 100,000 differences."""
LOAD = 12
"""Groups are made so many that they have fewer elements than this each."""
MARGIN = 1.2
"""How much larger than estimated a difference is taken to be: more bytes at once, or more often a second turn."""
MAX_EXTENSIONS = 8
MAX_PIECE = 1 << 19
MAX_BYTES = 1 << 25
"""How many bytes the pieces of one message may have together."""
MORE_FOLLOWS = 128


class Kind(IntEnum):
    """The first byte of a message; with `MORE_FOLLOWS` added, the next message goes on with it."""

    SUMS = 1
    METER = 2
    CELLS = 3
    MORE = 4
    LIST = 5
    PLEASE = 6
    WANTS = 7


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until the peer's next message."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send these messages, then wait for the next one."""

    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """Read all own short ids (those that are in the cells) and call `Sketch.scanned`."""


@dataclass(frozen=True, slots=True)
class Found:
    """This side knows the difference: look it up, `settle` it, and hand the exchange's list to `wants_messages`."""

    difference: Difference


@dataclass(frozen=True, slots=True)
class Wanted:
    """The peer knows the difference: it sends what this side lacks, and wants the changes with these prefixes."""

    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Stuck:
    """The difference cannot be found in this way; `broken` if the peer did not keep to the protocol."""

    why: str
    broken: bool = False


Step = Wait | Say | Scan | Found | Wanted | Stuck


def wants_messages(wants: bytes) -> tuple[bytes, ...]:
    """The messages that ask the peer for what `Exchange.wants` lists: the last ones of a run."""
    return _messages(Kind.WANTS, wants)


def _messages(kind: Kind, body: bytes) -> tuple[bytes, ...]:
    pieces = [body[at : at + MAX_PIECE] for at in range(0, len(body) or 1, MAX_PIECE)]
    return (*(bytes([kind | MORE_FOLLOWS]) + piece for piece in pieces[:-1]), bytes([kind]) + pieces[-1])


class Sketch:
    """One side of a run. Call `start`, then `receive` with every message, and do what the steps say.

    `cells` must stay as they are during the run; `peer_count` is how many changes the peer's cells have.
    """

    def __init__(self, cells: Cells, peer_count: int, *, leading: bool) -> None:
        self._cells = cells
        self._peer_count = peer_count
        self._leading = leading
        self._excess = cells.count - peer_count
        self._expected: tuple[Kind, ...] = ()
        self._pieces = bytearray()
        self._scan_for: tuple[Kind, bytes] | None = None
        self._bits = 0
        self._elements = 0
        self._rows: list[Rows] = []
        self._blocks: list[Block] = []
        self._parts: dict[int, Part] = {}
        self._extensions = 0

    @property
    def gathered(self) -> int:
        """How many bytes of a message are here whose end is not."""
        return len(self._pieces)

    def start(self) -> Step:
        """The first step, once both counts are known."""
        if abs(self._excess) < WHOLE_SUMS:
            if self._leading:
                return self._wait_for(Kind.SUMS)
            return self._say(Kind.SUMS, _pack(self._cells.whole), Kind.METER, Kind.WANTS)
        if self._list_size() < SYMBOL * abs(self._excess):
            return self._wait_for(Kind.LIST) if self._excess > 0 else self._scan(Kind.PLEASE)
        return self._say_meter() if self._leading else self._wait_for(Kind.METER)

    def receive(self, message: bytes) -> Step:
        """The step that follows from a message of the peer."""
        kind = message[0] & ~MORE_FOLLOWS if message else 0
        if kind not in self._expected or len(self._pieces) + len(message) > MAX_BYTES:
            return Stuck("a message that was not expected", broken=True)
        self._pieces += message[1:]
        if message[0] & MORE_FOLLOWS:
            self._expected = (Kind(kind),)
            return Wait()
        body, self._expected = bytes(self._pieces), ()
        self._pieces.clear()
        try:
            return self._read(Kind(kind), body)
        except ValueError as error:
            return Stuck(str(error), broken=True)

    def scanned(self, shorts: Iterable[int]) -> Step:
        """Go on after `Scan`."""
        if self._scan_for is None:
            raise RuntimeError("no scan was asked for")
        (kind, body), self._scan_for = self._scan_for, None
        if kind == Kind.PLEASE:
            return self._say(Kind.LIST, encode_all(shorts, self._list_resolution()), Kind.WANTS)
        try:
            if kind == Kind.LIST:
                return self._compare(body, shorts)
            rows = empty_rows(self._bits)
            add_to_rows(rows, shorts, self._bits)
            self._split(rows)
            return self._say_cells() if kind == Kind.METER else self._read_cells(body)
        except ValueError as error:
            return Stuck(str(error), broken=True)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _wait_for(self, *kinds: Kind) -> Step:
        self._expected = kinds
        return Wait()

    def _say(self, kind: Kind, body: bytes, *answers: Kind) -> Step:
        self._expected = answers
        return Say(_messages(kind, body))

    def _scan(self, kind: Kind, body: bytes = b"") -> Step:
        self._scan_for = kind, body
        return Scan()

    def _say_meter(self) -> Step:
        # The side with fewer changes is the one that lists them.
        return self._say(Kind.METER, self._cells.meter, Kind.CELLS, Kind.PLEASE if self._excess < 0 else Kind.LIST)

    def _read(self, kind: Kind, body: bytes) -> Step:
        match kind:
            case Kind.SUMS:
                return self._read_sums(body)
            case Kind.METER:
                return self._read_meter(body)
            case Kind.CELLS:
                return self._read_cells(body)
            case Kind.MORE:
                return self._read_more(body)
            case Kind.LIST:
                return self._scan(Kind.LIST, body)
            case Kind.PLEASE:
                if body:
                    raise ValueError("a message is longer than its fields")
                return self._scan(Kind.PLEASE)
            case Kind.WANTS:
                own = self._cells.count
                return Wanted(tuple(decode(body, resolution_of(own), own)))

    def _found(self, ours: Iterable[Prefix], theirs: Iterable[Prefix]) -> Step:
        return Found(Difference(tuple(ours), tuple(theirs), self._peer_count))

    # --- whole sets --------------------------------------------------------------------------------------------------

    def _read_sums(self, body: bytes) -> Step:
        theirs = _unpack(body)
        sums = [(a - b) % WHOLE_PRIME for a, b in zip(self._cells.whole, theirs, strict=True)]
        found = fraction(sums, self._excess, WHOLE_PRIME)
        if found and len(found[0]) + len(found[1]) - 2 < WHOLE_SUMS:  # at least one sum more than it takes: a check
            ours, others = (roots(polynomial, WHOLE_PRIME) for polynomial in found)
            if ours is not None and others is not None:
                return self._found(_whole_prefixes(ours), _whole_prefixes(others))
        return self._say_meter()

    # --- lists -------------------------------------------------------------------------------------------------------

    def _list_resolution(self) -> int:
        return min(max((self._cells.count + self._peer_count).bit_length() + 16, WHOLE_BITS), SHORT_BITS)

    def _list_size(self) -> int:
        return list_size(min(self._cells.count, self._peer_count), self._list_resolution())

    def _compare(self, body: bytes, shorts: Iterable[int]) -> Step:
        resolution = self._list_resolution()
        listed = set(decode_all(body, resolution, self._peer_count))
        ours = []
        matched = set()
        for short in shorts:
            head = short >> SHORT_BITS - resolution
            if head in listed:
                matched.add(head)
            else:
                ours.append(Prefix(short, SHORT_BITS))
        return self._found(ours, (Prefix(head, resolution) for head in sorted(listed - matched)))

    # --- groups ------------------------------------------------------------------------------------------------------

    def _read_meter(self, body: bytes) -> Step:
        if len(body) != METER_SIZE:
            raise ValueError("a meter has the wrong size")
        elements = max(LOAD, abs(self._excess), int(self._cells.difference(body) * MARGIN))
        self._bits = next(bits for bits in range(MIN_BITS, 64) if elements >> bits < LOAD)
        blocks = 1 << max(self._bits - MAX_BLOCK_BITS, 0)
        self._elements = -(-elements // blocks)
        groups = min(1 << self._bits, MAX_BLOCK)
        if self._bits > MAX_BITS or self._list_size() < blocks * Part(0, self._elements).size(groups):
            return self._scan(Kind.PLEASE) if self._excess <= 0 else self._say(Kind.PLEASE, b"", Kind.LIST)
        if self._bits > GROUP_BITS:
            return self._scan(Kind.METER)
        self._split(self._cells.rows(self._bits))
        return self._say_cells()

    def _split(self, rows: Rows) -> None:
        self._rows = [[row[at : at + MAX_BLOCK] for row in rows] for at in range(0, len(rows[0]), MAX_BLOCK)]

    def _say_cells(self) -> Step:
        part = Part(0, self._elements)
        code = b"".join(encode(rows, part) for rows in self._rows)
        return self._say(Kind.CELLS, bytes([self._bits]) + varint(self._elements) + code, Kind.MORE, Kind.WANTS)

    def _read_cells(self, body: bytes) -> Step:
        """The code of all blocks, or of those that more was asked of."""
        at = 0
        if not self._parts:
            self._bits = body[0] if body else 0
            if not MIN_BITS <= self._bits <= MAX_BITS:
                raise ValueError("a sketch has a wrong number of groups")
            if not self._rows:
                if self._bits > GROUP_BITS:
                    return self._scan(Kind.CELLS, body)
                self._split(self._cells.rows(self._bits))
            elements, at = read_varint(body, 1)
            self._blocks = [Block(rows, self._excess >> self._bits) for rows in self._rows]
            self._parts = dict.fromkeys(range(len(self._blocks)), Part(0, elements))
        groups = len(self._rows[0][0])
        if not all(part.allowed(groups) for part in self._parts.values()):
            raise ValueError("a sketch is of too many elements")
        if at + sum(part.size(groups) for part in self._parts.values()) != len(body):
            raise ValueError("a sketch has the wrong size")
        more = {}
        for index, part in self._parts.items():
            block, end = self._blocks[index], at + part.size(groups)
            block.feed(part.stop, body[at:end])
            at = end
            if block.failed:
                return Stuck("the sketch cannot be decoded")
            if not block.done:
                more[index] = block.wanted()
        self._parts = more
        return self._ask_more() if more else self._found(*self._group_prefixes())

    def _ask_more(self) -> Step:
        self._extensions += 1
        if self._extensions > MAX_EXTENSIONS:
            return Stuck("the sketch cannot be decoded")
        fields = [varint(value) for index, p in self._parts.items() for value in (index, p.start, p.stop, p.row)]
        return self._say(Kind.MORE, b"".join(fields), Kind.CELLS)

    def _read_more(self, body: bytes) -> Step:
        self._extensions += 1
        groups = len(self._rows[0][0])
        code = []
        at, last = 0, -1
        while at < len(body):
            fields = []
            for _ in range(4):
                value, at = read_varint(body, at)
                fields.append(value)
            index, part = fields[0], Part(*fields[1:])
            if not last < index < len(self._rows) or not part.start or not part.allowed(groups):
                raise ValueError("more is asked for than there is")
            code.append(encode(self._rows[index], part))
            last = index
        if not code or self._extensions > MAX_EXTENSIONS:
            raise ValueError("more is asked for too often")
        return self._say(Kind.CELLS, b"".join(code), Kind.MORE, Kind.WANTS)

    def _group_prefixes(self) -> tuple[list[Prefix], list[Prefix]]:
        """What the blocks hold, ours and theirs."""
        bits, width = VALUE_BITS + self._bits, min(self._bits, MAX_BLOCK_BITS)
        ours: list[Prefix] = []
        theirs: list[Prefix] = []
        for index, block in enumerate(self._blocks):
            for found, prefixes in ((block.ours, ours), (block.theirs, theirs)):
                prefixes.extend(Prefix(x - 1 << self._bits | index << width | group, bits) for group, x in found)
        return ours, theirs


def _whole_prefixes(elements: Iterable[int]) -> list[Prefix]:
    return [Prefix(element - 1, WHOLE_BITS) for element in elements]


def _pack(sums: Iterable[int]) -> bytes:
    """`WHOLE_BITS` bits each."""
    bits = "".join(format(total, f"0{WHOLE_BITS}b") for total in sums)
    return int(bits, 2).to_bytes(WHOLE_BITS * WHOLE_SUMS // 8, "big")


def _unpack(body: bytes) -> list[int]:
    if len(body) != WHOLE_BITS * WHOLE_SUMS // 8:
        raise ValueError("the sums of a set have the wrong size")
    bits = format(int.from_bytes(body, "big"), f"0{8 * len(body)}b")
    sums = [int(bits[at : at + WHOLE_BITS], 2) for at in range(0, len(bits), WHOLE_BITS)]
    if any(total >= WHOLE_PRIME for total in sums):
        raise ValueError("a sum is too large")
    return sums
