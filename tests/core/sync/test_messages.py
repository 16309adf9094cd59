from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sync.codec import (
    MAX_CHANGES,
    MAX_FRAME_BYTES,
    MAX_LOCATION_HINT_BYTES,
    MalformedMessage,
    UnsupportedVersion,
    decode_message,
    encode_message,
    encode_varint,
    truncate_id,
)
from core.sync.frames import FrameReader
from core.sync.messages import (
    Abort,
    Ack,
    Blocks,
    EndOfTurn,
    HaveFingerprints,
    HaveIds,
    Hello,
    Message,
    Offer,
    PositionProof,
    PrefixFingerprints,
    PrefixIds,
    Summary,
    Want,
)
from core.sync.reconcile.merkle import EMPTY_FINGERPRINT

hashes16 = st.binary(min_size=16, max_size=16)
counts = st.integers(1, MAX_CHANGES)
prefixes = st.text("0123456789abcdef", max_size=63)
sets = st.one_of(st.just((0, EMPTY_FINGERPRINT)), st.tuples(counts, hashes16))


@st.composite
def fingerprints(draw: st.DrawFn) -> PrefixFingerprints:
    children = [
        *draw(st.lists(st.one_of(st.just(EMPTY_FINGERPRINT), hashes16), min_size=15, max_size=15)),
        draw(hashes16),
    ]
    return PrefixFingerprints(draw(prefixes), b"".join(draw(st.permutations(children))))


@st.composite
def lists(draw: st.DrawFn) -> PrefixIds:
    prefix = draw(prefixes)
    tails = draw(st.sets(st.binary(min_size=32, max_size=32), max_size=5))
    ids = {bytes.fromhex(prefix + tail.hex()[len(prefix) :]) for tail in tails}
    return PrefixIds(prefix, tuple(sorted({truncate_id(change, prefix) for change in ids})))


messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        lambda modes, fleet, held, near: Hello(modes, fleet, *held, near),
        st.integers(0, 15),
        st.binary(min_size=4, max_size=4),
        sets,
        st.binary(max_size=MAX_LOCATION_HINT_BYTES),
    ),
    st.builds(HaveFingerprints, st.lists(fingerprints(), min_size=1, max_size=4).map(tuple)),
    st.builds(HaveIds, st.lists(lists(), min_size=1, max_size=4).map(tuple)),
    st.builds(Want, st.binary(min_size=1)),
    st.builds(EndOfTurn, st.booleans()),
    st.tuples(st.integers(0, MAX_CHANGES), st.integers(0, MAX_CHANGES), st.integers(0, MAX_CHANGES)).flatmap(
        lambda three: st.builds(
            Offer, st.just(max(three)), st.integers(0, max(three)), *map(st.just, sorted(three)[:2])
        )
    ),
    st.builds(
        PositionProof,
        st.binary(max_size=300),
        st.dictionaries(st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32), min_size=1, max_size=4).map(
            lambda changes: tuple(sorted(changes.items()))
        ),
        st.binary(max_size=100),
    ),
    st.builds(Blocks, st.binary()),
    st.just(Ack()),
    st.builds(lambda held: Summary(*held), sets),
    st.builds(Abort, st.integers(0, 255)),
)


def read_all(data: bytes, piece: int = 1 << 20) -> list[Message]:
    reader, found = FrameReader(), []
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
        while message := reader.next_message():
            found.append(message[0])
    assert len(reader) == 0
    return found


@given(st.lists(messages, max_size=6), st.integers(1, 50))
def test_what_is_encoded_is_read_again_however_the_bytes_are_cut(sent: list[Message], piece: int) -> None:
    assert read_all(b"".join(map(encode_message, sent)), piece) == sent


@given(st.binary(max_size=300))
def test_random_bytes_are_malformed_or_the_one_encoding_of_a_message(body: bytes) -> None:
    try:
        message = decode_message(body)
    except MalformedMessage:
        return
    assert encode_message(message) == encode_varint(len(body)) + body


@given(messages, st.data())
def test_a_damaged_message_is_malformed_or_another_one(message: Message, data: st.DataObject) -> None:
    body = bytearray(encode_message(message))
    start = len(encode_varint(len(body)))
    place = data.draw(st.integers(start, len(body) - 1)) if len(body) > start else 0
    body[place] ^= data.draw(st.integers(1, 255))
    reader = FrameReader()
    reader.feed(bytes(body))
    try:
        found = reader.next_message()
    except MalformedMessage:
        return
    assert found is None or encode_message(found[0]) == body[: found[1]]


@given(messages, st.integers(0, 40))
def test_a_message_cut_short_is_not_read(message: Message, missing: int) -> None:
    frame = encode_message(message)
    reader = FrameReader()
    reader.feed(frame[: max(0, len(frame) - 1 - missing)])
    assert not reader.has_frame
    assert reader.next_message() is None


def test_a_hello_takes_26_bytes_and_one_without_changes_9() -> None:
    assert len(encode_message(Hello(1, b"flee", 1_000_000, b"r" * 16))) == 26
    assert len(encode_message(Hello(1, b"flee", 0, EMPTY_FINGERPRINT))) == 8


def test_a_hello_of_another_version_is_distinguished() -> None:
    frame = bytearray(encode_message(Hello(1, b"flee", 0, EMPTY_FINGERPRINT)))
    frame[2] += 1 << 4
    with pytest.raises(UnsupportedVersion):
        decode_message(bytes(frame[1:]))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode_varint(MAX_FRAME_BYTES + 1), id="size above the limit"),
        pytest.param(b"\xff\xff\xff", id="size without end"),
        pytest.param(b"\x00", id="empty frame"),
        pytest.param(b"\x81\x00", id="size not in its shortest form"),
        pytest.param(encode_varint(1000) + b"\x01", id="larger than a hello can be"),
        pytest.param(encode_varint(1000) + b"\x60", id="unknown type"),
    ],
)
def test_a_frame_is_refused_by_its_size_alone(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    with pytest.raises(MalformedMessage):
        reader.next_message()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="unknown type"),
        pytest.param(b"\x02", id="no fingerprints"),
        pytest.param(b"\x02\x00\x00\x00", id="a branch without children"),
        pytest.param(b"\x02\x00\x80\x00" + EMPTY_FINGERPRINT, id="an empty child written out"),
        pytest.param(b"\x03\x40" + bytes(33), id="a prefix as long as an id"),
        pytest.param(b"\x03\x01\x01\x00", id="digits behind a prefix"),
        pytest.param(b"\x03\x00\xff\xff\xff\x7f", id="a list longer than the message"),
        pytest.param(b"\x03\x00\x02" + b"b" * 16 + b"a" * 16, id="ids out of order"),
        pytest.param(b"\x03\x00\x02" + b"a" * 32, id="the same id twice"),
        pytest.param(b"\x03\x01\x10\x01" + b"\x20" * 16, id="an id not below its prefix"),
        pytest.param(b"\x04", id="no bits"),
        pytest.param(b"\x05\x02", id="a flag of 2"),
        pytest.param(b"\x06\x01\x02", id="more members than changes"),
        pytest.param(b"\x06" + encode_varint(MAX_CHANGES + 1) + b"\x00", id="too many changes"),
        pytest.param(b"\x06" + b"\xff" * 30, id="a number without end"),
        pytest.param(b"\x08\x00", id="bytes behind the fields"),
    ],
)
def test_malformed_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_message(body)
