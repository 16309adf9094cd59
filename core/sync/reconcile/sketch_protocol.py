"""The `sketch` mode: find the difference of two sets in few bytes.

And in hardly more than one turn.

Both know how many changes the other has from its Hello. One of them *leads* (the initiator):

1. The other sends the power sums of its whole set (SUMS, 43 bytes). If the difference is at most 11, the leader knows
   it then.
2. If it is larger, the leader sends its meter (METER, 97 bytes). The other estimates the difference from it and
   sends the code of as many groups as fit (CELLS, about 4 bytes a difference). If that does not suffice, the leader
   asks for more of it (REQUEST_MORE), if need be again.
3. Where that takes fewer bytes, the side with fewer changes sends a list of all its short ids (LIST) instead: at once
   if the counts say so already, else when the size of the difference is known, asked for by REQUEST_LIST where it is
   the leader. Then the other side finds the difference.
4. Whoever found it looks up its own short ids, asks for the peer's that it lacks (WANTS), and sends what the peer
   lacks.

What is found can be wrong, though seldom: short ids collide by chance, and a member who knows the secret can make them.
So the roots are compared after the exchange. If they differ, a run with salted short ids (`set_sketch.short_key`) finds
what the first could not, and if it does not, the `merkle` mode does.

All is pure: a `SketchProtocol` is given messages and says what to do next. Messages are hostile: each of them leads to
an action, at worst to `SketchFailed`, after bounded work.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from core.sync.protocol_errors import LocalProtocolError
from core.sync.reconcile.polynomials import find_roots, reconstruct_fraction
from core.sync.reconcile.prefix_coding import (
    ShortIdPrefix,
    decode_prefixes,
    decode_short_ids,
    decode_varint,
    encode_short_ids,
    encode_varint,
    estimate_list_bytes,
)
from core.sync.reconcile.rateless_code import (
    MAX_BLOCK_GROUP_BITS,
    MAX_BLOCK_GROUPS,
    SYMBOL_BYTES,
    BlockDecoder,
    CodePart,
    encode_part,
)
from core.sync.reconcile.set_difference import SetDifference, resolution_bits
from core.sync.reconcile.set_sketch import (
    GROUP_BITS,
    METER_BYTES,
    SHORT_BITS,
    VALUE_BITS,
    WHOLE_BITS,
    WHOLE_PRIME,
    WHOLE_SUMS,
    Rows,
    SetSketch,
    add_to_rows,
    empty_rows,
    pack_sums,
    unpack_sums,
)
from core.sync.reconcile.sketch_actions import (
    AwaitMessage,
    DifferenceFound,
    PeerWants,
    ScanShortIds,
    SendMessages,
    SketchAction,
    SketchFailed,
)

MIN_GROUP_BITS = 2
"""Fewer groups would save nothing."""
MAX_GROUP_BITS = 13
"""At most 2**13 groups, for about 100,000 differences."""
MAX_GROUP_LOAD = 12
"""Groups are made so many that they have fewer elements than this each."""
ESTIMATE_MARGIN = 1.2
"""How much larger than estimated a difference is taken to be: more bytes at once, or more often a second turn."""
MAX_EXTENSIONS = 8
"""How often more may be asked for: a difference that takes more was estimated for another set."""
MAX_PART_BYTES = 1 << 19
"""The piece of a message that fits a frame, with room for others between."""
MAX_MESSAGE_BYTES = 1 << 25
"""How many bytes the pieces of one message may have together."""
MORE_FOLLOWS_FLAG = 128


class SketchKind(IntEnum):
    """The first byte of a message.

    With `MORE_FOLLOWS_FLAG` added, the next message goes on with it.
    """

    SUMS = 1
    METER = 2
    CELLS = 3
    REQUEST_MORE = 4
    LIST = 5
    REQUEST_LIST = 6
    WANTS = 7


def encode_wants(wants: bytes, max_part_bytes: int = MAX_PART_BYTES) -> tuple[bytes, ...]:
    """Make the messages that ask the peer for `TransferPlan.encoded_wants`.

    The last of a run.
    """
    return _cut_message(SketchKind.WANTS, wants, max_part_bytes)


def _cut_message(kind: SketchKind, body: bytes, max_part_bytes: int) -> tuple[bytes, ...]:
    pieces = [body[at : at + max_part_bytes] for at in range(0, len(body) or 1, max_part_bytes)]
    return (*(bytes([kind | MORE_FOLLOWS_FLAG]) + piece for piece in pieces[:-1]), bytes([kind]) + pieces[-1])


class SketchProtocol:
    """One side of a run.

    Call `start`, then `receive_message` with every message, and do what the actions say. `sketch` must stay as it is
    during the run; `peer_count` is how many changes are in the peer's.
    """

    def __init__(
        self,
        sketch: SetSketch,
        peer_count: int,
        *,
        is_leader: bool,
        max_part_bytes: int = MAX_PART_BYTES,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._max_part_bytes = max_part_bytes
        self._max_message_bytes = max_message_bytes
        self._sketch = sketch
        self._peer_count = peer_count
        self._is_leader = is_leader
        self._excess = sketch.count - peer_count
        self._expected_kinds: tuple[SketchKind, ...] = ()
        self._partial_message = bytearray()
        self._pending_scan: tuple[SketchKind, bytes] | None = None
        self._group_bits = 0
        self._elements = 0
        self._rows: list[Rows] = []
        self._blocks: list[BlockDecoder] = []
        self._parts: dict[int, CodePart] = {}
        self._extensions = 0

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of a message are here whose end is not."""
        return len(self._partial_message)

    def start(self) -> SketchAction:
        """Give the first action, once both counts are known."""
        if abs(self._excess) < WHOLE_SUMS:
            if self._is_leader:
                return self._wait_for(SketchKind.SUMS)
            return self._send(SketchKind.SUMS, pack_sums(self._sketch.whole_sums), SketchKind.METER, SketchKind.WANTS)
        if self._list_size() < SYMBOL_BYTES * abs(self._excess):
            return self._wait_for(SketchKind.LIST) if self._excess > 0 else self._request_scan(SketchKind.REQUEST_LIST)
        return self._send_meter() if self._is_leader else self._wait_for(SketchKind.METER)

    def receive_message(self, message: bytes) -> SketchAction:
        """Give the action that follows from a message of the peer."""
        kind = message[0] & ~MORE_FOLLOWS_FLAG if message else 0
        if kind not in self._expected_kinds or len(self._partial_message) + len(message) > self._max_message_bytes:
            return SketchFailed("a message that was not expected", is_peer_fault=True)
        self._partial_message += message[1:]
        if message[0] & MORE_FOLLOWS_FLAG:
            self._expected_kinds = (SketchKind(kind),)
            return AwaitMessage()
        body, self._expected_kinds = bytes(self._partial_message), ()
        self._partial_message.clear()
        try:
            return self._read(SketchKind(kind), body)
        except ValueError as error:
            return SketchFailed(str(error), is_peer_fault=True)

    def resume_scan(self, shorts: Iterable[int]) -> SketchAction:
        """Go on after `ScanShortIds`.

        Raises LocalProtocolError if that was not asked for.
        """
        if self._pending_scan is None:
            raise LocalProtocolError("no scan was asked for")
        (kind, body), self._pending_scan = self._pending_scan, None
        if kind == SketchKind.REQUEST_LIST:
            return self._send(SketchKind.LIST, encode_short_ids(shorts, self._list_resolution()), SketchKind.WANTS)
        try:
            if kind == SketchKind.LIST:
                return self._compare_list(body, shorts)
            rows = empty_rows(self._group_bits)
            add_to_rows(rows, shorts, self._group_bits)
            self._split(rows)
            return self._send_cells() if kind == SketchKind.METER else self._read_cells(body)
        except ValueError as error:
            return SketchFailed(str(error), is_peer_fault=True)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _wait_for(self, *kinds: SketchKind) -> SketchAction:
        self._expected_kinds = kinds
        return AwaitMessage()

    def _send(self, kind: SketchKind, body: bytes, *expected: SketchKind) -> SketchAction:
        self._expected_kinds = expected
        return SendMessages(_cut_message(kind, body, self._max_part_bytes))

    def _request_scan(self, kind: SketchKind, body: bytes = b"") -> SketchAction:
        self._pending_scan = kind, body
        return ScanShortIds()

    def _send_meter(self) -> SketchAction:
        # The side with fewer changes is the one that lists them.
        return self._send(
            SketchKind.METER,
            self._sketch.meter,
            SketchKind.CELLS,
            SketchKind.REQUEST_LIST if self._excess < 0 else SketchKind.LIST,
        )

    def _read(self, kind: SketchKind, body: bytes) -> SketchAction:
        match kind:
            case SketchKind.SUMS:
                return self._read_sums(body)
            case SketchKind.METER:
                return self._read_meter(body)
            case SketchKind.CELLS:
                return self._read_cells(body)
            case SketchKind.REQUEST_MORE:
                return self._read_more(body)
            case SketchKind.LIST:
                return self._request_scan(SketchKind.LIST, body)
            case SketchKind.REQUEST_LIST:
                if body:
                    raise ValueError("a message is longer than its fields")
                return self._request_scan(SketchKind.REQUEST_LIST)
            case SketchKind.WANTS:
                own = self._sketch.count
                return PeerWants(tuple(decode_prefixes(body, resolution_bits(own), own)))

    def _make_found(self, ours: Iterable[ShortIdPrefix], theirs: Iterable[ShortIdPrefix]) -> SketchAction:
        return DifferenceFound(SetDifference(tuple(ours), tuple(theirs), self._peer_count))

    # --- whole sets --------------------------------------------------------------------------------------------------

    def _read_sums(self, body: bytes) -> SketchAction:
        theirs = unpack_sums(body)
        sums = [(a - b) % WHOLE_PRIME for a, b in zip(self._sketch.whole_sums, theirs, strict=True)]
        found = reconstruct_fraction(sums, self._excess, WHOLE_PRIME)
        if found and len(found[0]) + len(found[1]) - 2 < WHOLE_SUMS:  # at least one sum more than it takes: a check
            ours, others = (find_roots(polynomial, WHOLE_PRIME) for polynomial in found)
            if ours is not None and others is not None:
                return self._make_found(_whole_prefixes(ours), _whole_prefixes(others))
        return self._send_meter()

    # --- lists -------------------------------------------------------------------------------------------------------

    def _list_resolution(self) -> int:
        return min(max((self._sketch.count + self._peer_count).bit_length() + 16, WHOLE_BITS), SHORT_BITS)

    def _list_size(self) -> int:
        return estimate_list_bytes(min(self._sketch.count, self._peer_count), self._list_resolution())

    def _compare_list(self, body: bytes, shorts: Iterable[int]) -> SketchAction:
        resolution = self._list_resolution()
        listed = set(decode_short_ids(body, resolution, self._peer_count))
        ours = []
        matched = set()
        for short in shorts:
            head = short >> SHORT_BITS - resolution
            if head in listed:
                matched.add(head)
            else:
                ours.append(ShortIdPrefix(short, SHORT_BITS))
        return self._make_found(ours, (ShortIdPrefix(head, resolution) for head in sorted(listed - matched)))

    # --- groups ------------------------------------------------------------------------------------------------------

    def _read_meter(self, body: bytes) -> SketchAction:
        if len(body) != METER_BYTES:
            raise ValueError("a meter has the wrong size")
        elements = max(MAX_GROUP_LOAD, abs(self._excess), int(self._sketch.estimate_difference(body) * ESTIMATE_MARGIN))
        self._group_bits = next(bits for bits in range(MIN_GROUP_BITS, 64) if elements >> bits < MAX_GROUP_LOAD)
        blocks = 1 << max(self._group_bits - MAX_BLOCK_GROUP_BITS, 0)
        self._elements = -(-elements // blocks)
        groups = min(1 << self._group_bits, MAX_BLOCK_GROUPS)
        if self._group_bits > MAX_GROUP_BITS or self._list_size() < blocks * CodePart(0, self._elements).size_bytes(
            groups
        ):
            return (
                self._request_scan(SketchKind.REQUEST_LIST)
                if self._excess <= 0
                else self._send(SketchKind.REQUEST_LIST, b"", SketchKind.LIST)
            )
        if self._group_bits > GROUP_BITS:
            return self._request_scan(SketchKind.METER)
        self._split(self._sketch.group_rows(self._group_bits))
        return self._send_cells()

    def _split(self, rows: Rows) -> None:
        self._rows = [
            [row[at : at + MAX_BLOCK_GROUPS] for row in rows] for at in range(0, len(rows[0]), MAX_BLOCK_GROUPS)
        ]

    def _send_cells(self) -> SketchAction:
        part = CodePart(0, self._elements)
        code = b"".join(encode_part(rows, part) for rows in self._rows)
        return self._send(
            SketchKind.CELLS,
            bytes([self._group_bits]) + encode_varint(self._elements) + code,
            SketchKind.REQUEST_MORE,
            SketchKind.WANTS,
        )

    def _read_cells(self, body: bytes) -> SketchAction:
        """Read the code of all blocks, or of those that more was asked of."""
        at = 0
        if not self._parts:
            self._group_bits = body[0] if body else 0
            if not MIN_GROUP_BITS <= self._group_bits <= MAX_GROUP_BITS:
                raise ValueError("a sketch has a wrong number of groups")
            if not self._rows:
                if self._group_bits > GROUP_BITS:
                    return self._request_scan(SketchKind.CELLS, body)
                self._split(self._sketch.group_rows(self._group_bits))
            elements, at = decode_varint(body, 1)
            self._blocks = [BlockDecoder(rows, self._excess >> self._group_bits) for rows in self._rows]
            self._parts = dict.fromkeys(range(len(self._blocks)), CodePart(0, elements))
        groups = len(self._rows[0][0])
        if not all(part.is_allowed(groups) for part in self._parts.values()):
            raise ValueError("a sketch is of too many elements")
        if at + sum(part.size_bytes(groups) for part in self._parts.values()) != len(body):
            raise ValueError("a sketch has the wrong size")
        more = {}
        for index, part in self._parts.items():
            block, end = self._blocks[index], at + part.size_bytes(groups)
            block.feed(part.stop_elements, body[at:end])
            at = end
            if block.has_failed:
                return SketchFailed("the sketch cannot be decoded")
            if not block.is_done:
                more[index] = block.next_part()
        self._parts = more
        return self._request_more() if more else self._make_found(*self._group_prefixes())

    def _request_more(self) -> SketchAction:
        self._extensions += 1
        if self._extensions > MAX_EXTENSIONS:
            return SketchFailed("the sketch cannot be decoded")
        fields = [
            encode_varint(value)
            for index, p in self._parts.items()
            for value in (index, p.start_elements, p.stop_elements, p.first_row)
        ]
        return self._send(SketchKind.REQUEST_MORE, b"".join(fields), SketchKind.CELLS)

    def _read_more(self, body: bytes) -> SketchAction:
        self._extensions += 1
        groups = len(self._rows[0][0])
        code = []
        at, last = 0, -1
        while at < len(body):
            fields = []
            for _ in range(4):
                value, at = decode_varint(body, at)
                fields.append(value)
            index, part = fields[0], CodePart(*fields[1:])
            if not last < index < len(self._rows) or not part.start_elements or not part.is_allowed(groups):
                raise ValueError("more is asked for than there is")
            code.append(encode_part(self._rows[index], part))
            last = index
        if not code or self._extensions > MAX_EXTENSIONS:
            raise ValueError("more is asked for too often")
        return self._send(SketchKind.CELLS, b"".join(code), SketchKind.REQUEST_MORE, SketchKind.WANTS)

    def _group_prefixes(self) -> tuple[list[ShortIdPrefix], list[ShortIdPrefix]]:
        """List the prefixes that the blocks hold, ours and theirs."""
        bits, width = VALUE_BITS + self._group_bits, min(self._group_bits, MAX_BLOCK_GROUP_BITS)
        ours: list[ShortIdPrefix] = []
        theirs: list[ShortIdPrefix] = []
        for index, block in enumerate(self._blocks):
            for found, prefixes in ((block.ours, ours), (block.theirs, theirs)):
                prefixes.extend(
                    ShortIdPrefix(x - 1 << self._group_bits | index << width | group, bits) for group, x in found
                )
        return ours, theirs


def _whole_prefixes(elements: Iterable[int]) -> list[ShortIdPrefix]:
    return [ShortIdPrefix(element - 1, WHOLE_BITS) for element in elements]
