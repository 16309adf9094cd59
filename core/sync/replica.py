"""What sync needs from the store: the interface, and the requests by which the session asks for it.

A request knows which method answers it, so whoever drives a session only has to await `request.of(replica)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.sync.merkle import Node


class Summary(Protocol):
    """A set of changes in two figures: how many, and the root of the Merkle tree over them."""

    @property
    def count(self) -> int: ...
    @property
    def root(self) -> bytes: ...


class Order(Protocol):
    """Changes in the order to send them; the first `membership` are the chain of membership, the genesis first of
    all.
    """

    @property
    def hashes(self) -> Sequence[bytes]: ...
    @property
    def membership(self) -> int: ...


class Saved(Protocol):
    """What became of blocks: how many were new, how many were here already, and what was refused and why."""

    @property
    def saved(self) -> int: ...
    @property
    def known(self) -> int: ...
    @property
    def refused(self) -> Sequence[tuple[bytes, Exception]]: ...


class Replica(Protocol):
    """One device's set of changes, as the session with one peer sees it. Every method may raise FieldlineError."""

    async def summary(self) -> Summary:
        """The whole set in two figures; without reading the set."""

    async def hashes(self) -> Sequence[bytes]:
        """All ids, ascending."""

    async def tree(self, prefixes: Sequence[str]) -> Sequence[Node]:
        """The nodes of the Merkle tree for these prefixes, in the order given."""

    async def under(self, prefixes: Sequence[str]) -> Sequence[Sequence[bytes]]:
        """The ids below each of these prefixes, ascending."""

    async def order(self, hashes: Sequence[bytes]) -> Order:
        """These changes in the order in which they are most useful to a peer."""

    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]:
        """The exact bytes of these changes, in the order given."""

    async def save(self, blocks: Sequence[bytes]) -> Saved:
        """Check and keep blocks, in one transaction that is durable on return; idempotent."""

    async def vouch(self, blocks: Sequence[bytes]) -> None:
        """Check that these blocks, from the genesis on, make the peer a member; raises Refused. Nothing is kept."""


class Request(Protocol):
    """Something a session needs from its replica before it can go on."""

    def of(self, replica: Replica) -> Awaitable[Any]:
        """Ask the replica; what it answers is what the session wants to be told."""


@dataclass(frozen=True, slots=True)
class GetSummary:
    def of(self, replica: Replica) -> Awaitable[Summary]:
        return replica.summary()


@dataclass(frozen=True, slots=True)
class GetHashes:
    def of(self, replica: Replica) -> Awaitable[Sequence[bytes]]:
        return replica.hashes()


@dataclass(frozen=True, slots=True)
class GetTree:
    prefixes: Sequence[str]

    def of(self, replica: Replica) -> Awaitable[Sequence[Node]]:
        return replica.tree(self.prefixes)


@dataclass(frozen=True, slots=True)
class GetUnder:
    prefixes: Sequence[str]

    def of(self, replica: Replica) -> Awaitable[Sequence[Sequence[bytes]]]:
        return replica.under(self.prefixes)


@dataclass(frozen=True, slots=True)
class GetOrder:
    hashes: Sequence[bytes]

    def of(self, replica: Replica) -> Awaitable[Order]:
        return replica.order(self.hashes)


@dataclass(frozen=True, slots=True)
class GetBlocks:
    hashes: Sequence[bytes]

    def of(self, replica: Replica) -> Awaitable[Sequence[bytes]]:
        return replica.blocks(self.hashes)


@dataclass(frozen=True, slots=True)
class SaveBlocks:
    blocks: Sequence[bytes]

    def of(self, replica: Replica) -> Awaitable[Saved]:
        return replica.save(self.blocks)


@dataclass(frozen=True, slots=True)
class Vouch:
    blocks: Sequence[bytes]

    def of(self, replica: Replica) -> Awaitable[None]:
        return replica.vouch(self.blocks)
