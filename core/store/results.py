"""What a store answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.errors import BlockRefused


@dataclass(frozen=True, slots=True)
class Summary:
    """The set of changes in two figures: how many, and the fingerprint of the Merkle tree's root (16 bytes)."""

    count: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """Changes in the order to send them; the first `membership` of them are the genesis and changes of membership.

    The first `near` bring all that is configured now at some entities, the first `current` all that is configured now.
    """

    hashes: list[bytes]
    membership: int
    near: int
    current: int


@dataclass(frozen=True, slots=True)
class Meeting:
    """What came from a device (None: from a file) over a kind of link, and when last (microseconds since 1970 UTC)."""

    device: bytes | None
    link: str
    at: int
    changes: int


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of blocks that were handed to `save`: how many are new, how many were here, and which were refused
    and why.
    """

    saved: int
    known: int
    refused: tuple[tuple[bytes, BlockRefused], ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a store holds; `conflicts` counts slots with different leaves, `quarantined` changes without effect."""

    changes: int
    facts: int
    entities: int
    conflicts: int
    quarantined: int
