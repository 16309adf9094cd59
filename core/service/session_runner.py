"""Run one session with another device over any link."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.device.last_change import note_confirmed
from core.service import location
from core.service.transfer_backlog import read_backlog, track_backlog
from core.store.indexes.active_members import read_may_connect
from core.sync.events import Done, Event, Failed, SyncStats
from core.sync.pump import DEFAULT_TIMEOUT_S, DEFAULT_WRITE_BYTES, StoreReplica, pump_session
from core.sync.session import MODES, Session

if TYPE_CHECKING:
    from core.device.context import DeviceContext

OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class SyncResult:
    """Result of a session. `peer` is None for files.

    `root` is that of this side afterwards.

    `damaged_bundles` are files in a folder that could not be read and were left as they are. `is_on_own_disk` says that
    the files are on the disk of this device's home, as where a stick is not mounted. `left_out_count` are changes of
    this device that were not written to files, since their bytes are damaged. `sealed_bundles` are files in a folder
    that are sealed with a key which this device does not know, `read_bundle_count` counts those that could be read.
    """

    peer: bytes | None
    stats: SyncStats
    duration_s: float
    root: bytes
    damaged_bundles: tuple[Path, ...] = ()
    is_on_own_disk: bool = False
    left_out_count: int = 0
    sealed_bundles: tuple[Path, ...] = ()
    read_bundle_count: int = 0

    @property
    def is_all_damaged(self) -> bool:
        """Whether there were files, and none of them could be read."""
        return bool(self.damaged_bundles) and not self.read_bundle_count


class Link(Protocol):
    """A secured stream to the device `peer` (16-byte id), over tcp or a serial line."""

    @property
    def peer(self) -> bytes: ...
    @property
    def reader(self) -> asyncio.StreamReader: ...
    @property
    def writer(self) -> asyncio.StreamWriter: ...
    @property
    def is_open(self) -> bool: ...
    def on_event(self, event: Event) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """Kind of a link, and how much of it to use at once.

    `batch_bytes` of changes are under way before they are committed, `write_bytes` are written before input is looked
    at again: on a slow line about a second of it. A peer that is silent for `peer_timeout_s` is given up.
    """

    name: str = "tcp"
    batch_bytes: int = 1 << 18
    write_bytes: int = DEFAULT_WRITE_BYTES
    peer_timeout_s: float = DEFAULT_TIMEOUT_S


TCP_PROFILE = LinkProfile()


def loop_time() -> float:
    """Read the running loop's clock, in seconds."""
    return asyncio.get_running_loop().time()


def make_peer_filter(workspace: DeviceContext) -> Callable[[bytes], Awaitable[bool]]:
    """Give the predicate which devices may connect.

    The members, or anybody as long as this device knows no member.

    In the latter case the peer proves in the session that it belongs to the fleet.
    """

    async def allow(device: bytes) -> bool:
        if await workspace.store.run(lambda connection: read_may_connect(connection, device)):
            return True
        # Also where nothing is noted, or nobody is known.
        membership = await workspace.membership()
        return not membership.members or membership.may_connect(device)

    return allow


async def run_session(
    workspace: DeviceContext,
    link: Link,
    link_profile: LinkProfile,
    *,
    initiator: bool,
    modes: tuple[str, ...] = tuple(MODES),
    started_at_s: float | None = None,
    timeout_s: float | None = None,
    on_event: OnEvent = lambda event: None,
) -> SyncResult:
    """Run a session over a link, which is left open.

    Of its two ends exactly one is the initiator.

    What was committed stays, whatever happens afterwards. Raises FieldlineError if the session did not come to its end.

    Args:
        workspace: this device.
        link: the stream; it stays open.
        link_profile: how much of it to use at once.
        initiator: whether this side begins.
        modes: the ways to reconcile that this side is willing to begin with.
        started_at_s: when the dial began, by the loop's clock; None is now.
        timeout_s: how long the peer may be silent; None is what the profile says.
        on_event: called with every event of the session.
    """
    started_at_s = loop_time() if started_at_s is None else started_at_s
    store = workspace.store
    # Only a device that lacks much sends where it is: one that has most of the facts gets the rest soon in any order.
    is_behind = (await store.summary()).count == 0 or await read_backlog(store) is not None
    session = Session(
        store.fleet,
        link.peer,
        initiator=initiator,
        modes=modes,
        batch_bytes=link_profile.batch_bytes,
        location_hint=await location.make_location_hint(workspace, link.writer) if is_behind else b"",
    )

    def forward(event: Event) -> None:
        link.on_event(event)
        on_event(event)

    async with track_backlog(store, link.peer, workspace.clock, forward) as on_tracked_event:
        outcome: Done | Failed = await pump_session(
            session,
            link.reader,
            link.writer,
            StoreReplica(store, link.peer, link_profile.name, partial(location.find_nearby_entities, workspace)),
            on_event=on_tracked_event,
            timeout_s=link_profile.peer_timeout_s if timeout_s is None else timeout_s,
            write_bytes=link_profile.write_bytes,
        )
    if isinstance(outcome, Failed):
        raise outcome.error
    await note_confirmed(store)
    return SyncResult(link.peer, outcome.stats, loop_time() - started_at_s, outcome.root)
