"""The messages of the `sketch` mode: their kinds, and how a long one is cut."""

from __future__ import annotations

from enum import IntEnum

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
    COARSE_LIST = 8
    REQUEST_COARSE_LIST = 9
    REST = 10


def encode_wants(wants: bytes, max_part_bytes: int = MAX_PART_BYTES) -> tuple[bytes, ...]:
    """Make the messages that ask the peer for `TransferPlan.encoded_wants`.

    The last of a run.
    """
    return cut_message(SketchKind.WANTS, wants, max_part_bytes)


def cut_message(kind: SketchKind, body: bytes, max_part_bytes: int) -> tuple[bytes, ...]:
    """Cut a message into pieces of at most so many bytes."""
    pieces = [body[at : at + max_part_bytes] for at in range(0, len(body) or 1, max_part_bytes)]
    return (*(bytes([kind | MORE_FOLLOWS_FLAG]) + piece for piece in pieces[:-1]), bytes([kind]) + pieces[-1])
