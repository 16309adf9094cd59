"""An opened device: its home, its store, and what everything that is done with it needs of both."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from core.changes import SCHEMA_ENTITY, Value
from core.device import input_validation
from core.device.home import Home
from core.records import Edit, Record, diff_edits
from core.schema import Schema
from core.store.store import Clock, Store
from core.store.view import View
from core.values import normalized

if TYPE_CHECKING:
    from core.identity import Identity
    from core.membership import Membership

SCHEMA_PROPERTY_PREFIX = "schema."
"""What the names of the properties begin with that hold the schema, a kind each."""

OnProgress = Callable[[int, int], None]
"""Told how much is done, of how much; what it raises stops the work, and then nothing of it is kept."""

Entropy = Callable[[int], bytes]


def system_clock() -> int:
    """Microseconds since 1970 UTC by this machine's clock."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class EditResult:
    """What an edit wrote: its change (None: nothing was different), the entity, and how many facts."""

    change: bytes | None
    entity: bytes
    fact_count: int


class DeviceContext:
    """A device's home, opened. Every method may raise FieldlineError; none leaves anything half-written.

    `user` is who says what is written from here. Edits carry the leaves that were shown: what others say meanwhile
    is never overwritten unseen.

    A verb of the command line has to start fast, so what only some of them need is imported where it is used.
    """

    def __init__(self, home: Home, store: Store, *, user: str, clock: Clock, entropy: Entropy) -> None:
        self.home = home
        self.store = store
        self.user = user
        self.clock = clock
        self.entropy = entropy
        self._identity: Identity | None = None
        self._schema: tuple[object, Schema] = (None, Schema())

    @classmethod
    async def open(
        cls, folder: Path, *, user: str, clock: Clock = system_clock, entropy: Entropy = secrets.token_bytes
    ) -> Self:
        """The device whose home this folder is."""
        home = Home(folder)
        return cls(home, await Store.open(home.store, clock=clock), user=user, clock=clock, entropy=entropy)

    async def close(self) -> None:
        """Finish what is under way and let go of the store."""
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- who and what ------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> Identity:
        """This device's key."""
        if self._identity is None:
            from core import identity

            self._identity = identity.load_identity(self.home.folder)
        return self._identity

    async def membership(self) -> Membership:
        """Who belongs to the fleet."""
        return await self.store.membership()

    async def schema(self) -> Schema:
        """The fleet's schema, as the facts say now; the past is read by it, too."""
        record = await self.store.now().record(SCHEMA_ENTITY, Schema())
        state = {name: slot.leaves for name, slot in record.slots.items()}
        if self._schema[0] != state:
            from core.schema_toml import parse_schema

            texts = {
                name.removeprefix(SCHEMA_PROPERTY_PREFIX): slot.value
                for name, slot in record.slots.items()
                if name.startswith(SCHEMA_PROPERTY_PREFIX) and isinstance(slot.value, str)
            }
            name = record.value("name")
            self._schema = (state, parse_schema(texts, name if isinstance(name, str) else ""))
        return self._schema[1]

    def view(self, at_us: int | None = None, *, as_received: bool = False) -> View:
        """The present, or everything as of a moment (as this device had `received` it by then); microseconds since
        1970.
        """
        if at_us is None:
            return self.store.now()
        return self.store.known_at(at_us) if as_received else self.store.as_of(at_us)

    async def save(self, edits: Sequence[Edit], note: str | None = None) -> bytes | None:
        """Write edits as they were shown, as one change; None if there are none."""
        if not edits:
            return None
        edits = [replace(edit, value=_normalized_value(edit.value)) for edit in edits]
        user, note = input_validation.check_user(self.user), input_validation.check_note(note)
        return await self.store.commit(self.identity, edits, user=user, note=note)

    async def write(self, shown: Record, wanted: Mapping[str, Value], note: str | None = None) -> EditResult:
        """Write what is different, unchecked: an entity's values as wanted, in knowledge of what was shown."""
        edits = diff_edits(shown, wanted)
        return EditResult(await self.save(edits, note), shown.entity, len(edits))


def _normalized_value(value: Value) -> Value:
    """The value with its texts in the one normalization form that facts have."""
    if isinstance(value, tuple):
        return tuple(normalized(item) if isinstance(item, str) else item for item in value)
    return normalized(value) if isinstance(value, str) else value
