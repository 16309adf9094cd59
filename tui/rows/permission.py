"""What this device may do in its fleet, as people are told. Pure."""

from __future__ import annotations

from typing import Literal

from core.membership import Membership
from tui.language.i18n import N_, _

Standing = Literal["writes", "reads", "waits", "out"]

_MARKS: dict[Standing, str] = {
    "reads": N_("reader"),
    "waits": N_("waits to be admitted"),
    "out": N_("revoked"),
}
_REFUSALS: dict[Standing, str] = {
    "reads": N_("This device is a reader: an admin can give it another role."),
    "waits": N_("This device is not admitted yet: an admin needs the id that 6 shows."),
    "out": N_("This device is revoked: an admin can let it in again."),
}


def standing_of(membership: Membership, device: bytes) -> Standing:
    """How a device stands."""
    if membership.may_write(device):
        return "writes"
    member = membership.members.get(device)
    if member is None or member.state == "pending":
        return "waits"
    return "reads" if member.state == "active" else "out"


def mark(standing: Standing) -> str:
    """What the first line says of it; empty for what is usual."""
    return _(_MARKS.get(standing, ""))


def refusal(standing: Standing) -> str | None:
    """Why nothing can be written on this device; None if it can."""
    return _(_REFUSALS[standing]) if standing in _REFUSALS else None


def beginning(device: bytes) -> str:
    """What somebody does with a device that waits, to whom most screens have nothing to show."""
    return _(
        "This device waits to be admitted. Tell an admin its id, {device}: on the admin's device, 6 and then a let it "
        "in. Then meet a device of the fleet in Sync (5): everything comes from there."
    ).format(device=device.hex())
