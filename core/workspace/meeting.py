"""Meeting another device once: over any link, in one session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.sync.events import Done, Event, Failed, Figures
from core.sync.run import PIECE, TIMEOUT, StoreReplica, run
from core.sync.session import MODES, Session
from core.workspace import nearby
from core.workspace.arriving import arriving, noted

if TYPE_CHECKING:
    from core.workspace.context import DeviceContext

Told = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Met:
    """What a meeting came to. `peer` is None for files; `seconds` is how long it took; `root` is this side's
    afterwards.

    `unreadable` are damaged bundles in a folder, which were left as they are.
    """

    peer: bytes | None
    figures: Figures
    seconds: float
    root: bytes
    unreadable: tuple[Path, ...] = ()


class Link(Protocol):
    """A secured stream to the device `peer`, whatever carries it."""

    @property
    def peer(self) -> bytes: ...
    @property
    def reader(self) -> asyncio.StreamReader: ...
    @property
    def writer(self) -> asyncio.StreamWriter: ...
    @property
    def is_open(self) -> bool: ...
    def hears(self, event: Event) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Carrier:
    """What carries a link, and how much of it to use at once: `batch_bytes` of changes are on their way before they
    are committed, `piece` bytes are written before looking up again; on a slow line about a second of it. A peer that
    is silent for `patience` seconds is given up.
    """

    name: str = "tcp"
    batch_bytes: int = 1 << 18
    piece: int = PIECE
    patience: float = TIMEOUT


TCP = Carrier()


def now() -> float:
    """Seconds on the loop's clock."""
    return asyncio.get_running_loop().time()


def allowed(workspace: DeviceContext) -> Callable[[bytes], Awaitable[bool]]:
    """Members may connect. A device that knows no member yet talks to anybody, who must prove itself in the session."""

    async def allow(device: bytes) -> bool:
        membership = await workspace.membership()
        return not membership.members or membership.may_connect(device)

    return allow


async def meet(
    workspace: DeviceContext,
    link: Link,
    carrier: Carrier,
    *,
    initiator: bool,
    modes: tuple[str, ...] = tuple(MODES),
    began: float | None = None,
    timeout: float | None = None,
    told: Told = lambda event: None,
) -> Met:
    """Run a session over a link, which is left open; of its two ends exactly one is the initiator.

    Raises FieldlineError if the session did not come to its end; what had been saved by then stays.
    """
    began = now() if began is None else began
    store = workspace.store
    # Only who lacks much says where it is: a device that has most of the facts gets the rest soon enough in any order.
    lacking = (await store.summary()).count == 0 or await arriving(store) is not None
    session = Session(
        store.fleet,
        link.peer,
        initiator=initiator,
        modes=modes,
        batch_bytes=carrier.batch_bytes,
        near=await nearby.told(workspace, link.writer) if lacking else b"",
    )

    def both(event: Event) -> None:
        link.hears(event)
        told(event)

    async with noted(store, link.peer, workspace.clock, both) as hear:
        outcome: Done | Failed = await run(
            session,
            link.reader,
            link.writer,
            StoreReplica(store, link.peer, carrier.name, partial(nearby.around, workspace)),
            on_event=hear,
            timeout=carrier.patience if timeout is None else timeout,
            piece=carrier.piece,
        )
    if isinstance(outcome, Failed):
        raise outcome.error
    return Met(link.peer, outcome.figures, now() - began, outcome.root)
