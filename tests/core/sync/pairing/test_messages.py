"""The bytes of a pairing.

One encoding of each message, and whatever else comes is refused.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.member_values import ROLES
from core.sync.pairing import messages
from core.sync.pairing.messages import (
    HEAD_BYTES,
    MAX_BODY_BYTES,
    MAX_NAME_BYTES,
    Admitted,
    Commitment,
    MalformedPairing,
    Nonce,
    OtherPairingVersion,
    PairAbort,
    PairDone,
    PairHello,
    PairMessage,
    Reveal,
    body_size,
    decode_message,
    encode_message,
)

hashes = st.binary(min_size=32, max_size=32)
names = st.sampled_from(["K3", "Küche", "é" * 50, "x" * MAX_NAME_BYTES, "a b"])
hellos = st.builds(PairHello, st.booleans(), st.booleans(), st.just(bytes(16)), names | st.just(""), names)
every_message: st.SearchStrategy[PairMessage] = st.one_of(
    hellos,
    st.builds(Commitment, hashes),
    st.builds(Nonce, hashes),
    st.builds(Reveal, hashes),
    st.builds(PairDone, st.booleans()),
    st.builds(Admitted, st.sampled_from(ROLES), names),
    st.just(PairAbort()),
)


@given(every_message)
def test_a_message_is_read_as_it_was_written(message: PairMessage) -> None:
    frame = encode_message(message)
    assert body_size(frame[:HEAD_BYTES]) == len(frame) - HEAD_BYTES <= MAX_BODY_BYTES
    assert decode_message(frame) == message


@given(every_message, st.integers(0, 1 << 30))
def test_a_damaged_message_is_refused_or_another_one(message: PairMessage, seed: int) -> None:
    random, frame = Random(seed), bytearray(encode_message(message))
    for _ in range(random.randint(1, 3)):
        frame[random.randrange(len(frame))] = random.randrange(256)
    try:
        if body_size(bytes(frame[:HEAD_BYTES])) == len(frame) - HEAD_BYTES:
            assert encode_message(decode_message(bytes(frame))) == frame
    except MalformedPairing:
        pass


@given(st.binary(min_size=HEAD_BYTES, max_size=400))
def test_bytes_at_random_are_refused_or_a_message(data: bytes) -> None:
    try:
        body_size(data[:HEAD_BYTES])
        assert encode_message(decode_message(data))[:1] == data[:1]
    except MalformedPairing:
        pass


HELLO = encode_message(PairHello(True, True, bytes(16), "Nord", "K1"))
MAGIC_AT = HEAD_BYTES


@pytest.mark.parametrize(
    "frame",
    [
        HELLO[:MAGIC_AT] + b"FLDL" + HELLO[MAGIC_AT + 4 :],
        HELLO[: MAGIC_AT + 5] + b"\x04" + HELLO[MAGIC_AT + 6 :],
        HELLO + b"x",
        HELLO[:-1],
        encode_message(PairHello(False, True, b"", "Nord", "K1")),
        encode_message(PairHello(False, False, bytes(15), "", "K1")),
        encode_message(PairHello(False, False, b"", "", "")),
        encode_message(PairHello(False, False, b"", "", "a\x1b[2J")),
        encode_message(PairHello(False, False, b"", "", " a")),
        encode_message(PairHello(False, False, b"", "", "e\u0301")),
        encode_message(Commitment(bytes(31))),
        b"\x05\x00\x01\x02",
        b"\x06\x00\x04\x03\x02K3",
        b"\x07\x00\x01x",
    ],
    ids=range(14),
)
def test_what_no_side_would_write_is_refused(frame: bytes) -> None:
    with pytest.raises(MalformedPairing):
        decode_message(frame)


@pytest.mark.parametrize("head", [b"\x00\x00\x00", b"\x08\x00\x00", b"\x01\x01\x01", b"\xff\xff\xff"])
def test_no_size_is_taken_from_a_peer_that_no_message_has(head: bytes) -> None:
    with pytest.raises(MalformedPairing):
        body_size(head)


def test_another_version_is_distinguished() -> None:
    frame = HELLO[: MAGIC_AT + 4] + bytes([messages.PAIRING_VERSION + 1]) + HELLO[MAGIC_AT + 5 :]
    with pytest.raises(OtherPairingVersion):
        decode_message(frame)
