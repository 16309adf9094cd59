"""How a serving device is reached and reaches others, and what it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import FieldlineError
from core.workspace.meeting import TCP, Carrier, Link, Met


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that a serving device tells: a meeting that ended well or not, or what it cannot do.

    `peer` is the other device if it is known, `target` where this one called. One of `met` and `error` is there.
    """

    peer: bytes | None
    met: Met | None = None
    error: FieldlineError | None = None
    link: str = TCP.name
    target: str | None = None


OnLink = Callable[[Link, bool], Awaitable[Met | None]]
"""What to do with a link; True if this side is the session's initiator. The link is closed by whoever made it. Gives
None if the meeting failed, which was told.
"""


class Port(Protocol):
    """Where devices come and go without being called, as a serial port."""

    @property
    def carrier(self) -> Carrier: ...
    @property
    def target(self) -> str: ...
    def holds(self, root: bytes) -> None:
        """Take note of the root of what this device holds now; called often."""
        ...

    async def run(self, on_link: OnLink) -> None:
        """Hand over each link that comes about, until cancelled; raises FieldlineError if that is not possible."""
        ...


@dataclass(frozen=True, slots=True)
class Ways:
    """How a serving device is to be reached and reaches others.

    It listens at `host` and `port` (0: a free one), calls the `peers` (targets) besides those that it discovers, and
    has `ports`.
    """

    host: str
    port: int
    discovery: bool = True
    peers: Sequence[str] = ()
    ports: Sequence[Port] = field(default=())
