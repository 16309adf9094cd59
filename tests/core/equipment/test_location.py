"""Where a device is, from what it sees.

Longest match, both families, and no place in doubt.
"""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.equipment.location import Evidence, KnownMark, KnownNetwork, Location, locate, normalise_mark

SITE, OTHER, PLACE, NEXT = b"site", b"other", b"place", b"next"
DOCK = Evidence("docking-station", "17e9:6006 #A1B2", "usb 1-4")


def network(entity: bytes, text: str) -> KnownNetwork:
    return KnownNetwork(entity, ip_network(text))


def mark(entity: bytes, value: str = "17e9:6006 #A1B2", locality: bytes = SITE) -> KnownMark:
    return KnownMark(entity, locality, "docking-station", value)


def at(
    *addresses: str, networks: list[KnownNetwork], marks: tuple[KnownMark, ...] = (), docks: tuple[Evidence, ...] = ()
) -> Location:
    evidence = [Evidence("address", text, "eth0") for text in addresses] + list(docks)
    return locate(evidence, [ip_interface(text) for text in addresses], networks, marks)


def test_the_longest_prefix_is_the_locality() -> None:
    networks = [network(OTHER, "10.0.0.0/8"), network(SITE, "10.24.1.0/24"), network(OTHER, "::/0")]
    assert at("10.24.1.5/24", networks=networks).locality == SITE
    assert at("10.25.1.5/24", networks=networks).locality == OTHER
    assert at("192.168.1.5/24", networks=networks).locality is None


def test_ipv6_counts_as_well() -> None:
    assert at("2001:db8:1::5/64", networks=[network(SITE, "2001:db8:1::/64")]).locality == SITE


def test_equal_matches_are_ambiguous() -> None:
    found = at("10.24.1.5/24", networks=[network(SITE, "10.24.1.0/24"), network(OTHER, "10.24.1.0/24")])
    assert (found.locality, found.place) == (None, None)
    assert "networks of 2 localities" in str(found.problem)


def test_a_dock_is_the_place() -> None:
    found = at("10.24.1.5/24", networks=[network(SITE, "10.24.1.0/24")], marks=(mark(PLACE),), docks=(DOCK,))
    assert (found.locality, found.place, found.problem) == (SITE, PLACE, None)


def test_a_network_that_says_otherwise_leaves_the_place_open() -> None:
    found = at("10.9.1.5/24", networks=[network(OTHER, "10.9.1.0/24")], marks=(mark(PLACE),), docks=(DOCK,))
    assert (found.locality, found.place) == (OTHER, None)
    assert "another locality" in str(found.problem)


def test_of_two_claims_the_one_in_this_network_counts() -> None:
    marks = (mark(PLACE), mark(NEXT, locality=OTHER))
    assert at("10.24.1.5/24", networks=[network(SITE, "10.24.1.0/24")], marks=marks, docks=(DOCK,)).place == PLACE
    found = at(networks=[], marks=marks, docks=(DOCK,))
    assert (found.place, "2 places have" in str(found.problem)) == (None, True)


def test_nothing_seen_says_so() -> None:
    assert "choose the place by hand" in str(at(networks=[]).problem)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("17e9:6006 #A1B2", "17E9:6006 #A1B2 "),
        ("17e9:6006 #A1B2", "17e9:6006:A1B2"),
        ("17e9:6006", " 17E9:6006"),
    ],
)
def test_spellings_of_a_dock_are_one(one: str, other: str) -> None:
    assert normalise_mark("docking-station", one) == normalise_mark("docking-station", other)


def test_the_case_of_a_serial_number_counts() -> None:
    assert normalise_mark("docking-station", "17e9:6006 #a") != normalise_mark("docking-station", "17e9:6006 #A")


@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(0, 32), st.integers(0, 2**32 - 1)), max_size=5))
def test_the_match_is_that_of_every_network_tried(address: int, given_networks: list[tuple[int, int]]) -> None:
    text = f"{ip_interface(address).ip}/32"
    networks = [
        KnownNetwork(bytes([n]), ip_network((base, size), strict=False))
        for n, (size, base) in enumerate(given_networks)
    ]
    holding = [each for each in networks if ip_interface(text).ip in each.network]
    longest = max((each.network.prefixlen for each in holding), default=-1)
    best = {each.entity for each in holding if each.network.prefixlen == longest}
    found = at(text, networks=networks)
    assert found.locality == (next(iter(best)) if len(best) == 1 else None)
