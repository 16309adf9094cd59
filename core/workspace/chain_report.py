"""Say in a sentence what is wrong with a device's chain, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.chain import Fault
from core.errors import FieldlineError
from core.membership import Membership
from core.store.queries.chain_faults import Branch, ChainFault, ForkedChain, read_forks
from core.store.quotas import OverLimitCount
from core.timestamps import format_timestamp
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext

_WRONG_LINKS = {
    Fault.FOREIGN: FieldlineError(
        "Device {device} signed change {change}, which names another device's change as the one before it: it has no"
        " effect. Find out who uses that device's key."
    ),
    Fault.POSITION: FieldlineError(
        "Device {device} signed change {change} for position {position}, where it does not belong: it has no effect."
        " Find out who uses that device's key."
    ),
    Fault.PAST: FieldlineError(
        "Device {device} signed change {change}, which denies what the device wrote before it: it has no effect. Find"
        " out who uses that device's key."
    ),
}


def fault_message(fault: ChainFault, membership: Membership) -> FieldlineError:
    """Say what is wrong with a chain.

    Of a fork with two of its ends and what the branches hold.
    """
    device = _device_text(fault.device, membership)
    if not isinstance(fault, ForkedChain):
        return FieldlineError(
            _WRONG_LINKS[fault.fault].template, device=device, change=fault.change.hex()[:8], position=fault.position
        )
    one, other = (_branch_text(branch) for branch in fault.branches[:2])
    return FieldlineError(
        "The key of device {device} is in use twice (copied, restored or stolen): since position {position} its chain"
        " has {count} ends, {one} and {other}. Let one of the two join as a new device, and revoke this one.",
        device=device,
        count=fault.branch_count,
        position=fault.position,
        one=one,
        other=other,
    )


async def fork_messages(workspace: DeviceContext) -> list[FieldlineError]:
    """Say of each fork which ends it has and what the branches hold."""
    forks = await workspace.store.run(read_forks)
    membership = await workspace.membership() if forks else Membership()
    return [fault_message(fork, membership) for fork in forks]


def limit_message(beyond: OverLimitCount, membership: Membership) -> FieldlineError:
    """Say that a device has more changes than are kept of it."""
    return FieldlineError(
        "Device {device} has more than the {limit} changes that are kept of it: {count} were refused. Find out what it"
        " writes; revoke it, or raise the limit with `fieldline admit --limit`.",
        device=_device_text(beyond.device, membership),
        limit=beyond.limit,
        count=beyond.count,
    )


def _device_text(device: bytes, membership: Membership) -> str:
    member = membership.members.get(device)
    return quote_value(member.name) if member and member.name else device.hex()[:8]


def _branch_text(branch: Branch) -> FieldlineError:
    return FieldlineError(
        "{change} by {user} (changes: {changes}, values: {values})",
        change=branch.change.hex()[:8],
        user=quote_value(branch.user),
        changes=branch.change_count,
        values=branch.fact_count,
    )


def fault_json(fault: ChainFault) -> Mapping[str, Any]:
    """Give a fault as JSON."""
    if not isinstance(fault, ForkedChain):
        return {
            "device": fault.device.hex(),
            "position": fault.position,
            "fault": fault.fault.value,
            "change": fault.change.hex(),
        }
    return {
        "device": fault.device.hex(),
        "position": fault.position,
        "fault": "fork",
        "ends": fault.branch_count,
        "branches": [
            {
                "change": branch.change.hex(),
                "position": branch.position,
                "at": format_timestamp(branch.at_us),
                "user": branch.user,
                "note": branch.note,
                "changes": branch.change_count,
                "facts": branch.fact_count,
            }
            for branch in fault.branches
        ],
    }
