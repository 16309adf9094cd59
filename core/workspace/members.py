"""The devices of the fleet, and what only an admin may do: admit one, shut one out, publish the schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.changes import SCHEMA_ENTITY
from core.device import input_validation
from core.errors import FieldlineError, Refused
from core.membership import NAME_PROPERTY, REVOKED_PROPERTY, ROLE_PROPERTY, ROLES, Cut, Membership, cut_value
from core.schema import KIND, MEMBER_KIND, SCHEMA_KIND, SCHEMA_PROPERTY_PREFIX, Schema
from core.store.indexes import member_facts
from core.store.indexes.member_facts import ChainEntry
from core.store.queries.log import LogFilter
from core.value_codec import ID_BYTES, Value
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext, EditResult

MIN_DEVICE_PREFIX_DIGITS = 8
"""Of hex: fewer could be a name that somebody mistyped."""


@dataclass(frozen=True, slots=True)
class DeviceSummary:
    """A device as the fleet knows it; `last_change_us` is in microseconds since 1970 UTC, None without changes."""

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
    rows = [(device, m.name, m.role, m.state) for device, m in members.items()]
    if me not in members:
        rows.append((me, workspace.home.name(), "", "pending"))
    found, view = [], workspace.view()
    for device, name, role, state in sorted(rows, key=lambda row: (row[3] != "active", row[1], row[0])):
        own_changes = LogFilter(device=device)
        last = await view.log(own_changes, limit=1)
        count = await view.count_log_entries(own_changes)
        found.append(DeviceSummary(device, name, role or None, state, count, last[0].at_us if last else None))
    return found


def find_device(text: str, membership: Membership) -> bytes:
    """Find a device by its name, its id in hex or a unique prefix of that; raises Refused."""
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
    membership = await workspace.require_admin()
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
    wanted: dict[str, Value] = {KIND: MEMBER_KIND, ROLE_PROPERTY: role}
    if name is not None:
        wanted[NAME_PROPERTY] = input_validation.check_name(name)
    return await workspace.write(shown, wanted, note)


async def chain(workspace: DeviceContext, device: bytes) -> list[ChainEntry]:
    """Read the changes of a device in the order of its chain, the latest first."""
    return await workspace.store.now()._database.run(member_facts.read_chain, device)


async def revoke_device(
    workspace: DeviceContext, device: bytes, last: bytes | None, note: str | None = None
) -> EditResult:
    """Revoke a device: the changes of its chain up to `last` keep their effect (None: none does), and no others.

    Raises FieldlineError if this device is no admin or the device itself, Refused for a change that is not the
    device's.
    """
    await workspace.require_admin()
    if device == workspace.identity.device:
        raise FieldlineError("A device cannot revoke itself: do it on another admin's device.")
    cut = None
    if last is not None:
        cut = next((Cut(each.position, last) for each in await chain(workspace, device) if each.change == last), None)
        if cut is None:
            raise Refused("{change} is no change of that device.", change=last.hex()[:8])
    shown = await workspace.view().record(device, Schema())
    return await workspace.write(shown, {REVOKED_PROPERTY: cut_value(cut)}, note)


async def readmit_device(
    workspace: DeviceContext, device: bytes, role: str, name: str, note: str | None = None
) -> EditResult:
    """Readmit a revoked device: all of its changes count again. Raises as `revoke_device` does."""
    await workspace.require_admin()
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
    await workspace.require_admin()
    shown = await workspace.view().record(SCHEMA_ENTITY, Schema())
    wanted: dict[str, Value] = {name: None for name in shown.slots if name.startswith(SCHEMA_PROPERTY_PREFIX)}
    wanted.update({SCHEMA_PROPERTY_PREFIX + kind: text for kind, text in schema.texts().items()})
    return await workspace.write(shown, {KIND: SCHEMA_KIND, "name": schema.name, **wanted}, note)
