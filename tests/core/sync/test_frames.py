"""Frames on a serial line: what goes in comes out, and nothing else does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.sync.links.frames import CHECK_SIZE, END, Splitter, body_of, frame, mended, stuffed, unstuffed

LONGEST = 1100
bodies = st.binary(min_size=1, max_size=1000) | st.binary(min_size=250, max_size=260).map(
    lambda b: b.replace(END, b"x")
)


@given(bodies)
def test_stuffing_takes_zeros_out_and_little_room(data: bytes) -> None:
    out = stuffed(data)
    assert END not in out
    assert len(data) < len(out) <= len(data) + 1 + len(data) // 254
    assert unstuffed(out) == data


def test_the_examples_of_the_paper() -> None:
    assert stuffed(b"\0") == b"\1\1"
    assert stuffed(b"\x11\x22\0\x33") == b"\3\x11\x22\2\x33"
    assert stuffed(bytes(range(1, 255)))[:2] == b"\xff\1"


@given(st.binary(max_size=600))
def test_unstuffing_never_raises(data: bytes) -> None:
    out = unstuffed(data)
    assert out is None or len(out) <= len(data)


@given(st.lists(bodies, max_size=6), st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_frames_are_found_however_the_bytes_come(sent: list[bytes], key: int, chance: object) -> None:
    stream = END + b"".join(frame(body, key) for body in sent)
    splitter, found = Splitter(LONGEST), []
    while stream:
        size = chance.randint(1, 300)  # type: ignore[attr-defined]
        found += splitter.split(stream[:size])
        stream = stream[size:]
    assert [body_of(checked, key) for checked in found] == sent


@given(bodies, st.integers(0, 2**32 - 1), st.data())
def test_a_damaged_frame_and_one_of_another_session_do_not_count(body: bytes, key: int, data: st.DataObject) -> None:
    whole = frame(body, key)
    at = data.draw(st.integers(0, len(whole) - 2))
    bit = data.draw(st.integers(0, 7))
    broken = bytearray(whole)
    broken[at] ^= 1 << bit
    found = Splitter(LONGEST).split(END + bytes(broken))
    assert [good for checked in found if (good := body_of(checked, key)) is not None] == []
    (good,) = Splitter(LONGEST).split(END + whole)
    assert body_of(good, key ^ 1) is None


@given(bodies, st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**20), min_size=1, max_size=6, unique=True))
def test_one_wrong_bit_is_mended_and_more_are_not_mistaken_for_it(body: bytes, key: int, places: list[int]) -> None:
    broken = bytearray(unstuffed(frame(body, key)[:-1]) or b"")
    wrong = {place % (8 * len(broken)) for place in places}
    for place in wrong:
        broken[place >> 3] ^= 1 << (place & 7)
    assert mended(bytes(broken), key) == (body if len(wrong) == 1 else None)
    assert mended(bytes(broken), key ^ 0x10001) is None


@given(st.binary(max_size=2 * LONGEST), st.integers(0, 2**32 - 1))
def test_noise_is_not_mended(noise: bytes, key: int) -> None:
    assert mended(noise, key) is None


@given(st.lists(st.binary(max_size=3000), max_size=20))
def test_noise_is_not_kept_and_the_next_frame_is_found(noise: list[bytes]) -> None:
    splitter = Splitter(LONGEST)
    for data in noise:
        assert all(len(checked) <= LONGEST for checked in splitter.split(data))
        assert len(splitter._rest) <= LONGEST
    found = splitter.split(END + frame(b"body") + frame(b"next"))
    assert [body_of(checked) for checked in found[-2:]] == [b"body", b"next"]


def test_nothing_is_no_body() -> None:
    assert body_of(b"") is None
    assert body_of(bytes(CHECK_SIZE)) is None
