"""Meeting other devices: once, as `sync`, or whenever one comes, as `serve`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import Refused
from core.sync.events import Event, Figures
from core.values import quoted

if TYPE_CHECKING:
    from core.workspace.workspace import Workspace

PORT = 7420
"""Where a device answers others, if nobody says otherwise."""

MODES = ("merkle",)

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


async def sync(workspace: Workspace, target: str, *, mode: str | None, timeout: float, told: Told) -> Met:
    """Meet once. Raises Refused for a target that cannot be, FieldlineError if it did not come to its end."""
    wanted = target_of(target)
    if wanted.path is not None:
        return await _files(workspace, wanted.path, told)
    raise NotImplementedError


async def _files(workspace: Workspace, path: Path, told: Told) -> Met:
    from core.sync import bundle

    began = workspace.clock()
    merged = await bundle.sync(path, workspace.store, on_event=told)
    root = (await workspace.store.summary()).root
    return Met(None, merged.figures, (workspace.clock() - began) / 1e6, root, merged.unreadable)
