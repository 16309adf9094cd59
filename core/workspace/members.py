"""The devices of the fleet, and what only an admin may do: admit one, shut one out, publish the schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.changes import ID_BYTES, SCHEMA_ENTITY, Value
from core.device import input_validation
from core.device.context import SCHEMA_PROPERTY_PREFIX
from core.device.setup import MEMBER_KIND, SCHEMA_KIND
from core.errors import FieldlineError, Refused
from core.membership import ACCEPTS_NOTHING, NAME_PROPERTY, REVOKED_PROPERTY, ROLE_PROPERTY, ROLES, Membership
from core.schema import KIND, Schema
from core.store.indexes import member_facts
from core.store.indexes.member_facts import ChainEntry
from core.store.queries.log import LogFilter
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext, EditResult

MIN_DEVICE_PREFIX_DIGITS = 8


@dataclass(frozen=True, slots=True)
class DeviceSummary:
    """A device as the fleet knows it: how many changes came from it, and when the last was made (microseconds)."""

    device: bytes
    name: str
    role: str | None
    state: str
    change_count: int
    last_change_us: int | None


async def list_devices(workspace: DeviceContext) -> list[DeviceSummary]:
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
        count = await view.count_log_entries(wanted)
        found.append(DeviceSummary(device, name, role or None, state, count, last[0].at_us if last else None))
    return found


def find_device(text: str, membership: Membership) -> bytes:
    """The device that people mean; raises Refused."""
    found = [
        device
        for device, member in membership.members.items()
        if member.name == text or (len(text) >= MIN_DEVICE_PREFIX_DIGITS and device.hex().startswith(text.lower()))
    ]
    if len(found) > 1:
        raise Refused(
            "{text} could be any of {matches}: name one by its id.",
            text=quote_value(text),
            matches=", ".join(device.hex() for device in found),
        )
    if not found:
        raise Refused("{text} is not a device of this fleet: `fieldline members` lists them.", text=quote_value(text))
    return found[0]


async def admit_device(
    workspace: DeviceContext, device: str, role: str, name: str | None, note: str | None
) -> EditResult:
    """See `Workspace.admit`."""
    membership = await _require_admin(workspace)
    if role not in ROLES:
        raise Refused("{role} is not a role: there are {roles}.", role=quote_value(role), roles=", ".join(ROLES))
    if len(device) == 2 * ID_BYTES:
        no_id = Refused("{text} is not the id of a device: it has 32 hex digits.", text=quote_value(device))
        entity = input_validation.parse_id(device, no_id)
    else:
        entity = find_device(device, membership)
    known = membership.members.get(entity)
    if known is not None and known.state == "revoked":
        return await readmit_device(workspace, entity, role, known.name if name is None else name, note)
    shown = await workspace.view().record(entity, Schema())
    wanted: dict[str, Value] = {KIND: MEMBER_KIND, "member.role": role}
    if name is not None:
        wanted["member.name"] = input_validation.check_name(name)
    return await workspace.write(shown, wanted, note)


async def chain(workspace: DeviceContext, device: bytes) -> list[ChainEntry]:
    """The changes of a device in the order of its chain, the latest first: one of them may be the last accepted."""
    return await workspace.store.now()._database.run(member_facts.read_chain, device)


async def revoke_device(
    workspace: DeviceContext, device: bytes, last: bytes | None, note: str | None = None
) -> EditResult:
    """Shut a device out: the changes of its chain up to `last` keep their effect (None: none does), and no others.

    Only an admin's word counts, and nobody's about itself. Raises FieldlineError, or Refused for a change that is not
    that device's.
    """
    await _require_admin(workspace)
    if device == workspace.identity.device:
        raise FieldlineError("A device cannot revoke itself: do it on another admin's device.")
    if last is not None and last not in {each.change for each in await chain(workspace, device)}:
        raise Refused("{change} is no change of that device.", change=last.hex()[:8])
    shown = await workspace.view().record(device, Schema())
    return await workspace.write(shown, {REVOKED_PROPERTY: ACCEPTS_NOTHING if last is None else last.hex()}, note)


async def readmit_device(
    workspace: DeviceContext, device: bytes, role: str, name: str, note: str | None = None
) -> EditResult:
    """Let a revoked device in again: all of its changes count again. Raises as `revoke` does."""
    await _require_admin(workspace)
    if role not in ROLES:
        raise Refused("{role} is not a role: there are {roles}.", role=quote_value(role), roles=", ".join(ROLES))
    shown = await workspace.view().record(device, Schema())
    wanted: dict[str, Value] = {
        KIND: MEMBER_KIND,
        ROLE_PROPERTY: role,
        NAME_PROPERTY: input_validation.check_name(name),
        REVOKED_PROPERTY: None,
    }
    return await workspace.write(shown, wanted, note)


async def publish_schema(workspace: DeviceContext, schema: Schema, note: str | None) -> EditResult:
    """See `Workspace.publish`."""
    await _require_admin(workspace)
    shown = await workspace.view().record(SCHEMA_ENTITY, Schema())
    wanted: dict[str, Value] = {name: None for name in shown.slots if name.startswith(SCHEMA_PROPERTY_PREFIX)}
    wanted.update({SCHEMA_PROPERTY_PREFIX + kind: text for kind, text in schema.texts().items()})
    return await workspace.write(shown, {KIND: SCHEMA_KIND, "name": schema.name, **wanted}, note)


async def _require_admin(workspace: DeviceContext) -> Membership:
    membership = await workspace.membership()
    if not membership.is_admin(workspace.identity.device):
        raise FieldlineError("Only an admin can do this, and this device is not one: ask an admin.")
    return membership
