"""The devices of the fleet, and what only an admin may do.

Admit one, shut one out, publish the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.device import input_validation
from core.device.context import EditResult
from core.epoch_keys import EPOCH_KEY_BYTES
from core.errors import FieldlineError, Refused
from core.fleet_secrets import EPOCH_PROPERTY
from core.member_values import (
    BOUND_ROLE,
    LIMIT_PROPERTY,
    MAX_SCOPE,
    NAME_PROPERTY,
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    ROLES,
    UNBOUND,
    Cut,
    Mark,
    Scope,
    Scopes,
    readmission_value,
    revocation_value,
    role_value,
)
from core.membership import ChainEnd, Member, Membership
from core.records import Edit
from core.schema import KIND, MEMBER_KIND, SCHEMA_KIND, SCHEMA_PROPERTY_PREFIX, Schema
from core.store.indexes import member_facts
from core.store.indexes.member_facts import ChainEntry
from core.store.queries.log import LogFilter
from core.store.quotas import MAX_LIMIT, read_limit
from core.value_codec import ID_BYTES, Value
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext


@dataclass(frozen=True, slots=True)
class MemberResult(EditResult):
    """Result of an edit of a member, and what the member is after it."""

    member: Member


MIN_DEVICE_PREFIX_DIGITS = 8
"""Of hex: fewer could be a name that somebody mistyped."""


@dataclass(frozen=True, slots=True)
class DeviceSummary:
    """A device as the fleet knows it.

    `last_change_us` is in microseconds since 1970 UTC, None without changes.
    """

    device: bytes
    name: str
    role: str | None
    state: str
    change_count: int
    last_change_us: int | None
    replaced_by: bytes | None = None
    """The device whose key goes on for this one's."""
    bound_to: Scope = frozenset()
    """What it may write of: these entities and what lies in them; empty: everything."""


async def list_devices(workspace: DeviceContext) -> list[DeviceSummary]:
    """See `Workspace.devices`."""
    members = (await workspace.membership()).members
    me = workspace.identity.device
    rows = [(device, m.name, m.role, m.state, m.replaced_by, m.bound_to) for device, m in members.items()]
    if me not in members:
        rows.append((me, workspace.home.name(), "", "pending", None, frozenset()))
    found, view = [], workspace.view()
    for device, name, role, state, replaced_by, bound_to in sorted(
        rows, key=lambda row: (row[3] != "active", row[1], row[0])
    ):
        own_changes = LogFilter(device=device)
        last = await view.log(own_changes, limit=1)
        count = await view.count_log_entries(own_changes)
        last_us = last[0].at_us if last else None
        found.append(DeviceSummary(device, name, role or None, state, count, last_us, replaced_by, bound_to))
    return found


def find_device(text: str, membership: Membership) -> bytes:
    """Find a device by its name, its id in hex or a unique prefix of that.

    Raises Refused.
    """
    found = [
        device
        for device, member in membership.members.items()
        if member.name == text or (len(text) >= MIN_DEVICE_PREFIX_DIGITS and device.hex().startswith(text.lower()))
    ]
    if len(found) > 1:
        # Keys of one device have one name: it is called by the present one.
        found = [device for device in found if membership.members[device].replaced_by is None] or found
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
    workspace: DeviceContext,
    device: str,
    role: str,
    name: str | None,
    note: str | None,
    limit: int | None = None,
    scope: Scope | None = None,
) -> MemberResult:
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
    _check_not_replaced(known)
    if scope is None:
        scopes = _kept_scopes(membership, known, role)
    else:
        scopes = frozenset({_check_scope(role, scope)}) if scope else UNBOUND
    wanted: dict[str, Value] = {}
    if known is None or (known.role, known.state, known.scopes) != (role, "active", scopes):
        authority = membership.authority(entity)
        place = await mark(workspace, entity)
        if known is None or (known.role, known.scopes) != (role, scopes):
            (bound_to,) = scopes or (frozenset[bytes](),)
            wanted[ROLE_PROPERTY] = role_value(role, place if authority.roles else None, bound_to)
        if known is not None and known.state == "revoked":
            wanted[REVOKED_PROPERTY] = readmission_value(place)
    if name is not None and (known is None or known.name != input_validation.check_name(name)):
        wanted[NAME_PROPERTY] = input_validation.check_name(name)
    if limit is not None and await _is_higher_limit(workspace, entity, limit):
        wanted[LIMIT_PROPERTY] = limit
    return await _write(
        workspace,
        membership,
        entity,
        wanted,
        lambda m: (m.role, m.state, m.scopes) == (role, "active", scopes),
        note,
    )


