"""What sync needs from the store: the interface, and the requests by which the session asks for it.

A request knows which method answers it, so whoever drives a session only has to await `request.of(replica)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from core.sync.cells import Cells
from core.sync.merkle import Node
from core.sync.prefixes import Prefix

R = TypeVar("R")

Overtaken = Mapping[bytes, Sequence[int]]
"""For changes, the places of those of their facts that are no leaves, by changes that may come later."""

Shorts = Sequence[Sequence[tuple[int, bytes]]]
"""Short ids and change ids, for each of some prefixes."""


class Summary(Protocol):
    """A set of changes in two figures: how many, and the root of the Merkle tree over them."""

    @property
    def count(self) -> int: ...
    @property
    def root(self) -> bytes: ...


class Order(Protocol):
    """Changes in the order to send them; the first `membership` are the chain of membership, the genesis first of
    all.

    With the first `near` of them all is there that is configured now where the peer is, with the first `current` all
    that is configured now.
    """

    @property
    def hashes(self) -> Sequence[bytes]: ...
    @property
    def membership(self) -> int: ...
    @property
    def near(self) -> int: ...
    @property
    def current(self) -> int: ...


class Saved(Protocol):
    """What became of blocks: how many were new, how many were here already, and what was refused and why."""

    @property
    def saved(self) -> int: ...
    @property
    def known(self) -> int: ...
    @property
    def refused(self) -> Sequence[tuple[bytes, Exception]]: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A set at one moment, and the cells over its short ids under a key; None while there is no key."""

    summary: Summary
    cells: Cells | None = None
    key: bytes = b""


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

    async def order(self, hashes: Sequence[bytes], near: bytes) -> Order:
        """These changes in the order in which they are most useful to a peer."""

    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]:
        """The exact bytes of these changes, in the order given."""

    async def overtaken(self, hashes: Sequence[bytes]) -> Overtaken:
        """The places of those facts of these changes that are no leaves here."""

    async def complete(self) -> None:
        """All that the peer has is here: what it called overtaken need not be believed any more."""

    async def save(self, blocks: Sequence[bytes], overtaken: Overtaken) -> Saved:
        """Check and keep blocks, in one transaction that is durable on return; idempotent."""

    async def cells(self, salt: bytes) -> Kept:
        """The cells of the whole set: those that are kept or, with a salt, other ones that are made for the purpose."""

    async def shorts(self, prefixes: Sequence[Prefix], salt: bytes) -> Shorts:
        """The short ids that begin so, and their change ids."""

    async def all_shorts(self, salt: bytes) -> Sequence[int]:
        """All short ids."""

    async def work(self, function: Callable[[], R]) -> R:
        """Run a pure function that may take long, where it holds nothing up."""

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
    near: bytes

    def of(self, replica: Replica) -> Awaitable[Order]:
        return replica.order(self.hashes, self.near)


@dataclass(frozen=True, slots=True)
class GetBlocks:
    hashes: Sequence[bytes]

    def of(self, replica: Replica) -> Awaitable[Sequence[bytes]]:
        return replica.blocks(self.hashes)


@dataclass(frozen=True, slots=True)
class GetOvertaken:
    hashes: Sequence[bytes]

    def of(self, replica: Replica) -> Awaitable[Overtaken]:
        return replica.overtaken(self.hashes)


@dataclass(frozen=True, slots=True)
class SaveBlocks:
    blocks: Sequence[bytes]
    overtaken: Overtaken

    def of(self, replica: Replica) -> Awaitable[Saved]:
        return replica.save(self.blocks, self.overtaken)


@dataclass(frozen=True, slots=True)
class Complete:
    def of(self, replica: Replica) -> Awaitable[None]:
        return replica.complete()


@dataclass(frozen=True, slots=True)
class GetCells:
    salt: bytes = b""

    def of(self, replica: Replica) -> Awaitable[Kept]:
        return replica.cells(self.salt)


@dataclass(frozen=True, slots=True)
class GetShorts:
    prefixes: Sequence[Prefix]
    salt: bytes = b""

    def of(self, replica: Replica) -> Awaitable[Shorts]:
        return replica.shorts(self.prefixes, self.salt)


@dataclass(frozen=True, slots=True)
class GetAllShorts:
    salt: bytes = b""

    def of(self, replica: Replica) -> Awaitable[Sequence[int]]:
        return replica.all_shorts(self.salt)


@dataclass(frozen=True, slots=True)
class Work:
    function: Callable[[], Any]

    def of(self, replica: Replica) -> Awaitable[Any]:
        return replica.work(self.function)


@dataclass(frozen=True, slots=True)
class Vouch:
    blocks: Sequence[bytes]

    def of(self, replica: Replica) -> Awaitable[None]:
        return replica.vouch(self.blocks)
