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
4. Between two sides that both know of it a *coarse* list (COARSE_LIST) takes the place of that where it is cheaper. The
   other side answers with REST: what is on the list and surely not held there, and its meter and number less what is
   surely not on the list. Both leave these out of their sketches, and go on with CELLS for what remains.
5. Whoever found it looks up its own short ids, asks for the peer's that it lacks (WANTS), and sends what the peer
   lacks.

What is found can be wrong, though seldom: short ids collide by chance, and a member who knows the secret can make them.
So the roots are compared after the exchange. If they differ, a run with salted short ids (`set_sketch.short_key`) finds
what the first could not, and if it does not, the `merkle` mode does.

All is pure: a `SketchProtocol` is given messages and says what to do next. Messages are hostile: each of them leads to
an action, at worst to `SketchFailed`, after bounded work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from core.sync.protocol_errors import LocalProtocolError
from core.sync.reconcile.coarse_list import (
    MIN_RESOLUTION_BITS,
    choose_resolution,
    compare_list,
    is_coarse_list_better,
    select_listed,
)
from core.sync.reconcile.group_code import MAX_GROUP_LOAD, CodeShape, GroupCode, decode_shape
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
from core.sync.reconcile.rateless_code import SYMBOL_BYTES
from core.sync.reconcile.set_difference import SetDifference, resolution_bits
from core.sync.reconcile.set_sketch import (
    GROUP_BITS,
    METER_BYTES,
    SHORT_BITS,
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
from core.sync.reconcile.sketch_messages import (
    MAX_MESSAGE_BYTES,
    MAX_PART_BYTES,
    MORE_FOLLOWS_FLAG,
    SketchKind,
    cut_message,
)

ESTIMATE_MARGIN = 1.2
"""How much larger than estimated a difference is taken to be: more bytes at once, or more often a second turn."""


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
        has_coarse_lists: bool = True,
        max_part_bytes: int = MAX_PART_BYTES,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._max_part_bytes = max_part_bytes
        self._max_message_bytes = max_message_bytes
        self._sketch = sketch
        self._peer_count = peer_count
        self._is_leader = is_leader
        self._has_coarse_lists = has_coarse_lists
        self._excess = sketch.count - peer_count
        self._expected_kinds: tuple[SketchKind, ...] = ()
        self._partial_message = bytearray()
        self._pending_scan: tuple[SketchKind, bytes] | None = None
        self._sure_ours: Sequence[int] = ()
        self._wanted_before: tuple[ShortIdPrefix, ...] = ()
        self._shape = CodeShape(0, 0)
        self._code: GroupCode | None = None

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
        if self._is_coarse_list_better(abs(self._excess)):
            if self._excess > 0:
                return self._wait_for(SketchKind.COARSE_LIST)
            return self._request_scan(SketchKind.REQUEST_COARSE_LIST, encode_varint(-self._excess))
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
            match kind:
                case SketchKind.LIST:
                    return self._compare_list(body, shorts)
                case SketchKind.REQUEST_COARSE_LIST:
                    return self._send_coarse_list(body, shorts)
                case SketchKind.COARSE_LIST:
                    return self._compare_coarse_list(body, shorts)
                case SketchKind.REST:
                    return self._leave_out_wanted(body, shorts)
            left_out = set(self._sure_ours)
            rows = empty_rows(self._shape.group_bits)
            add_to_rows(rows, (short for short in shorts if short not in left_out), self._shape.group_bits)
            return self._start_decoding(rows, body) if kind == SketchKind.CELLS else self._send_cells(rows)
        except ValueError as error:
            return SketchFailed(str(error), is_peer_fault=True)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _wait_for(self, *kinds: SketchKind) -> SketchAction:
        self._expected_kinds = kinds
        return AwaitMessage()

    def _send(self, kind: SketchKind, body: bytes, *expected: SketchKind) -> SketchAction:
        self._expected_kinds = expected
        return SendMessages(cut_message(kind, body, self._max_part_bytes))

    def _request_scan(self, kind: SketchKind, body: bytes = b"") -> SketchAction:
        self._pending_scan = kind, body
        return ScanShortIds()

    def _send_meter(self) -> SketchAction:
        # The side with fewer changes is the one that lists them.
        lists = [SketchKind.REQUEST_LIST if self._excess < 0 else SketchKind.LIST]
        if self._has_coarse_lists:
            lists.append(SketchKind.REQUEST_COARSE_LIST if self._excess < 0 else SketchKind.COARSE_LIST)
        return self._send(SketchKind.METER, self._sketch.meter, SketchKind.CELLS, *lists)

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
            case SketchKind.LIST | SketchKind.COARSE_LIST | SketchKind.REQUEST_COARSE_LIST:
                return self._request_scan(kind, body)
            case SketchKind.REST:
                return self._request_scan(kind, body)
            case SketchKind.REQUEST_LIST:
                if body:
                    raise ValueError("a message is longer than its fields")
                return self._request_scan(SketchKind.REQUEST_LIST)
            case SketchKind.WANTS:
                own = self._sketch.count + len(self._sure_ours)
                return PeerWants((*self._sure_prefixes(), *decode_prefixes(body, resolution_bits(own), own)))

    def _make_found(self, ours: Iterable[ShortIdPrefix], theirs: Iterable[ShortIdPrefix]) -> SketchAction:
        ours = chain(self._sure_prefixes(), ours)
        return DifferenceFound(SetDifference(tuple(ours), tuple(theirs), self._peer_count), self._wanted_before)

    def _sure_prefixes(self) -> Iterable[ShortIdPrefix]:
        return (ShortIdPrefix(short, SHORT_BITS) for short in self._sure_ours)

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

    def _is_coarse_list_better(self, elements: int) -> bool:
        listed = min(self._sketch.count, self._peer_count)
        return self._has_coarse_lists and is_coarse_list_better(listed, elements, self._list_size())

    def _send_coarse_list(self, body: bytes, shorts: Iterable[int]) -> SketchAction:
        elements, end = decode_varint(body, 0)
        if end != len(body):
            raise ValueError("a message is longer than its fields")
        resolution = choose_resolution(self._sketch.count, elements)
        listed = bytes([resolution]) + encode_short_ids(shorts, resolution)
        return self._send(SketchKind.COARSE_LIST, listed, SketchKind.REST)

    def _compare_coarse_list(self, body: bytes, shorts: Iterable[int]) -> SketchAction:
        resolution = body[0] if body else 0
        if not MIN_RESOLUTION_BITS <= resolution <= SHORT_BITS:
            raise ValueError("a list has a wrong resolution")
        heads = decode_short_ids(body[1:], resolution, self._peer_count)
        if len(heads) != self._peer_count:
            raise ValueError("a list is not of the whole set")
        found = compare_list(heads, resolution, shorts)
        self._leave_out(found.ours)
        self._excess = self._sketch.count - (self._peer_count - len(found.theirs))
        self._wanted_before = tuple(ShortIdPrefix(head, resolution) for head in sorted(set(found.theirs)))
        wants = encode_short_ids((head << SHORT_BITS - resolution for head in found.theirs), resolution)
        rest = encode_varint(self._sketch.count) + self._sketch.meter + bytes([resolution]) + wants
        return self._send(SketchKind.REST, rest, SketchKind.CELLS)

    def _leave_out_wanted(self, body: bytes, shorts: Iterable[int]) -> SketchAction:
        """Leave out what the peer is sure to want, and send a code for what remains."""
        left, at = decode_varint(body, 0)
        meter, wants = body[at : at + METER_BYTES], body[at + METER_BYTES :]
        if not wants or not MIN_RESOLUTION_BITS <= wants[0] <= SHORT_BITS or left > self._peer_count:
            raise ValueError("what remains of a set has a wrong form")
        heads = decode_short_ids(wants[1:], wants[0], self._sketch.count)
        if heads:
            self._leave_out(select_listed(heads, wants[0], shorts))
        self._excess = self._sketch.count - left
        self._estimate_elements(meter)
        if not self._shape.is_allowed:
            return SketchFailed("too much remains beside a coarse list")
        return self._start_code()

    def _leave_out(self, shorts: Sequence[int]) -> None:
        self._sure_ours = shorts
        self._sketch = self._sketch.without(shorts)

    # --- groups ------------------------------------------------------------------------------------------------------

    def _read_meter(self, body: bytes) -> SketchAction:
        elements = self._estimate_elements(body)
        if self._is_coarse_list_better(elements):
            if self._excess > 0:
                return self._send(SketchKind.REQUEST_COARSE_LIST, encode_varint(elements), SketchKind.COARSE_LIST)
            return self._request_scan(SketchKind.REQUEST_COARSE_LIST, encode_varint(elements))
        if not self._shape.is_allowed or self._list_size() < self._shape.size_bytes:
            return (
                self._request_scan(SketchKind.REQUEST_LIST)
                if self._excess <= 0
                else self._send(SketchKind.REQUEST_LIST, b"", SketchKind.LIST)
            )
        return self._start_code()

    def _estimate_elements(self, meter: bytes) -> int:
        """Estimate how large the difference is, and choose the shape of a code for it."""
        if len(meter) != METER_BYTES:
            raise ValueError("a meter has the wrong size")
        estimate = int(self._sketch.estimate_difference(meter) * ESTIMATE_MARGIN)
        elements = max(MAX_GROUP_LOAD, abs(self._excess), estimate)
        self._shape = CodeShape.of_difference(elements)
        return elements

    def _start_code(self) -> SketchAction:
        if self._shape.group_bits > GROUP_BITS:
            return self._request_scan(SketchKind.METER)
        return self._send_cells(self._sketch.group_rows(self._shape.group_bits))

    def _send_cells(self, rows: Rows) -> SketchAction:
        self._code = GroupCode(self._shape, rows, self._excess)
        return self._send(SketchKind.CELLS, self._code.encode(), SketchKind.REQUEST_MORE, SketchKind.WANTS)

    def _read_cells(self, body: bytes) -> SketchAction:
        """Read the first part of a code, or what more was asked of it."""
        if self._code is not None:
            return self._decode(self._code, body)
        self._shape, _ = decode_shape(body)
        if self._shape.group_bits > GROUP_BITS:
            return self._request_scan(SketchKind.CELLS, body)
        return self._start_decoding(self._sketch.group_rows(self._shape.group_bits), body)

    def _start_decoding(self, rows: Rows, body: bytes) -> SketchAction:
        self._code = GroupCode(self._shape, rows, self._excess)
        return self._decode(self._code, body[decode_shape(body)[1] :])

    def _decode(self, code: GroupCode, body: bytes) -> SketchAction:
        code.decode(body)
        if code.has_failed:
            return SketchFailed("the sketch cannot be decoded")
        if code.is_done:
            return self._make_found(*code.list_prefixes())
        return self._send(SketchKind.REQUEST_MORE, code.request_more(), SketchKind.CELLS)

    def _read_more(self, body: bytes) -> SketchAction:
        if self._code is None:
            raise ValueError("more is asked for of no code")
        return self._send(SketchKind.CELLS, self._code.encode_more(body), SketchKind.REQUEST_MORE, SketchKind.WANTS)


def _whole_prefixes(elements: Iterable[int]) -> list[ShortIdPrefix]:
    return [ShortIdPrefix(element - 1, WHOLE_BITS) for element in elements]
