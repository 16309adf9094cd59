from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from core.sync.reconcile.prefix_coding import (
    ShortIdPrefix,
    decode_prefixes,
    decode_short_ids,
    decode_varint,
    encode_prefixes,
    encode_short_ids,
    encode_varint,
    estimate_list_bytes,
)

shorts = st.integers(0, 2**48 - 1)


@st.composite
def prefixes(draw: st.DrawFn) -> ShortIdPrefix:
    bits = draw(st.integers(12, 48))
    return ShortIdPrefix(draw(shorts) >> 48 - bits, bits)


def in_order(listed: list[ShortIdPrefix]) -> list[tuple[int, int]]:
    return sorted((prefix.first_short_id, prefix.bits) for prefix in listed)


@given(st.lists(prefixes(), max_size=60), st.integers(0, 12))
def test_a_list_is_read_as_it_was_written(listed: list[ShortIdPrefix], resolution: int) -> None:
    data = encode_prefixes(listed, resolution)
    assert in_order(decode_prefixes(data, resolution, len(listed))) == in_order(listed)


@given(st.lists(shorts, max_size=60), st.integers(0, 48))
@example([0] * 16, 0)
def test_a_list_of_all_is_read_as_it_was_written(listed: list[int], resolution: int) -> None:
    data = encode_short_ids(listed, resolution)
    assert list(decode_short_ids(data, resolution, len(listed))) == sorted(short >> 48 - resolution for short in listed)
    assert len(data) <= estimate_list_bytes(len(listed), resolution) + 2


@given(st.binary(max_size=40), st.integers(0, 48), st.integers(0, 50))
def test_whatever_is_read_is_bounded_and_the_one_form_of_it(data: bytes, resolution: int, limit: int) -> None:
    try:
        found = decode_prefixes(data, resolution, limit)
    except ValueError:
        pass
    else:
        assert len(found) <= limit
        assert all(prefix.last_short_id < 2**48 for prefix in found)
    try:
        listed = decode_short_ids(data, resolution, limit)
    except ValueError:
        return
    assert len(listed) <= limit
    number, end = decode_varint(data, 0)
    if end == len(encode_varint(number)):
        assert encode_short_ids((head << 48 - resolution for head in listed), resolution) == data


@given(shorts, st.integers(24, 48), st.lists(shorts, max_size=20), st.integers(0, 30), st.data())
def test_a_prefix_is_cut_where_it_stands_apart(
    short: int, bits: int, others: list[int], least: int, data: st.DataObject
) -> None:
    near = data.draw(st.lists(st.integers(0, 2 ** (48 - least) - 1).map(lambda x: short ^ x), max_size=5))
    whole = ShortIdPrefix(short >> 48 - bits, bits)
    cut = whole.shorten_apart_from([*others, *near], least)
    confusable = [other for other in [*others, *near] if cut.first_short_id <= other <= cut.last_short_id]
    assert cut.bits >= min(least, bits)
    assert cut.first_short_id <= short <= cut.last_short_id
    assert not confusable or cut == whole
    if cut.bits > max(least, 1) and not confusable:
        shorter = cut.truncate(cut.bits - 1)
        assert any(shorter.first_short_id <= other <= shorter.last_short_id for other in [*others, *near])
