"""What a store answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from core.errors import BlockRefused, FieldlineError


OnProgress = Callable[[int, int], None]
"""`(done, total)`; what it raises stops the work, and then nothing of it is kept."""


def ignore_progress(done: int, total: int) -> None:
    """Nobody looks at it."""


@dataclass(frozen=True, slots=True)
class SetSummary:
    """A set of changes in two figures: how many, and its Merkle root.

    The root is 16 bytes.
    """

    count: int
    root: bytes


@dataclass(frozen=True, slots=True)
class SendOrder:
    """Changes in the order to send them.

    The first `membership` of them are the genesis and changes of membership.

    The first `near` bring all that is configured now at some entities, the first `current` all that is configured now.
    """

    hashes: list[bytes]
    membership_count: int
    nearby_count: int
    current_count: int


@dataclass(frozen=True, slots=True)
class SourceStats:
    """What came from a device over a kind of link, and when last.

    None: from a file. In microseconds since 1970 UTC.
    """

    device: bytes | None
    link: str
    last_received_at_us: int
    change_count: int


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What became of blocks that were handed over to be kept.

    How many are new, how many were here, and which were refused and why.
    """

    added_count: int
    known_count: int
    refused: tuple[tuple[bytes, BlockRefused], ...] = ()


@dataclass(slots=True)
class SaveTally:
    """What was saved through one opened store, kept up to date on its thread.

    So that whoever stops waiting for it can still tell. `changes` are the entries that this device wrote,
    `received_count` counts the changes that came from elsewhere.
    """

    begun_count: int = 0
    ended_count: int = 0
    changes: list[bytes] = field(default_factory=list)
    received_count: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a store holds.

    `conflicts` counts slots with different leaves, `quarantined` changes without effect.
    """

    changes: int
    facts: int
    entities: int
    conflicts: int
    quarantined: int


@dataclass(slots=True)
class Verification:
    """How many changes were checked, and what is wrong with the store.

    A sentence each.

    After a repair `problems` are what could not be mended and `repaired` what was; `kept_file` holds the bytes of the
    changes that were lost, None if there are none.
    """

    checked_count: int = 0
    problems: list[FieldlineError] = field(default_factory=list)
    repaired: list[FieldlineError] = field(default_factory=list)
    kept_file: Path | None = None


@dataclass(slots=True)
class Repair:
    """What became of a store's changes when it was built anew.

    How many there were, how many of them were damaged and restored, and what is lost, a sentence each, with the file
    that holds its bytes.
    """

    checked_count: int = 0
    mended_count: int = 0
    lost: list[FieldlineError] = field(default_factory=list)
    kept_file: Path | None = None
