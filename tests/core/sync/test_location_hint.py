from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.sync.codec import MAX_LOCATION_HINT_BYTES
from core.sync.location_hint import MAX_HINT_ENTRIES, Address, decode_location_hint, encode_location_hint

entities = st.lists(st.binary(min_size=16, max_size=16), max_size=5)
addresses = st.lists(st.ip_addresses(), max_size=5)


@given(entities, addresses)
def test_what_is_reported_is_read_as_far_as_there_is_room(ids: list[bytes], where: list[Address]) -> None:
    data = encode_location_hint(ids, where)
    assert len(data) <= MAX_LOCATION_HINT_BYTES
    found, there = decode_location_hint(data)
    assert [*found, *there] == [*ids, *where][:MAX_HINT_ENTRIES]


@given(st.binary(max_size=2 * MAX_LOCATION_HINT_BYTES))
def test_whatever_a_peer_says_is_read_without_an_exception(data: bytes) -> None:
    found, there = decode_location_hint(data)
    assert 17 * (len(found) + len(there)) <= len(data)
