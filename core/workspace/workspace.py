"""One device at work: what a person can do with it, as the terminal UI and the command line call it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from core.changes import ID_SIZE, SCHEMA_ENTITY, Value
from core.errors import FieldlineError, Refused
from core.inbox import Matter
from core.membership import ROLES, Membership
from core.records import Edit, Record, diff
from core.schema import KIND, RETIRED, Schema
from core.store.log import LogFilter
from core.store.store import Clock, Store
from core.store.verification import Verification
from core.store.view import View
from core.store.writing import Imported
from core.values import quoted
from core.workspace import editing, founding, importing, past
from core.workspace.founding import MEMBER_KIND, SCHEMA_PREFIX
from core.workspace.home import Home
from core.workspace.settling import Settling

if TYPE_CHECKING:
    from core.history import Undo
    from core.identity import Identity

Entropy = Callable[[int], bytes]


def system_clock() -> int:
    """Microseconds since 1970 UTC by this machine's clock."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Written:
    """What an edit wrote: its change (None: nothing was different), the entity, and how many facts."""

    change: bytes | None
    entity: bytes
    facts: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the fleet knows it: how many changes came from it, and when the last was made (microseconds)."""

    device: bytes
    name: str
    role: str | None
    state: str
    changes: int
    last_at: int | None


class Workspace:
    """A device's home, opened. Every method may raise FieldlineError; none leaves anything half-written.

    `user` is who says what is written from here. Edits carry the leaves that were shown: what others say meanwhile
    is never overwritten unseen.
    """

    def __init__(self, home: Home, store: Store, *, user: str, clock: Clock, entropy: Entropy) -> None:
        self.home = home
        self.store = store
        self.user = user
        self.clock = clock
        self._entropy = entropy
        self._identity: Identity | None = None
        self._schema: tuple[object, Schema] = (None, Schema())
        self._settling = Settling(store)

    @classmethod
    async def init(
        cls,
        folder: Path,
        *,
        user: str,
        fleet_name: str,
        schema: Schema,
        device_name: str,
        clock: Clock = system_clock,
        entropy: Entropy = secrets.token_bytes,
    ) -> Workspace:
        """Found a fleet with this device as its admin."""
        await founding.init(
            folder, user=user, fleet_name=fleet_name, schema=schema, device_name=device_name, clock=clock
        )
        return await cls.open(folder, user=user, clock=clock, entropy=entropy)

    @classmethod
    async def join(
        cls,
        folder: Path,
        *,
        user: str,
        fleet: str,
        device_name: str,
        clock: Clock = system_clock,
        entropy: Entropy = secrets.token_bytes,
    ) -> Workspace:
        """Get this device ready for the fleet with this id in hex; an admin has to admit it."""
        await founding.join(folder, fleet=fleet, device_name=device_name, clock=clock)
        return await cls.open(folder, user=user, clock=clock, entropy=entropy)

    @classmethod
    async def open(
        cls, folder: Path, *, user: str, clock: Clock = system_clock, entropy: Entropy = secrets.token_bytes
    ) -> Workspace:
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

            self._identity = identity.load(self.home.folder)
        return self._identity

    async def membership(self) -> Membership:
        """Who belongs to the fleet."""
        return await self.store.membership()

    async def schema(self) -> Schema:
        """The fleet's schema, as the facts say now; the past is read by it, too."""
        record = await self.store.now().record(SCHEMA_ENTITY, Schema())
        state = {name: slot.leaves for name, slot in record.slots.items()}
        if self._schema[0] != state:
            texts = {
                name.removeprefix(SCHEMA_PREFIX): slot.value
                for name, slot in record.slots.items()
                if name.startswith(SCHEMA_PREFIX) and isinstance(slot.value, str)
            }
            name = record.value("name")
            self._schema = (state, Schema.parse(texts, name if isinstance(name, str) else ""))
        return self._schema[1]

    # --- reading -----------------------------------------------------------------------------------------------------

    def view(self, moment: int | None = None, *, received: bool = False) -> View:
        """The present, or everything as of a moment (as this device had `received` it by then); microseconds since
        1970.
        """
        if moment is None:
            return self.store.now()
        return self.store.known_at(moment) if received else self.store.as_of(moment)

    async def moment(self, text: str, *, received: bool = False, first: bool = False) -> int:
        """The moment that people mean by a time, a date, a change or `-2h` (microseconds since 1970 UTC).

        A time without a fraction covers its whole second: its last microsecond, or its `first`. A change stands for the
        moment from which it counts, or at which this device had `received` it.
        """
        return await past.moment_of(self.store, text, self.clock(), received=received, first=first)

    async def find(self, text: str, view: View | None = None) -> bytes:
        """The entity that people call so, in this view or else at present; raises Refused."""
        schema = await self.schema()
        if view is not None and view.past:
            try:
                return await view.find(text, schema)
            except Refused:
                pass
        return await self.store.now().find(text, schema)

    async def record(self, entity: bytes, view: View | None = None) -> Record:
        """One entity as the schema sees it."""
        return await (view or self.store.now()).record(entity, await self.schema())

    async def change(self, text: str) -> bytes:
        """The change with this id in hex, or a unique prefix of 8 digits or more; raises Refused."""
        return await past.change_of(self.store, text)

    async def inbox(self, view: View | None = None) -> list[Matter]:
        """What waits for a decision, and may wait."""
        return await self._settling.inbox(view or self.store.now(), await self.schema())

    # --- editing -----------------------------------------------------------------------------------------------------

    async def save(self, edits: Sequence[Edit], note: str | None = None) -> bytes | None:
        """Write edits as they were shown, as one change; None if there are none."""
        if not edits:
            return None
        user, note = founding.checked_user(self.user), editing.checked_note(note)
        return await self.store.commit(self.identity, edits, user=user, note=note)

    async def create(self, kind_name: str, values: Mapping[str, Value], note: str | None = None) -> Written:
        """Something new of a kind, with a random id; raises Refused if the schema refuses it or its key is in use."""
        schema, view = await self.schema(), self.store.now()
        kind = editing.kind_to_make(schema, kind_name)
        values = {name: value for name, value in values.items() if value is not None}
        editing.check_new(kind, values)
        await editing.check_references(view, kind, values, schema)
        await editing.check_key_is_free(view, kind, values, schema)
        return await self._write(Record(self._entropy(ID_SIZE)), {KIND: kind_name, **values}, note)

    async def set(self, shown: Record, wanted: Mapping[str, Value], note: str | None = None) -> Written:
        """Give an entity the wanted values, None to clear; raises Refused for what the schema refuses.

        `shown` holds the slots as its author saw them. What is not different is not written; a conflict is settled.
        """
        schema = await self.schema()
        kind = schema.kind(shown.kind)
        editing.check_wanted(shown, wanted, kind)
        await editing.check_references(self.store.now(), kind, wanted, schema)
        return await self._write(shown, wanted, note)

    async def clear(self, shown: Record, names: Sequence[str], note: str | None = None) -> Written:
        """Say that properties are no longer used."""
        kind = (await self.schema()).kind(shown.kind)
        for name in names:
            if name not in shown.slots or name == KIND:
                editing.property_of(kind, name)
        return await self.set(shown, dict.fromkeys(names), note)

    async def retire(self, shown: Record, note: str | None = None) -> Written:
        """Take an entity out of use; its facts stay."""
        return await self._write(shown, {RETIRED: True}, note)

    async def take(self, shown: Record, name: str, fact: str, note: str | None = None) -> Written:
        """Settle a slot with the candidate whose fact has this id in hex or a unique prefix of 8 digits or more."""
        found = [leaf for leaf in shown.slot(name).leaves if leaf.fact.hex().startswith(fact.lower())]
        if len(fact) < 8 or len(found) != 1:
            raise Refused(
                "{fact} is none of the candidates for {property}: `fieldline show` lists them.",
                fact=quoted(fact),
                property=quoted(name),
            )
        return await self._write(shown, {name: found[0].value}, note)

    async def _write(self, shown: Record, wanted: Mapping[str, Value], note: str | None) -> Written:
        edits = diff(shown, wanted)
        return Written(await self.save(edits, note), shown.entity, len(edits))

    # --- files -------------------------------------------------------------------------------------------------------

    async def import_history(self, path: Path, progress: importing.Progress = lambda done, of: None) -> Imported:
        """Write the edit history in a file, a change a line with the line's time and user: all of it or nothing."""
        lines = importing.history(path)
        return await self.store.import_history(self.identity, lines, await self.schema(), progress=progress)

    async def verify(
        self, *, repair: bool = False, progress: importing.Progress = lambda done, of: None
    ) -> Verification:
        """Check every change and all that is derived from them; `repair` rebuilds what is derived."""
        return await self.store.verify(repair=repair, progress=progress)

    # --- turning back ------------------------------------------------------------------------------------------------

    async def plan_restore(self, entity: bytes, moment: int) -> list[Edit]:
        """The edits that bring an entity back to how it was at a moment, on top of the present."""
        return await past.plan_restore(self.store, entity, moment, await self.schema())

    async def plan_undo(self, change: bytes) -> Undo:
        """What taking a change back writes, and what it leaves alone because it was changed since."""
        return await past.plan_undo(self.store, change, await self.schema())

    # --- members -----------------------------------------------------------------------------------------------------

    async def admit(self, device: str, role: str, name: str | None = None, note: str | None = None) -> Written:
        """Let a device in, or give a member another role or name; only an admin's word counts."""
        membership = await self._as_admin()
        if role not in ROLES:
            raise Refused("{role} is not a role: there are {roles}.", role=quoted(role), roles=", ".join(ROLES))
        entity = (
            founding.checked_id(
                device, Refused("{text} is not the id of a device: it has 32 hex digits.", text=quoted(device))
            )
            if len(device) == 2 * ID_SIZE
            else self.member(device, membership)
        )
        shown = await self.store.now().record(entity, Schema())
        wanted: dict[str, Value] = {KIND: MEMBER_KIND, "member.role": role}
        if name is not None:
            wanted["member.name"] = founding.checked_name(name)
        return await self._write(shown, wanted, note)

    async def publish(self, schema: Schema, note: str | None = None) -> Written:
        """Make this the fleet's schema, a fact for each kind that differs; only an admin's word counts."""
        await self._as_admin()
        shown = await self.store.now().record(SCHEMA_ENTITY, Schema())
        wanted: dict[str, Value] = {name: None for name in shown.slots if name.startswith(SCHEMA_PREFIX)}
        wanted.update({SCHEMA_PREFIX + kind: text for kind, text in schema.texts().items()})
        return await self._write(shown, {KIND: founding.SCHEMA_KIND, "name": schema.name, **wanted}, note)

    async def devices(self) -> list[Device]:
        """All devices of the fleet, the active ones first, with what came from each; this one also while it waits."""
        members = (await self.membership()).members
        said = [(device, m.name, m.role, m.state) for device, m in members.items()]
        if self.identity.device not in members:
            said.append((self.identity.device, self.home.name(), "", "pending"))
        found, view = [], self.store.now()
        for device, name, role, state in sorted(said, key=lambda row: (row[3] != "active", row[1], row[0])):
            wanted = LogFilter(device=device)
            last = await view.log(wanted, limit=1)
            count = await view.log_size(wanted)
            found.append(Device(device, name, role or None, state, count, last[0].at if last else None))
        return found

    @staticmethod
    def member(text: str, membership: Membership) -> bytes:
        """The device with this id in hex, a unique prefix of it (8 digits or more), or this name; raises Refused."""
        found = [
            device
            for device, member in membership.members.items()
            if member.name == text or (len(text) >= 8 and device.hex().startswith(text.lower()))
        ]
        if len(found) != 1:
            raise Refused("{text} is no device of this fleet: `fieldline members` lists them.", text=quoted(text))
        return found[0]

    async def _as_admin(self) -> Membership:
        membership = await self.membership()
        if not membership.is_admin(self.identity.device):
            raise FieldlineError("Only an admin can do this, and this device is none: ask one.")
        return membership
