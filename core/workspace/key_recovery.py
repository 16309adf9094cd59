"""Act with the fleet's recovery key.

Admit this device as an admin, and shut out those that were stolen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.device.context import DeviceContext
from core.errors import FieldlineError, Refused
from core.identity import Identity
from core.member_values import Mark
from core.membership import Member
from core.workspace.members import admit_device, mark, revoke_device

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Recovered:
    """This device as a member, and the changes that made it one and shut others out."""

    member: Member
    changes: tuple[bytes, ...]


async def recover_fleet(
    workspace: DeviceContext, key: Ed25519PrivateKey, revoked: Sequence[bytes], note: str | None = None
) -> Recovered:
    """Let the recovery key admit this device as an admin.

    And revoke devices behind what is here of them.

    Raises Refused, with nothing written, if it is not the key that the genesis names, FieldlineError if that is not
    here yet.
    """
    membership = await workspace.membership()
    own = workspace.identity
    recovery = Identity(key)
    if not membership.members:
        raise FieldlineError("This device holds nothing of the fleet yet: sync with any device of it first.")
    if membership.recovery is None:
        raise FieldlineError("This fleet was created without a recovery key.")
    if membership.recovery != recovery.device:
        raise Refused("That is not the recovery key of this fleet.")
    if own.device in revoked:
        raise Refused("A device cannot revoke itself: do it on another admin's device.")
    marks: dict[bytes, Mark] = {device: await mark(workspace, device) for device in revoked}
    name = None if own.device in membership.members else workspace.home.name() or None
    with _acting_as(workspace, recovery):
        admitted = await admit_device(workspace, own.device.hex(), "admin", name, note)
        shut_out = [
            await revoke_device(workspace, device, [cut.change for cut in cuts], note) for device, cuts in marks.items()
        ]
    changes = (each.change for each in (admitted, *shut_out))
    return Recovered(admitted.member, tuple(change for change in changes if change is not None))


@contextmanager
def _acting_as(workspace: DeviceContext, identity: Identity) -> Iterator[None]:
    """Sign what is written meanwhile with another key than this device's."""
    own = workspace.loaded_identity
    workspace.loaded_identity = identity
    try:
        yield
    finally:
        workspace.loaded_identity = own
