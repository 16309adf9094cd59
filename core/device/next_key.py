"""Put a device's next key in the place of the one that it goes on for.

Once the store says so.

The next key lies beside the present one from before the change that names it is stored until it takes its place. So
there is a key at any time that the fleet knows, and what a crash breaks off is finished when the device is opened next.
"""

from __future__ import annotations

from core import temporary_files
from core.device.home import Home
from core.errors import FieldlineError
from core.identity import load_identity
from core.paths import exists
from core.store.indexes.member_facts import read_successions
from core.store.store import Store


async def adopt_next_key(home: Home, store: Store) -> None:
    """Let the next key take its place if a change of the present one names it.

    Raises FieldlineError if it cannot be read or moved.
    """
    if not exists(home.next_key):
        return
    old, new = load_identity(home.key).device, load_identity(home.next_key).device
    if (old, new) not in {(device, member) for device, member, _ in await store.run(read_successions)}:
        return
    try:
        home.next_key.replace(home.key)
        temporary_files.sync_folder(home.folder)
    except FileNotFoundError:
        # Another program has done it meanwhile.
        return
    except OSError as error:
        raise FieldlineError(
            "The new key of this device cannot be put into its place ({why}): mend that, and run any command again.",
            why=error.strerror or str(error),
        ) from None
