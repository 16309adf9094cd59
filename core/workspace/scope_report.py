"""Say in a sentence what a bound device wrote outside its scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.device.display_names import full_entity_name
from core.errors import FieldlineError
from core.membership import Membership
from core.store.entities import EntityName
from core.store.queries.out_of_scope import OutOfScope, read_out_of_scope
from core.values import printable, quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext


async def scope_messages(workspace: DeviceContext) -> dict[bytes, FieldlineError]:
    """Say of each device that said something outside its scope what that was.

    How much, and what the last of it and by whom.
    """
    membership = await workspace.membership()
    if not membership.bound_devices:
        return {}
    found = await workspace.store.run(lambda connection: read_out_of_scope(connection, membership))
    wanted = {each.entity for each in found}
    names = await workspace.view().names(wanted, await workspace.schema()) if wanted else {}
    return {each.device: _message(each, membership, names) for each in found}


async def scope_messages_for_inbox(workspace: DeviceContext) -> Sequence[FieldlineError]:
    """The same as far as it concerns this device.

    All of it if it is an admin's, else only what it said itself.
    """
    membership, me = await workspace.membership(), workspace.identity.device
    found = await scope_messages(workspace)
    return [message for device, message in found.items() if device == me or membership.is_admin(me)]


def _message(found: OutOfScope, membership: Membership, names: Mapping[bytes, EntityName]) -> FieldlineError:
    member = membership.members[found.device]
    return FieldlineError(
        "Device {device} wrote outside of what it is bound to (changes: {count}), which has no effect. The last is"
        " {change} by {user}: {property} of {entity}. If it is right, set it on a device that may; `fieldline admit"
        " --scope` lets {device} write there from then on.",
        device=quote_value(member.name),
        count=found.change_count,
        change=found.change.hex()[:8],
        user=quote_value(found.user),
        property=printable(found.property),
        entity=printable(full_entity_name(names[found.entity])) if found.entity in names else found.entity.hex()[:8],
    )
