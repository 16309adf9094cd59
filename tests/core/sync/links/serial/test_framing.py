"""Frames on a serial line: what goes in comes out, and nothing else does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.sync.links.serial.framing import (
    CHECKSUM_BYTES,
    FRAME_END,
    FrameSplitter,
    cobs_decode,
    cobs_encode,
    correct_frame,
    decode_frame,
    encode_frame,
)

LONGEST = 1100
bodies = st.binary(min_size=1, max_size=1000) | st.binary(min_size=250, max_size=260).map(
    lambda b: b.replace(FRAME_END, b"x")
)


@given(bodies)
def test_stuffing_takes_zeros_out_and_little_room(data: bytes) -> None:
    out = cobs_encode(data)
    assert FRAME_END not in out
    assert len(data) < len(out) <= len(data) + 1 + len(data) // 254
    assert cobs_decode(out) == data


def test_the_examples_of_the_paper() -> None:
    assert cobs_encode(b"\0") == b"\1\1"
    assert cobs_encode(b"\x11\x22\0\x33") == b"\3\x11\x22\2\x33"
    assert cobs_encode(bytes(range(1, 255)))[:2] == b"\xff\1"


@given(st.binary(max_size=600))
def test_unstuffing_never_raises(data: bytes) -> None:
    out = cobs_decode(data)
    assert out is None or len(out) <= len(data)


@given(st.lists(bodies, max_size=6), st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_frames_are_found_however_the_bytes_come(sent: list[bytes], key: int, chance: object) -> None:
    stream = FRAME_END + b"".join(encode_frame(body, key) for body in sent)
    splitter, found = FrameSplitter(LONGEST), []
    while stream:
        size = chance.randint(1, 300)  # type: ignore[attr-defined]
        found += splitter.split(stream[:size])
        stream = stream[size:]
    assert [decode_frame(checked, key) for checked in found] == sent


@given(bodies, st.integers(0, 2**32 - 1), st.data())
def test_a_damaged_frame_and_one_of_another_session_do_not_count(body: bytes, key: int, data: st.DataObject) -> None:
    whole = encode_frame(body, key)
    at = data.draw(st.integers(0, len(whole) - 2))
    bit = data.draw(st.integers(0, 7))
    broken = bytearray(whole)
    broken[at] ^= 1 << bit
    found = FrameSplitter(LONGEST).split(FRAME_END + bytes(broken))
    assert [good for checked in found if (good := decode_frame(checked, key)) is not None] == []
    (good,) = FrameSplitter(LONGEST).split(FRAME_END + whole)
    assert decode_frame(good, key ^ 1) is None


@given(bodies, st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**20), min_size=1, max_size=6, unique=True))
def test_one_wrong_bit_is_mended_and_more_are_not_mistaken_for_it(body: bytes, key: int, places: list[int]) -> None:
    broken = bytearray(cobs_decode(encode_frame(body, key)[:-1]) or b"")
    wrong = {place % (8 * len(broken)) for place in places}
    for place in wrong:
        broken[place >> 3] ^= 1 << (place & 7)
    assert correct_frame(bytes(broken), key) == (body if len(wrong) == 1 else None)
    assert correct_frame(bytes(broken), key ^ 0x10001) is None


@given(st.binary(max_size=2 * LONGEST), st.integers(0, 2**32 - 1))
def test_noise_is_not_mended(noise: bytes, key: int) -> None:
    assert correct_frame(noise, key) is None


@given(st.lists(st.binary(max_size=3000), max_size=20))
def test_noise_is_not_kept_and_the_next_frame_is_found(noise: list[bytes]) -> None:
    splitter = FrameSplitter(LONGEST)
    for data in noise:
        assert all(len(checked) <= LONGEST for checked in splitter.split(data))
        assert len(splitter._partial) <= LONGEST
    found = splitter.split(FRAME_END + encode_frame(b"body") + encode_frame(b"next"))
    assert [decode_frame(checked) for checked in found[-2:]] == [b"body", b"next"]


def test_nothing_is_no_body() -> None:
    assert decode_frame(b"") is None
    assert decode_frame(bytes(CHECKSUM_BYTES)) is None
