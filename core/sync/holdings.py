"""Choose what to report of how far third devices hold whose changes. Pure.

A *holding* says that `holder` holds all changes of the device `chain` up to a position. It is told only after a session
has come to equal roots, when both sides mean the same changes by it. It says nothing that is needed to sync.

A device is told as the first bytes of its id; a holding is left out on either side if these do not name one device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

TAG_BYTES = 3
"""Enough to tell the devices of a fleet apart; two of 1,500 are alike in one fleet of fifteen."""
MAX_HOLDINGS_BYTES = 62
"""Of the fields, so that the frame has at most 64 bytes."""
MAX_REPORTED_POSITION = (1 << 28) - 1
"""What four bytes of a varint hold: more than a fleet may have changes."""


@dataclass(frozen=True, slots=True, order=True)
class Holding:
    """`holder` holds all changes of the device `chain` up to `position`, from 0 on."""

    chain: bytes
    holder: bytes
    position: int


def choose_holdings(known: Iterable[Holding], peer: bytes, turn: int) -> list[Holding]:
    """Choose what to report to a peer, as much as there is room for.

    What became of its own changes comes first.

    `turn` says where to begin, so that in the course of several sessions everything is told.
    """
    reported = sorted(
        each for each in known if each.holder not in (peer, each.chain) and each.position <= MAX_REPORTED_POSITION
    )
    own = [each for each in reported if each.chain == peer]
    others = [each for each in reported if each.chain != peer]
    chosen: list[Holding] = []
    sizes: dict[bytes, int] = {}
    for each in (*_from(own, turn), *_from(others, turn)):
        size = (0 if each.chain in sizes else TAG_BYTES + 1) + TAG_BYTES + _varint_bytes(each.position)
        if sum(sizes.values()) + size > MAX_HOLDINGS_BYTES:
            break
        sizes[each.chain] = sizes.get(each.chain, 0) + size
        chosen.append(each)
    return sorted(chosen)


def _from(holdings: Sequence[Holding], turn: int) -> Iterator[Holding]:
    start = turn % len(holdings) if holdings else 0
    yield from holdings[start:]
    yield from holdings[:start]


def _varint_bytes(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))


def with_tags(holdings: Iterable[Holding], devices: Iterable[bytes]) -> list[Holding]:
    """These holdings with tags for devices, without those whose tag is ambiguous."""
    by_tag = _devices_by_tag(devices)
    found = []
    for each in holdings:
        chain, holder = each.chain[:TAG_BYTES], each.holder[:TAG_BYTES]
        if by_tag.get(chain) == [each.chain] and by_tag.get(holder) == [each.holder]:
            found.append(Holding(chain, holder, each.position))
    return sorted(found)


def without_tags(reported: Iterable[Holding], devices: Iterable[bytes]) -> list[Holding]:
    """These holdings with devices for tags, without those that name not exactly one."""
    by_tag = _devices_by_tag(devices)
    found = []
    for each in reported:
        chain, holder = by_tag.get(each.chain, ()), by_tag.get(each.holder, ())
        if len(chain) == 1 and len(holder) == 1 and chain != holder:
            found.append(Holding(chain[0], holder[0], each.position))
    return found


def _devices_by_tag(devices: Iterable[bytes]) -> Mapping[bytes, Sequence[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for device in set(devices):
        found.setdefault(device[:TAG_BYTES], []).append(device)
    return found


def group_by_chain(holdings: Iterable[Holding]) -> list[tuple[bytes, list[Holding]]]:
    """Holdings in ascending order by whose changes they are about."""
    return [(chain, list(each)) for chain, each in groupby(sorted(holdings), key=lambda holding: holding.chain)]
