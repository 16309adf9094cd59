"""An opened device: its home, its store, and what every use case needs of both."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from core.changes import SCHEMA_ENTITY
from core.device import edit_check, input_validation
from core.device.home import Home
from core.errors import FieldlineError
from core.paths import exists
from core.records import Edit, Record, diff_edits
from core.schema import KIND, SCHEMA_PROPERTY_PREFIX, Schema
from core.store.store import Clock, Entropy, Store
from core.store.types import OnProgress, ignore_progress
from core.store.view import View
from core.value_codec import Value

if TYPE_CHECKING:
    from core.identity import AskPassphrase, Identity
    from core.membership import Membership
    from core.sync.sealed_file import SealKeys


def system_clock() -> int:
    """Read this machine's clock: microseconds since 1970 UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class EditResult:
    """Result of an edit: its change, the entity, and the number of facts.

    The change is None if nothing was different.
    """

    change: bytes | None
    entity: bytes
    fact_count: int


class DeviceContext:
    """A device's home, opened. Every method may raise FieldlineError.

    None leaves anything half-written.

    `user` is the author of what is written from here. Edits name the leaves that were shown, so that what arrives
    meanwhile is never overwritten unseen.

    A verb of the command line has to start fast, so what only some of them need is imported where it is used.
    """

    def __init__(self, home: Home, store: Store, *, user: str, clock: Clock, entropy: Entropy) -> None:
        self.home = home
        self.store = store
        self.user = user
        self.clock = clock
        self.entropy = entropy
        self.loaded_identity: Identity | None = None
        self.ask_passphrase: AskPassphrase | None = None
        """How to get the passphrase of a sealed key; None: there is nobody to ask."""
        self._schema: tuple[object, Schema] = (None, Schema())
        self.planned: list[Edit] | None = None
        """Not None in a dry run: what `save` was given; it does all but keep it."""
        self.has_asked_peers = False
        """Whether other devices were asked already for what is missing of this one's own chain."""
        self.on_notice: Callable[[FieldlineError], None] = lambda notice: None
        """Called with a sentence for the person who saves; it is saved all the same."""

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        user: str,
        clock: Clock = system_clock,
        entropy: Entropy = os.urandom,
        on_update: OnProgress = ignore_progress,
    ) -> Self:
        """Open the device whose home this folder is; `on_update`: see `open_database`."""
        store = await _open_store(home := Home(folder), clock, entropy, on_update)
        return cls(home, store, user=user, clock=clock, entropy=entropy)

    async def close(self) -> None:
        """Finish what is under way and close the store."""
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- who and what ------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        """This device's key, read at the first use."""
        if self.loaded_identity is None:
            from core import identity

            self.loaded_identity = identity.load_identity(self.home.key, self.ask_passphrase or identity.ask_nobody)
        return self.loaded_identity

    async def membership(self) -> Membership:
        """Read who belongs to the fleet."""
        return await self.store.membership()

    async def seal_keys(self) -> SealKeys:
        """Read what files for the fleet are sealed with and opened by."""
        return await _read_seal_keys(self)

    async def schema(self) -> Schema:
        """Parse the fleet's schema, also for the past, or give the last one if equal."""
        record = await self.store.now().record(SCHEMA_ENTITY, Schema())
        state = {name: slot.leaves for name, slot in record.slots.items()}
        if self._schema[0] != state:
            self._schema = (state, _parse_schema(record))
        return self._schema[1]

    def view(self, at_us: int | None = None, *, as_received: bool = False) -> View:
        """Give the view of the present, or as of a time (microseconds since 1970 UTC).

        With `as_received`, of the facts that this device had received by then.
        """
        if at_us is None:
            return self.store.now()
        return self.store.known_at(at_us) if as_received else self.store.as_of(at_us)

    async def save(self, edits: Sequence[Edit], note: str | None = None) -> bytes | None:
        """Check edits against the schema and write them at once.

        Give the change that the log shows for them.

        None without any edits, and in a dry run.

        Raises Refused for a user, a note or an edit that cannot be, FieldlineError for what only an admin may edit.
        """
        if not edits:
            return None
        input_validation.check_user(self.user)
        input_validation.check_note(note)
        if not any(edit.property == KIND for edit in edits):
            await self.check(edits)
            return await self.save_unchecked(edits, note)
        from core.device.creation_lock import creation_lock

        # The key of something new is free until somebody else takes it.
        async with creation_lock(self.home.folder):
            await self.check(edits)
            return await self.save_unchecked(edits, note)

    async def save_unchecked(
        self,
        edits: Sequence[Edit],
        note: str | None = None,
        *,
        check_membership: Callable[[Membership], None] | None = None,
    ) -> bytes | None:
        """Write edits as `save` does, without checking schema and membership.

        `check_membership` is called with the membership after them; if it raises, nothing is written.
        """
        if self.planned is not None:
            self.planned += edits
        self.identity.unlock()
        await self.prepare_to_write()
        change = await self.store.commit(
            self.identity,
            edits,
            user=input_validation.check_user(self.user),
            note=input_validation.check_note(note),
            schema=await self.schema(),
            check_membership=check_membership,
            is_rehearsal=self.planned is not None,
        )
        if change is not None:
            await asyncio.to_thread(self.home.note_last_change, change)
        return change

    async def prepare_to_write(self) -> None:
        """Do what has to be done before this device signs a change.

        Raises FieldlineError if it must not sign one now.
        """

    async def check(self, edits: Iterable[Edit]) -> None:
        """Raise what `save` raises for edits that the schema or the membership refuses."""
        if await edit_check.check_edits(self.store.now(), await self.schema(), edits):
            await self.require_admin()

    async def require_admin(self) -> Membership:
        """Give the membership; raises FieldlineError if this device is not an admin of it."""
        membership = await self.membership()
        if not membership.is_admin(self.identity.device):
            raise FieldlineError("Only an admin can do this, and this device is not one: ask an admin.")
        return membership

    async def write(self, shown: Record, wanted: Mapping[str, Value], note: str | None = None) -> EditResult:
        """Save what differs from what was shown, given the wanted values."""
        edits = diff_edits(shown, wanted)
        return EditResult(await self.save(edits, note), shown.entity, len(edits))


