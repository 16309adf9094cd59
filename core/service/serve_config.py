"""How a serving device is reached and reaches others, and what it reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import FieldlineError
from core.service.session_runner import TCP_PROFILE, Link, LinkProfile, SyncResult

RETRY_AFTER_ERROR_S = 10.0
"""Before the store, the network or a port is tried again: a person may mend it meanwhile, and no log fills up."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check of the store in the background.

    `damage` is what is damaged first, None if nothing is.
    """

    change_count: int
    seconds: float
    damage: FieldlineError | None = None


@dataclass(frozen=True, slots=True)
class ServeEvent:
    """The result of a session, a failure, or the result of a check of the store.

    One of `result`, `error` and `check` is there.

    `peer` is None where it is not known, `endpoint` where this device did not dial.
    """

    peer: bytes | None
    result: SyncResult | None = None
    error: FieldlineError | None = None
    link_name: str = TCP_PROFILE.name
    endpoint: str | None = None
    check: CheckResult | None = None


LinkHandler = Callable[[Link, bool], Awaitable[SyncResult | None]]
"""`(link, is_initiator)` -> the session's result, None if it failed, which was reported. The caller closes the link."""


class ServedEndpoint(Protocol):
    """Where devices come and go without being dialed, such as a serial port."""

    @property
    def link_profile(self) -> LinkProfile: ...
    @property
    def endpoint(self) -> str: ...
    def set_root(self, root: bytes) -> None:
        """Take note of the root of this device's store; called often."""
        ...

    async def run(self, on_link: LinkHandler) -> None:
        """Hand over each link that comes about, until cancelled.

        Raises FieldlineError if that is not possible.
        """
        ...


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Where a serving device listens, whom it dials, and what it serves.

    Port 0 is a free one; it dials those it discovers besides.
    """

    host: str
    port: int
    is_discovery_on: bool = True
    peer_endpoints: Sequence[str] = ()
    served_endpoints: Sequence[ServedEndpoint] = field(default=())


@dataclass(frozen=True, slots=True)
class ServiceIntervals:
    """How long a serving device waits, in seconds.

    `watch_debounce_s` lies between two looks at the store, so that a burst of saves is announced once; `status_s`
    between two writes of the status; `tie_break_timeout_s` is how long a device that dialed may wait for the end of a
    dial under way the other way round, which it would do itself, too.

    The store is checked once `first_check_s` have passed, and then whenever the last check is `check_every_s` old,
    which is looked at each `check_poll_s`. The check takes `check_share` of one processor, as a rule `CPU_SHARE`.
    """

    watch_debounce_s: float = 0.5
    status_s: float = 1.0
    tie_break_timeout_s: float = 5.0
    first_check_s: float = 600.0
    check_poll_s: float = 3600.0
    check_every_s: float = 7 * 86_400.0
    check_share: float | None = None


DEFAULT_INTERVALS = ServiceIntervals()
