"""See to it that this device does not fork its own chain by a change.

Before it writes, the devices in reach are asked for what is missing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from core.device.last_change import OwnChainGap, check_last_change, check_own_chain
from core.errors import FieldlineError
from core.service.transfer_backlog import read_backlog

if TYPE_CHECKING:
    from core.device.context import DeviceContext

DISCOVERY_WAIT_S = 1.0
"""So long somebody who saves waits for the first device to show up; its answer takes a few tenths of a second."""
POLL_INTERVAL_S = 0.05
MAX_PEERS = 4
"""So many are asked: the first that answers knows most of what others do."""
PEER_TIMEOUT_S = 5.0
"""A device may be silent so long: somebody waits."""


async def ensure_own_chain(workspace: DeviceContext) -> None:
    """Ask the devices in reach, once, if the own chain may go on elsewhere.

    What came of it is a notice. Raises OwnChainGap while more of the chain is known to be on its way.
    """
    doubt = await read_doubt(workspace)
    if doubt is None:
        return
    # A dry run keeps nothing, so it asks nobody either.
    if workspace.planned is None and not workspace.has_asked_peers:
        workspace.has_asked_peers = True
        peer = await _fetch_own_chain(workspace)
        doubt = await read_doubt(workspace)
        if doubt is None:
            workspace.on_notice(
                FieldlineError(
                    "This device did not have its own latest changes: it has asked {peer} before it saved.", peer=peer
                )
            )
            return
    if isinstance(doubt, OwnChainGap) and await read_backlog(workspace.store) is not None:
        raise doubt
    workspace.on_notice(
        FieldlineError(
            "This device may not have its own latest changes, and no device in reach could give them: what is saved now"
            " may fork its chain. Sync soon; `fieldline doctor` says whether it did."
        )
    )


async def read_doubt(workspace: DeviceContext) -> FieldlineError | None:
    """Say so if a change that this device made now might fork its chain."""
    try:
        device = workspace.identity.device
    except FieldlineError:  # without a key nothing is signed
        return await check_last_change(workspace.home, workspace.store)
    return await check_own_chain(workspace.home, workspace.store, device)


async def _fetch_own_chain(workspace: DeviceContext) -> str:
    """Sync once with devices in reach until nothing of the own chain is in doubt.

    Gives where the last one was that answered.
    """
    from core.service import endpoint_sync, peer_discovery

    asked: set[str] = set()
    last = ""
    loop = asyncio.get_running_loop()
    async with peer_discovery.discover_peers(workspace) as discovery:
        deadline = loop.time() + DISCOVERY_WAIT_S
        while len(asked) < MAX_PEERS:
            found = [peer.endpoint for peer in await discovery.list_peers() if peer.endpoint.startswith("tcp:")]
            new = [endpoint for endpoint in found if endpoint not in asked]
            if not new and (asked or loop.time() >= deadline):
                break
            if not new:
                await asyncio.sleep(POLL_INTERVAL_S)
                continue
            asked.add(new[0])
            with suppress(FieldlineError):
                await endpoint_sync.sync_once(
                    workspace, new[0], mode=None, timeout_s=PEER_TIMEOUT_S, on_event=lambda event: None
                )
                last = new[0]
                if await read_doubt(workspace) is None:
                    break
    return last