async def _read_seal_keys(device: DeviceContext) -> SealKeys:
    from core.store.queries import seal_keys
    from core.sync.sealed_file import SealKeys

    membership, now_us = await device.membership(), device.clock()
    epochs = await device.store.run(seal_keys.read_epoch_keys)
    public_keys, newcomers = await device.store.run(
        lambda connection: seal_keys.read_recipients(
            connection, membership, device.store.fleet, is_first=epochs.is_first, now_us=now_us
        )
    )
    # Also for this device itself, should it lose its store and keep its key.
    public_keys = tuple(dict.fromkeys((device.identity.public_key, *public_keys)))
    return SealKeys(device.store.fleet, epochs, lambda: device.identity, public_keys, newcomers)


def _parse_schema(record: Record) -> Schema:
    """Parse the schema that the fleet's facts about it make."""
    from core.schema_toml import parse_schema

    texts = {
        name.removeprefix(SCHEMA_PROPERTY_PREFIX): slot.value
        for name, slot in record.slots.items()
        if name.startswith(SCHEMA_PROPERTY_PREFIX) and isinstance(slot.value, str)
    }
    name = record.value("name")
    return parse_schema(texts, name if isinstance(name, str) else "")


async def _open_store(home: Home, clock: Clock, entropy: Entropy, on_update: OnProgress) -> Store:
    """Open the store, and finish a change of the key that was broken off."""
    store = await Store.open(home.store, clock=clock, entropy=entropy, on_progress=on_update)
    if exists(home.next_key):
        from core.device.next_key import adopt_next_key

        try:
            await adopt_next_key(home, store)
        except BaseException:
            await store.close()
            raise
    return store
