"""Read who holds what: how far devices are behind, which changes reached whom.

Only what a session has shown, or a peer told, is said; a device may hold more than is known of it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.store.indexes import holdings
from core.store.indexes.holdings import Contact, Holder

if TYPE_CHECKING:
    from core.device.context import DeviceContext


@dataclass(frozen=True, slots=True)
class FleetHoldings:
    """What is known of who holds what.

    Attributes:
        counts: for each device whose chain is whole here, how many changes it has made.
        held: (holder, whose changes) to how many of these it holds at least, the first ones.
        contacts: device to the last session with it that ended with equal roots.
    """

    counts: Mapping[bytes, int] = field(default_factory=dict)
    held: Mapping[tuple[bytes, bytes], int] = field(default_factory=dict)
    contacts: Mapping[bytes, Contact] = field(default_factory=dict)

    def is_known(self, holder: bytes) -> bool:
        """Whether anything is known of what a device holds."""
        return holder in self.contacts or any(each == holder for each, _ in self.held)

    def count_missing(self, holder: bytes, made_by: Iterable[bytes] | None = None) -> int:
        """How many changes that are here a device is not known to hold.

        `made_by` counts only those of some devices.
        """
        chains = self.counts if made_by is None else made_by
        return sum(
            max(0, self.counts.get(chain, 0) - self.held.get((holder, chain), 0)) for chain in chains if chain != holder
        )


async def read_fleet_holdings(context: DeviceContext) -> FleetHoldings:
    """Read what is known of who holds what."""
    store = context.store
    ends, held = await store.run(holdings.read_ends), await store.run(holdings.read_holdings)
    return FleetHoldings(
        {device: position + 1 for device, position in ends.items()},
        {(each.holder, each.chain): each.position + 1 for each in held},
        {each.device: each for each in await store.run(holdings.read_contacts)},
    )


async def read_holders(context: DeviceContext, changes: Sequence[bytes]) -> Mapping[bytes, Sequence[Holder]]:
    """Read which devices hold these changes, besides those that made them.

    All that was saved at once with each of them, that is.
    """
    return await context.store.run(lambda connection: holdings.read_holders(connection, changes))
