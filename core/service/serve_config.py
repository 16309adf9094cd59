"""How a serving device is reached and reaches others, and what it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import FieldlineError
from core.service.session_runner import TCP_PROFILE, Link, LinkProfile, SyncResult


@dataclass(frozen=True, slots=True)
class ServeEvent:
    """Something that a serving device tells: a meeting that ended well or not, or what it cannot do.

    `peer` is the other device if it is known, `target` where this one called. One of `met` and `error` is there.
    """

    peer: bytes | None
    result: SyncResult | None = None
    error: FieldlineError | None = None
    link_name: str = TCP_PROFILE.name
    endpoint: str | None = None


LinkHandler = Callable[[Link, bool], Awaitable[SyncResult | None]]
"""What to do with a link; True if this side is the session's initiator. The link is closed by whoever made it. Gives
None if the meeting failed, which was told.
"""


class ServedEndpoint(Protocol):
    """Where devices come and go without being called, as a serial port."""

    @property
    def link_profile(self) -> LinkProfile: ...
    @property
    def endpoint(self) -> str: ...
    def set_root(self, root: bytes) -> None:
        """Take note of the root of what this device holds now; called often."""
        ...

    async def run(self, on_link: LinkHandler) -> None:
        """Hand over each link that comes about, until cancelled; raises FieldlineError if that is not possible."""
        ...


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """How a serving device is to be reached and reaches others.

    It listens at `host` and `port` (0: a free one), calls the `peers` (targets) besides those that it discovers, and
    has `ports`.
    """

    host: str
    port: int
    is_discovery_on: bool = True
    peer_endpoints: Sequence[str] = ()
    served_endpoints: Sequence[ServedEndpoint] = field(default=())
