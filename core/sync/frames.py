"""Cut a stream of hostile bytes into the frames of messages."""

from __future__ import annotations

from core.sync.codec import (
    FLEET_TAG_BYTES,
    MAX_FRAME_BYTES,
    MAX_LOCATION_HINT_BYTES,
    MESSAGE_TYPES,
    FieldReader,
    MalformedMessage,
    decode_message,
)
from core.sync.holdings import MAX_HOLDINGS_BYTES
from core.sync.messages import (
    Blocks,
    HaveFingerprints,
    HaveIds,
    Hello,
    Holdings,
    Message,
    PositionProof,
    SketchPart,
    Want,
)
from core.sync.reconcile.merkle import FINGERPRINT_BYTES

MAX_LENGTH_PREFIX_BYTES = 3
_OPEN_ENDED = (HaveFingerprints.TYPE, HaveIds.TYPE, Want.TYPE, SketchPart.TYPE, Blocks.TYPE, PositionProof.TYPE)
_SMALL_BODY_BYTES = 1 + 1 + FLEET_TAG_BYTES + 5 + FINGERPRINT_BYTES
_MAX_BODY_BYTES = {kind: MAX_FRAME_BYTES if kind in _OPEN_ENDED else _SMALL_BODY_BYTES for kind in MESSAGE_TYPES} | {
    Hello.TYPE: _SMALL_BODY_BYTES + MAX_LOCATION_HINT_BYTES,
    Holdings.TYPE: 1 + MAX_HOLDINGS_BYTES,
}


class FrameReader:
    """Cuts a stream of bytes, which arrive in pieces of any size, into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __len__(self) -> int:
        """How many bytes wait to be read."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def has_frame(self) -> bool:
        """Whether a whole frame is here; raises Malformed."""
        start, size = self._frame_header()
        return bool(start) and len(self._buffer) >= start + size

    def next_message(self) -> tuple[Message, int] | None:
        """Give the next message and its frame's size; None if not all is here.

        Raises MalformedMessage.
        """
        if not self.has_frame:
            return None
        start, size = self._frame_header()
        body = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return decode_message(body), start + size

    def _frame_header(self) -> tuple[int, int]:
        """How many bytes the next frame's size takes, and that size.

        (0, 0) if it is not here as a whole.
        """
        head = bytes(self._buffer[:MAX_LENGTH_PREFIX_BYTES])
        start = next((place + 1 for place, byte in enumerate(head) if byte < 128), 0)
        if not start:
            if len(head) == MAX_LENGTH_PREFIX_BYTES:
                raise MalformedMessage("a frame is too large")
            return 0, 0
        size = FieldReader(head[:start]).read_varint(MAX_FRAME_BYTES)
        kinds = self._buffer[start : start + 1]
        if size == 0 or (kinds and size > _MAX_BODY_BYTES.get(kinds[0], 0)):
            raise MalformedMessage("a frame is empty, of no known type, or larger than its type can be")
        return start, size
