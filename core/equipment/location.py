"""Where a device is, from what it sees.

Its locality by subnet, its place by docking station and the like. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_network

from core.errors import FieldlineError
from core.values import quote_value

ADDRESS = "address"

_USB_ID = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?:[\s:#]+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that this device sees.

    `source` is the interface, port or file it was seen at.

    `problem` says why a source could not be read; then there is no value.
    """

    kind: str
    value: str
    source: str
    problem: FieldlineError | None = None


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    """An entity's network."""

    entity: bytes
    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class KnownMark:
    """What a place is known by: a kind of evidence, and the value that the fleet says.

    `locality` is what it is in.
    """

    entity: bytes
    locality: bytes | None
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Location:
    """Where this device is; `problem` says why its place is not known.

    `is_chosen`: by hand.
    """

    locality: bytes | None = None
    place: bytes | None = None
    evidence: tuple[Evidence, ...] = ()
    problem: FieldlineError | None = None
    is_chosen: bool = False


def parse_network(text: str) -> IPv4Network | IPv6Network | None:
    """A network as a fact gives it; None for anything else."""
    try:
        return ip_network(text)
    except ValueError:
        return None


def normalise_mark(kind: str, value: str) -> str:
    """The form in which evidence is compared.

    Hex digits in lower case, no space around a serial number.
    """
    value = value.strip()
    if kind == "docking-station" and (found := _USB_ID.fullmatch(value)):
        return f"{found[1].lower()}:{found[2].lower()}:{(found[3] or '').strip()}"
    return value.lower().replace("-", ":") if kind == "mac" else value


def usb_model(mark: str) -> str:
    """Vendor and product of a normalised docking station."""
    return mark[:9]


def networks_of_address(
    address: IPv4Interface | IPv6Interface, networks: Iterable[KnownNetwork]
) -> tuple[int, set[bytes]]:
    """The longest prefix among the networks that an address is in, and whose they are.

    -1 if it is in none.
    """
    longest, entities = -1, set[bytes]()
    for each in networks:
        if each.network.version == address.version and address.ip in each.network:
            if each.network.prefixlen > longest:
                longest, entities = each.network.prefixlen, set()
            if each.network.prefixlen == longest:
                entities.add(each.entity)
    return longest, entities


def locate(
    evidence: Sequence[Evidence],
    addresses: Sequence[IPv4Interface | IPv6Interface],
    networks: Sequence[KnownNetwork],
    marks: Sequence[KnownMark],
) -> Location:
    """Where a device is that sees this.

    In doubt there is no place, and the problem says what was seen.
    """
    localities: set[bytes] = set()
    for address in addresses:
        localities |= networks_of_address(address, networks)[1]
    seen = [(each, normalise_mark(each.kind, each.value)) for each in evidence if each.problem is None]
    claims: dict[bytes, KnownMark] = {}
    matched: set[Evidence] = set()
    for mark in marks:
        value = normalise_mark(mark.kind, mark.value)
        for each, shown in seen:
            if each.kind == mark.kind and shown == value:
                claims[mark.entity] = mark
                matched.add(each)
    shown_evidence = tuple(each for each in evidence if each.kind == ADDRESS or each in matched or not matched)
    locality = next(iter(localities)) if len(localities) == 1 else None
    inside = {e: m for e, m in claims.items() if not localities or m.locality is None or m.locality in localities}
    if twice := _same_mark_twice(seen, matched):
        return Location(locality, None, shown_evidence, _ambiguous_mark(twice))
    if len(inside) == 1:
        place, mark = next(iter(inside.items()))
        return Location(mark.locality or locality, place, shown_evidence)
    problem = _problem(localities, claims, inside, matched, evidence)
    return Location(locality, None, shown_evidence, problem)


def _same_mark_twice(seen: Sequence[tuple[Evidence, str]], matched: set[Evidence]) -> Evidence | None:
    """A docking station that shows itself twice: then its number says nothing."""
    values: dict[str, Evidence] = {}
    for each, shown in seen:
        if each.kind == "docking-station" and each in matched:
            if shown in values:
                return each
            values[shown] = each
    return None


def _ambiguous_mark(evidence: Evidence) -> FieldlineError:
    return FieldlineError(
        "Several docking stations show {value} here: choose the place by hand.", value=quote_value(evidence.value)
    )


def _problem(
    localities: set[bytes],
    claims: Mapping[bytes, KnownMark],
    inside: Mapping[bytes, KnownMark],
    matched: set[Evidence],
    evidence: Sequence[Evidence],
) -> FieldlineError:
    values = ", ".join(sorted({quote_value(each.value) for each in matched}))
    if len(inside) > 1:
        return FieldlineError("{count} places have {values}: choose one by hand.", count=len(inside), values=values)
    if claims:
        return FieldlineError(
            "{values} belongs to a place of another locality than this network does: choose the place by hand.",
            values=values,
        )
    if len(localities) > 1:
        return FieldlineError(
            "This device's addresses are in the networks of {count} localities: choose the place by hand.",
            count=len(localities),
        )
    if failed := next((each.problem for each in evidence if each.problem is not None), None):
        return failed
    if others := [each for each in evidence if each.kind != ADDRESS]:
        return FieldlineError(
            "No place has {values}: choose the place by hand.",
            values=", ".join(sorted({quote_value(each.value) for each in others})[:4]),
        )
    if localities:
        return FieldlineError("Nothing here says at which place this device is: choose the place by hand.")
    return FieldlineError("Nothing that this device sees belongs to a place: choose the place by hand.")
