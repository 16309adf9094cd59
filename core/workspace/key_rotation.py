"""Give this device a new key, which the old one vouches for."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from core import file_lock
from core.device.context import DeviceContext
from core.device.home import Home
from core.device.next_key import adopt_next_key
from core.errors import FieldlineError
from core.identity import create_next_identity
from core.member_values import NAME_PROPERTY, ROLE_PROPERTY
from core.membership import Membership
from core.records import Edit
from core.schema import KIND, MEMBER_KIND
from core.store import store_file
from core.succession import succession_value

LOCK_FILE = "key.lock"


async def check_unused(folder: Path) -> None:
    """Raise FieldlineError if another program has this device open.

    It would go on with the old key.
    """

    def check() -> None:
        with store_file.exclusive(Home(folder).store):
            pass

    await asyncio.to_thread(check)


async def rotate_key(workspace: DeviceContext, passphrase: str | None, note: str | None = None) -> bytes | None:
    """Give this device a new key, under the passphrase if there is one.

    Gives the change that names it.

    None in a dry run.

    Raises FieldlineError, and the old key stays, if the device is no member or the new key cannot be written.
    """
    lock = file_lock.try_lock(workspace.home.folder / LOCK_FILE)
    if lock is None:
        raise FieldlineError("Another process changes the key of this device: wait until it is done.")
    try:
        return await _rotate(workspace, passphrase, note)
    finally:
        os.close(lock)


async def _rotate(workspace: DeviceContext, passphrase: str | None, note: str | None) -> bytes | None:
    old = workspace.identity
    membership = await workspace.membership()
    if not membership.may_connect(old.device):
        raise FieldlineError("This device is no member of its fleet: only the key of a member can be changed.")
    member = membership.members[old.device]
    new = await asyncio.to_thread(create_next_identity, workspace.home.next_key, old, passphrase)
    edits = [
        Edit(new.device, KIND, MEMBER_KIND, ()),
        Edit(new.device, NAME_PROPERTY, member.name, ()),
        Edit(new.device, ROLE_PROPERTY, succession_value(new.private_key, old.device), ()),
    ]

    def check(after: Membership) -> None:
        if not after.may_connect(new.device) or after.members[new.device].role != member.role:
            raise FieldlineError(
                "That would have no effect, so nothing was written: the chain of this device has forked. Let an admin"
                " admit it as a new device."
            )

    try:
        change = await workspace.save_unchecked(edits, note, check_membership=check)
    except BaseException:
        await adopt_next_key(workspace.home, workspace.store)
        raise
    await adopt_next_key(workspace.home, workspace.store)
    workspace.loaded_identity = None
    return change
