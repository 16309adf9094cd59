"""The keys of networks find what overlaps, as the addresses say."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from core.conflict_index import IPNetwork, keys_around, last_key_within, network_key
from core.schema_toml import load_builtin_schema

KIND = load_builtin_schema("service-centre").kind("locality")
PROPERTY = KIND.property("subnet")


def networks_of(make: type[IPv4Network | IPv6Network], bits: int) -> st.SearchStrategy[IPNetwork]:
    """Networks of few addresses, so that many lie in each other."""
    addresses = st.integers(0, 15).map(lambda high: high << bits - 4) | st.integers(0, 2**bits - 1)
    return st.builds(lambda at, size: make((at, size), strict=False), addresses, st.integers(0, bits))


PAIRS = st.sampled_from(((IPv4Network, 32), (IPv6Network, 128))).flatmap(
    lambda version: st.tuples(networks_of(*version), networks_of(*version))
)


def key_of(network: IPNetwork) -> bytes:
    return network_key(KIND, PROPERTY, network)[1]


@given(PAIRS)
def test_two_networks_overlap_if_one_is_around_the_other_or_begins_in_it(pair: tuple[IPNetwork, IPNetwork]) -> None:
    one, other = pair
    mine, its = key_of(one), key_of(other)
    assert (its in keys_around(mine) or mine[:-1] <= its <= last_key_within(mine)) == one.overlaps(other)


@given(PAIRS)
def test_a_network_comes_right_before_those_in_it(pair: tuple[IPNetwork, IPNetwork]) -> None:
    one, other = sorted(pair, key=key_of)
    assert (key_of(other) <= last_key_within(key_of(one))) == one.overlaps(other)


@given(st.binary(max_size=20))
def test_damaged_keys_are_no_crash(key: bytes) -> None:
    assert isinstance(last_key_within(key), bytes)
