"""Shutting a device out, from a certain one of its changes on, and letting it in again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.changes import Value
from core.errors import FieldlineError, Refused
from core.membership import NAME, NOTHING, REVOKED, ROLE, ROLES
from core.schema import KIND, Schema
from core.store import chains
from core.store.chains import Chained
from core.values import quoted
from core.workspace import checking
from core.workspace.founding import MEMBER_KIND

if TYPE_CHECKING:
    from core.workspace.workspace import Workspace, Written


async def chain(workspace: Workspace, device: bytes) -> list[Chained]:
    """The changes of a device in the order of its chain, the latest first: one of them may be the last accepted."""
    return await workspace.store.now()._database.run(chains.chain, device)


async def revoke(workspace: Workspace, device: bytes, last: bytes | None, note: str | None = None) -> Written:
    """Shut a device out: the changes of its chain up to `last` keep their effect (None: none does), and no others.

    Only an admin's word counts, and nobody's about itself. Raises FieldlineError, or Refused for a change that is not
    that device's.
    """
    await _as_admin(workspace)
    if device == workspace.identity.device:
        raise FieldlineError("A device cannot revoke itself: do it on another admin's device.")
    if last is not None and last not in {each.change for each in await chain(workspace, device)}:
        raise Refused("{change} is no change of that device.", change=last.hex()[:8])
    shown = await workspace.view().record(device, Schema())
    return await workspace.write(shown, {REVOKED: NOTHING if last is None else last.hex()}, note)


async def readmit(workspace: Workspace, device: bytes, role: str, name: str, note: str | None = None) -> Written:
    """Let a revoked device in again: all of its changes count again. Raises as `revoke` does."""
    await _as_admin(workspace)
    if role not in ROLES:
        raise Refused("{role} is not a role: there are {roles}.", role=quoted(role), roles=", ".join(ROLES))
    shown = await workspace.view().record(device, Schema())
    wanted: dict[str, Value] = {KIND: MEMBER_KIND, ROLE: role, NAME: checking.name(name), REVOKED: None}
    return await workspace.write(shown, wanted, note)


async def _as_admin(workspace: Workspace) -> None:
    if not (await workspace.membership()).is_admin(workspace.identity.device):
        raise FieldlineError("Only an admin can do this, and this device is none: ask one.")