def _kept_scopes(membership: Membership, known: Member | None, role: str) -> Scopes:
    """What a device is bound to if nobody says so.

    What it was when it last had this role, perhaps under an old key.

    Raises Refused if several admins bound it then, so that nobody but an admin can say what of that holds.
    """
    if role != BOUND_ROLE or known is None:
        return UNBOUND
    if known.role == role:
        return known.scopes
    scopes = None
    while known is not None and scopes is None:
        scopes = membership.authority(known.device).last_scopes(role)
        known = membership.members.get(known.replaces) if known.replaces else None
    if scopes is None:
        return UNBOUND
    if len(scopes) > 1:
        raise Refused("The device was bound to several scopes before: say which holds with --scope.")
    return scopes


def _check_scope(role: str, scope: Scope) -> Scope:
    """Raise Refused for what cannot be the scope of a device in this role."""
    if role != BOUND_ROLE:
        raise Refused("Only a technician can be bound to localities: leave --scope out for this role.")
    if len(scope) > MAX_SCOPE:
        raise Refused("A device can be bound to {most} localities at most.", most=MAX_SCOPE)
    return scope


def _check_not_replaced(member: Member | None) -> None:
    """Raise Refused for a device that has another key meanwhile."""
    if member is not None and member.replaced_by is not None:
        raise Refused(
            "{device} has a new key since: name that device, {successor}.",
            device=member.device.hex()[:8],
            successor=member.replaced_by.hex(),
        )


async def _is_higher_limit(workspace: DeviceContext, device: bytes, limit: int) -> bool:
    """Whether a limit is higher than a device's; raises Refused for a lower one."""
    fleet = workspace.store.fleet
    present = await workspace.store.run(lambda connection: read_limit(connection, device, fleet))
    if present is None:
        raise Refused("A device that is or was an admin has no limit.")
    if not present <= limit <= MAX_LIMIT:
        raise Refused(
            "A limit can only be raised: {limit} is not between {least} and {most}.",
            limit=limit,
            least=present,
            most=MAX_LIMIT,
        )
    return limit > present


async def chain(workspace: DeviceContext, device: bytes) -> list[ChainEntry]:
    """Read the changes of a device in the order of its chain, the latest first."""
    return await workspace.store.now()._database.run(member_facts.read_chain, device)


async def mark(workspace: DeviceContext, device: bytes) -> Mark:
    """Give the place in a chain behind all that is here of it, on all branches."""
    return await workspace.store.now()._database.run(member_facts.read_mark, device)


async def revoke_device(
    workspace: DeviceContext, device: bytes, last: Sequence[bytes], note: str | None = None
) -> MemberResult:
    """Revoke a device: only its changes up to those of `last` keep their effect.

    One for each branch of its chain; none keeps it if `last` is empty.

    What another revocation has voided stays void. Raises FieldlineError if this device is no admin or the device
    itself, or if it would have no effect; Refused for a change that is not the device's.
    """
    membership = await workspace.require_admin()
    if device == workspace.identity.device:
        raise FieldlineError("A device cannot revoke itself: do it on another admin's device.")
    entries = {each.change: each for each in await chain(workspace, device)} if last else {}
    for change in last:
        if change not in entries:
            raise Refused("{change} is no change of that device.", change=change.hex()[:8])
    place = tuple(Cut(entries[change].position, change) for change in last)
    authority = membership.authority(device)
    # What keeps the change that names the new key would leave the device what it is, under that key.
    if not {end.change for end in authority.ends}.isdisjoint(member_facts.kept_changes(list(entries.values()), place)):
        _check_not_replaced(membership.members.get(device))
    in_force = authority.denials_at(ChainEnd(), device, 0, b"")
    is_known = any(set(denial.cut) == set(place) for denial in in_force)
    wanted: dict[str, Value] = {} if is_known else {REVOKED_PROPERTY: revocation_value(place)}
    # Files that are sealed from now on are not for the device.
    epoch = await _new_epoch(workspace)
    return await _write(
        workspace, membership, device, wanted, lambda m: (m.state, m.replaced_by) == ("revoked", None), note, epoch
    )


