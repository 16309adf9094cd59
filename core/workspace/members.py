"""The devices of the fleet, and what only an admin may do: admit one, shut one out, publish the schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.changes import ID_SIZE, SCHEMA_ENTITY, Value
from core.errors import FieldlineError, Refused
from core.membership import NAME, NOTHING, REVOKED, ROLE, ROLES, Membership
from core.schema import KIND, Schema
from core.store import chains
from core.store.chains import Chained
from core.store.log import LogFilter
from core.values import quoted
from core.workspace import checking
from core.workspace.context import SCHEMA_PREFIX
from core.workspace.founding import MEMBER_KIND, SCHEMA_KIND

if TYPE_CHECKING:
    from core.workspace.context import DeviceContext, Written

MIN_PREFIX = 8


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the fleet knows it: how many changes came from it, and when the last was made (microseconds)."""

    device: bytes
    name: str
    role: str | None
    state: str
    changes: int
    last_at: int | None


async def devices(workspace: DeviceContext) -> list[Device]:
    """See `Workspace.devices`."""
    members = (await workspace.membership()).members
    me = workspace.identity.device
    said = [(device, m.name, m.role, m.state) for device, m in members.items()]
    if me not in members:
        said.append((me, workspace.home.name(), "", "pending"))
    found, view = [], workspace.view()
    for device, name, role, state in sorted(said, key=lambda row: (row[3] != "active", row[1], row[0])):
        wanted = LogFilter(device=device)
        last = await view.log(wanted, limit=1)
        count = await view.log_size(wanted)
        found.append(Device(device, name, role or None, state, count, last[0].at if last else None))
    return found


def find(text: str, membership: Membership) -> bytes:
    """The device that people mean; raises Refused."""
    found = [
        device
        for device, member in membership.members.items()
        if member.name == text or (len(text) >= MIN_PREFIX and device.hex().startswith(text.lower()))
    ]
    if len(found) != 1:
        raise Refused("{text} is no device of this fleet: `fieldline members` lists them.", text=quoted(text))
    return found[0]


async def admit(workspace: DeviceContext, device: str, role: str, name: str | None, note: str | None) -> Written:
    """See `Workspace.admit`."""
    membership = await _as_admin(workspace)
    if role not in ROLES:
        raise Refused("{role} is not a role: there are {roles}.", role=quoted(role), roles=", ".join(ROLES))
    if len(device) == 2 * ID_SIZE:
        no_id = Refused("{text} is not the id of a device: it has 32 hex digits.", text=quoted(device))
        entity = checking.id_of(device, no_id)
    else:
        entity = find(device, membership)
    known = membership.members.get(entity)
    if known is not None and known.state == "revoked":
        return await readmit(workspace, entity, role, known.name if name is None else name, note)
    shown = await workspace.view().record(entity, Schema())
    wanted: dict[str, Value] = {KIND: MEMBER_KIND, "member.role": role}
    if name is not None:
        wanted["member.name"] = checking.name(name)
    return await workspace.write(shown, wanted, note)


async def chain(workspace: DeviceContext, device: bytes) -> list[Chained]:
    """The changes of a device in the order of its chain, the latest first: one of them may be the last accepted."""
    return await workspace.store.now()._database.run(chains.chain, device)


async def revoke(workspace: DeviceContext, device: bytes, last: bytes | None, note: str | None = None) -> Written:
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


async def readmit(workspace: DeviceContext, device: bytes, role: str, name: str, note: str | None = None) -> Written:
    """Let a revoked device in again: all of its changes count again. Raises as `revoke` does."""
    await _as_admin(workspace)
    if role not in ROLES:
        raise Refused("{role} is not a role: there are {roles}.", role=quoted(role), roles=", ".join(ROLES))
    shown = await workspace.view().record(device, Schema())
    wanted: dict[str, Value] = {KIND: MEMBER_KIND, ROLE: role, NAME: checking.name(name), REVOKED: None}
    return await workspace.write(shown, wanted, note)


async def publish(workspace: DeviceContext, schema: Schema, note: str | None) -> Written:
    """See `Workspace.publish`."""
    await _as_admin(workspace)
    shown = await workspace.view().record(SCHEMA_ENTITY, Schema())
    wanted: dict[str, Value] = {name: None for name in shown.slots if name.startswith(SCHEMA_PREFIX)}
    wanted.update({SCHEMA_PREFIX + kind: text for kind, text in schema.texts().items()})
    return await workspace.write(shown, {KIND: SCHEMA_KIND, "name": schema.name, **wanted}, note)


async def _as_admin(workspace: DeviceContext) -> Membership:
    membership = await workspace.membership()
    if not membership.is_admin(workspace.identity.device):
        raise FieldlineError("Only an admin can do this, and this device is none: ask one.")
    return membership
