"""What this device may do in its fleet, in words. Pure."""

from __future__ import annotations

from typing import Literal

from core.membership import Membership
from tui.i18n.translate import N_, _

DeviceAccess = Literal["writes", "reads", "waits", "out"]

_ACCESS_LABELS: dict[DeviceAccess, str] = {
    "reads": N_("reader"),
    "waits": N_("waits to be admitted"),
    "out": N_("revoked"),
}
_REFUSALS: dict[DeviceAccess, str] = {
    "reads": N_("This device is a reader: an admin can give it another role."),
    "waits": N_("This device is not admitted yet: an admin needs the id that 6 shows."),
    "out": N_("This device is revoked: an admin can let it in again."),
}


def access_of(membership: Membership, device: bytes) -> DeviceAccess:
    """What a device may do."""
    if membership.may_write(device):
        return "writes"
    member = membership.members.get(device)
    if member is None or member.state == "pending":
        return "waits"
    return "reads" if member.state == "active" else "out"


def access_label(access: DeviceAccess) -> str:
    """The label for the first line; empty for a device that may write."""
    return _(_ACCESS_LABELS.get(access, ""))


def write_refusal(access: DeviceAccess) -> str | None:
    """Why nothing can be written on this device; None if it can."""
    return _(_REFUSALS[access]) if access in _REFUSALS else None


def admission_hint(device: bytes) -> str:
    """The sentence for a device that is not admitted and has nothing to show."""
    return _(
        "This device waits to be admitted. Tell an admin its id, {device}: on the admin's "
        "device, 6 and then a let it in. Then sync with a device of the fleet in Sync (5): "
        "everything comes from there."
    ).format(device=device.hex())
