"""Meeting other devices: once, as `sync`, or whenever one comes, as `serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import FieldlineError, Refused
from core.sync import bundle
from core.sync.events import Done, Event, Failed, Figures
from core.sync.links import tcp
from core.sync.links.tls import Link, Stranger
from core.sync.run import TIMEOUT, StoreReplica, run
from core.sync.session import MODES, Session
from core.values import quoted

if TYPE_CHECKING:
    from core.workspace.workspace import Workspace

PORT = 7420
"""Where a device answers others, if nobody says otherwise."""

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


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that a serving device tells: a meeting that ended well or not, or a device that may not connect.

    `peer` is the other device's id; one of `met` and `error` is there.
    """

    peer: bytes
    met: Met | None = None
    error: FieldlineError | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to meet: a device at `host` and `port`, or the files at `path`."""

    host: str = ""
    port: int = 0
    path: Path | None = None


def target_of(text: str) -> Target:
    """The target that people mean; raises Refused with the forms that there are."""
    scheme, _, rest = text.partition("://")
    if scheme == "bundle" and rest:
        return Target(path=Path(rest))
    if scheme == "tcp":
        host, colon, port = rest.rpartition(":")
        if not colon or rest.endswith("]"):
            host, port = rest, str(PORT)
        host = host.removeprefix("[").removesuffix("]")
        if host and port.isascii() and port.isdigit() and 0 < int(port) < 65536 and "/" not in host:
            return Target(host, int(port))
    raise Refused("{target} is nothing to sync with: write tcp://HOST:PORT or bundle://PATH.", target=quoted(text))


async def sync(workspace: Workspace, target: str, *, mode: str | None, timeout: float | None, told: Told) -> Met:
    """See `Workspace.sync`."""
    wanted = target_of(target)
    if mode is not None and mode not in MODES:
        raise Refused("There is no mode {mode}: there are {modes}.", mode=quoted(mode), modes=", ".join(MODES))
    if wanted.path is not None:
        return await _files(workspace, wanted.path, told)
    modes = tuple(MODES) if mode is None else (mode,)
    began = _now()
    seconds = tcp.CONNECT_SECONDS if timeout is None else timeout
    link = await tcp.connect(wanted.host, wanted.port, workspace.identity, _allow(workspace), timeout=seconds)
    try:
        return await _meet(workspace, link, began, initiator=True, modes=modes, timeout=timeout, told=told)
    finally:
        await link.close()


async def serve(
    workspace: Workspace,
    *,
    host: str,
    port: int,
    listening: Callable[[str, int], None],
    happened: Callable[[Happened], None],
) -> None:
    """See `Workspace.serve`."""

    async def on_link(link: Link) -> None:
        try:
            met = await _meet(workspace, link, _now(), initiator=False, modes=tuple(MODES))
            happened(Happened(link.peer, met=met))
        except FieldlineError as error:
            happened(Happened(link.peer, error=error))

    def on_stranger(stranger: Stranger) -> None:
        happened(Happened(stranger.device, error=stranger))

    server = tcp.Server(workspace.identity, _allow(workspace), on_link, on_stranger)
    await server.start(host, port)
    try:
        listening(server.host, server.port)
        await asyncio.Event().wait()
    finally:
        await server.close()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _allow(workspace: Workspace) -> Callable[[bytes], Awaitable[bool]]:
    """Members may connect. A device that knows no member yet talks to anybody, who must prove itself in the session."""

    async def allow(device: bytes) -> bool:
        membership = await workspace.membership()
        return not membership.members or membership.may_connect(device)

    return allow


async def _meet(
    workspace: Workspace,
    link: Link,
    began: float,
    *,
    initiator: bool,
    modes: tuple[str, ...],
    timeout: float | None = None,
    told: Told = lambda event: None,
) -> Met:
    """Run a session over a link; raises FieldlineError if it did not come to its end."""
    store = workspace.store
    session = Session(store.fleet, link.peer, initiator=initiator, modes=modes)
    replica = StoreReplica(store, link.peer, "tcp")
    silence = TIMEOUT if timeout is None else timeout
    outcome: Done | Failed = await run(session, link.reader, link.writer, replica, on_event=told, timeout=silence)
    if isinstance(outcome, Failed):
        raise outcome.error
    return Met(link.peer, outcome.figures, _now() - began, outcome.root)


async def _files(workspace: Workspace, path: Path, told: Told) -> Met:
    began = _now()
    merged = await bundle.sync(path, workspace.store, on_event=told)
    root = (await workspace.store.summary()).root
    return Met(None, merged.figures, _now() - began, root, merged.unreadable)
