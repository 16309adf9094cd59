"""Say what is wrong with the devices of the fleet, as the screens tell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.store.queries.chain_faults import read_chain_faults
from core.store.quotas import read_over_limit
from core.workspace.chain_report import fault_message, fork_messages, limit_message
from core.workspace.scope_report import scope_messages, scope_messages_for_inbox

if TYPE_CHECKING:
    from core.device.context import DeviceContext


@dataclass(frozen=True, slots=True)
class Notices:
    """What the inbox tells beside its items.

    The chains that fork, and what bound devices wrote outside their scopes.
    """

    forks: Sequence[FieldlineError] = ()
    out_of_scope: Sequence[FieldlineError] = ()

    @property
    def all(self) -> Sequence[FieldlineError]:
        """All of them, forks first."""
        return [*self.forks, *self.out_of_scope]


async def read_notices(workspace: DeviceContext) -> Notices:
    """Read what the inbox tells on this device beside its items."""
    return Notices(await fork_messages(workspace), await scope_messages_for_inbox(workspace))


async def read_device_findings(workspace: DeviceContext) -> dict[bytes, list[FieldlineError]]:
    """Read what is wrong with each device: its chain, its limit, its scope."""
    membership, fleet = await workspace.membership(), workspace.store.fleet
    found: dict[bytes, list[FieldlineError]] = defaultdict(list)
    for fault in await workspace.store.run(read_chain_faults):
        found[fault.device].append(fault_message(fault, membership))
    for beyond in await workspace.store.run(lambda connection: read_over_limit(connection, fleet)):
        found[beyond.device].append(limit_message(beyond, membership))
    for device, message in (await scope_messages(workspace)).items():
        found[device].append(message)
    return dict(found)
