"""What devices announce: it says what it said, and anything else is passed over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.sync.discovery import announcement
from core.sync.discovery.announcement import ANNOUNCED_ROOT_BYTES, parse_announcement

ID = st.binary(min_size=16, max_size=16)
GOOD = {b"v": b"2", b"fleet": b"0" * 32, b"root": b"1" * 16, b"device": b"2" * 32}


@given(ID, ID, ID, st.ip_addresses(v=4).filter(lambda a: not (a.is_multicast or a.is_reserved or a.is_unspecified)))
def test_what_is_announced_is_read(fleet: bytes, root: bytes, device: bytes, address: object) -> None:
    record = {key.encode(): value.encode() for key, value in announcement.make_txt_record(fleet, root, device).items()}
    # The whole of a TXT record is to fit into one packet with all the rest (RFC 6763, 6.2).
    assert sum(len(key) + len(value) + 2 for key, value in record.items()) < 200
    peer = parse_announcement("name", record, [str(address)], 7420)
    assert peer is not None
    assert (peer.fleet, peer.device, peer.root) == (fleet, device, root[:ANNOUNCED_ROOT_BYTES])
    assert peer.endpoint() == f"tcp://{address}:7420"


def test_addresses_are_tried_in_turn_and_those_of_ipv6_are_bracketed() -> None:
    peer = parse_announcement("name", GOOD, ["10.0.0.1", "fe80::1%eth0", "10.0.0.1"], 1)
    assert peer is not None
    assert [peer.endpoint(n) for n in range(3)] == ["tcp://10.0.0.1:1", "tcp://[fe80::1%eth0]:1", "tcp://10.0.0.1:1"]


def test_what_nobody_would_announce_is_passed_over() -> None:
    assert parse_announcement("name", GOOD, ["10.0.0.1"], 7420) is not None
    for key, right in GOOD.items():
        for wrong in (None, b"", b"0", b"xy" * 16, right + b"00", b"\xff" * len(right), b" " * len(right)):
            assert parse_announcement("name", {**GOOD, key: wrong}, ["10.0.0.1"], 7420) is None
    for addresses in ([], ["", "localhost", "10.0.0.256"], ["0.0.0.0"], ["224.0.0.251"], ["::"], ["ff02::fb"]):
        assert parse_announcement("name", GOOD, addresses, 7420) is None
    for port in (None, 0, -1, 65536):
        assert parse_announcement("name", GOOD, ["10.0.0.1"], port) is None
    assert parse_announcement("n" * 256, GOOD, ["10.0.0.1"], 7420) is None


def test_a_device_of_format_1_is_passed_over() -> None:
    old = {key: value for key, value in GOOD.items() if key != b"v"}
    assert parse_announcement("name", old, ["10.0.0.1"], 7420) is None
    assert parse_announcement("name", {**old, b"v": b"3"}, ["10.0.0.1"], 7420) is None


@given(
    st.text(max_size=300),
    st.dictionaries(
        st.sampled_from([b"v", b"fleet", b"root", b"device", b"other"]) | st.binary(max_size=9),
        st.none() | st.binary(max_size=40) | st.sampled_from(list(GOOD.values())),
    ),
    st.lists(st.text(max_size=50) | st.sampled_from(["10.0.0.1", "fe80::1"]), max_size=50),
    st.none() | st.integers(-1, 1 << 17),
)
def test_anything_may_come(
    name: str, record: dict[bytes, bytes | None], addresses: list[str], port: int | None
) -> None:
    peer = parse_announcement(name, record, addresses, port)
    if peer is not None:
        assert (len(peer.fleet), len(peer.device), len(peer.root)) == (16, 16, ANNOUNCED_ROOT_BYTES)
        assert 0 < len(peer.addresses) <= announcement.MAX_ADDRESSES