async def renew_epoch(workspace: DeviceContext, note: str | None = None) -> EditResult:
    """Begin a new epoch: files that are sealed from now on have another key.

    Raises FieldlineError if this device is no admin.
    """
    await workspace.require_admin()
    change = await workspace.save_unchecked([await _new_epoch(workspace)], note)
    return EditResult(change, FLEET_ENTITY, 1)


async def _new_epoch(workspace: DeviceContext) -> Edit:
    shown = await workspace.view().record(FLEET_ENTITY, Schema())
    seen = tuple(sorted(leaf.fact for leaf in shown.slot(EPOCH_PROPERTY).leaves))
    return Edit(FLEET_ENTITY, EPOCH_PROPERTY, workspace.entropy(EPOCH_KEY_BYTES).hex(), seen)


async def _write(
    workspace: DeviceContext,
    membership: Membership,
    device: bytes,
    wanted: Mapping[str, Value],
    is_wanted: Callable[[Member], bool],
    note: str | None,
    epoch: Edit | None = None,
) -> MemberResult:
    """Write facts about a member that obsolete only what counts of it.

    With them that a new epoch begins.

    Raises FieldlineError, and nothing is written, if the member would not be as wanted afterwards.
    """
    edits = [Edit(device, name, value, _seen(membership, device, name)) for name, value in wanted.items()]
    if LIMIT_PROPERTY in wanted:
        shown = await workspace.view().record(device, Schema())
        seen = tuple(sorted(leaf.fact for leaf in shown.slot(LIMIT_PROPERTY).leaves))
        edits = [replace(edit, obsoletes=seen) if edit.property == LIMIT_PROPERTY else edit for edit in edits]
    if not edits:
        return MemberResult(None, device, 0, membership.members[device])
    if epoch is not None:
        edits.append(epoch)
    if device not in membership.members:
        edits.insert(0, Edit(device, KIND, MEMBER_KIND, await _seen_kinds(workspace, device)))
    found: list[Member] = []

    def check(after: Membership) -> None:
        found.append(after.members[device])
        if not is_wanted(found[0]):
            raise FieldlineError(
                "That would have no effect, so nothing was written: what an admin who was admitted earlier decided"
                " prevails. Do it on that admin's device."
            )

    change = await workspace.save_unchecked(edits, note, check_membership=check)
    return MemberResult(change, device, len(edits), found[0])


def _seen(membership: Membership, device: bytes, name: str) -> tuple[bytes, ...]:
    """What a fact about a member obsoletes.

    The leaves that count, and each revocation that is in force.
    """
    seen = set(membership.leaves.get((device, name), ()))
    if name == ROLE_PROPERTY:
        seen |= set(membership.successions.get(device, ()))
    if name == REVOKED_PROPERTY:
        seen |= {denial.fact for denial in membership.authority(device).denials_at(ChainEnd(), device, 0, b"")}
    return tuple(sorted(seen))


async def _seen_kinds(workspace: DeviceContext, device: bytes) -> tuple[bytes, ...]:
    """What others called the device before anybody admitted it."""
    shown = await workspace.view().record(device, Schema())
    return tuple(sorted(leaf.fact for leaf in shown.slot(KIND).leaves))


async def publish_schema(workspace: DeviceContext, schema: Schema, note: str | None) -> EditResult:
    """See `Workspace.publish`."""
    await workspace.require_admin()
    shown = await workspace.view().record(SCHEMA_ENTITY, Schema())
    wanted: dict[str, Value] = {name: None for name in shown.slots if name.startswith(SCHEMA_PROPERTY_PREFIX)}
    wanted.update({SCHEMA_PROPERTY_PREFIX + kind: text for kind, text in schema.texts().items()})
    return await workspace.write(shown, {KIND: SCHEMA_KIND, "name": schema.name, **wanted}, note)
