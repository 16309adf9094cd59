"""One device at work: what a person can do with it, as the terminal UI and the command line call it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.changes import Value
from core.errors import FieldlineError, Refused
from core.records import Edit, Record
from core.schema import RETIRED, Schema
from core.store.store import Clock
from core.store.view import View
from core.workspace.context import DeviceContext, Entropy, Progress, Written, system_clock

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from core.history import Undo
    from core.inbox import Matter
    from core.store.verification import Verification
    from core.store.writing import Imported
    from core.workspace.arriving import Arriving
    from core.workspace.meeting import Met, Told
    from core.workspace.members import Device
    from core.workspace.peers import Lookout
    from core.workspace.pending import Pending
    from core.workspace.settling import Settling
    from core.workspace.tables import ValueOf
    from core.workspace.ways import Happened, Ways


def _untold(done: int, total: int) -> None:
    """Where nobody wants to know."""


class Workspace(DeviceContext):
    """A device at work: what a person can do with it. Every method may raise FieldlineError; none leaves anything
    half-written.

    A verb of the command line has to start fast, so what only some of them need is imported where it is used.
    """

    _settling: Settling | None = None

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
        from core.workspace import founding

        await founding.init(
            folder,
            user=user,
            fleet_name=fleet_name,
            schema=schema,
            device_name=device_name,
            clock=clock,
            entropy=entropy,
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
        from core.workspace import founding

        await founding.join(folder, fleet=fleet, device_name=device_name, clock=clock)
        return await cls.open(folder, user=user, clock=clock, entropy=entropy)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def moment(self, text: str, *, received: bool = False, first: bool = False) -> int:
        """The moment that people mean by a time, a date, a change or `-2h` (microseconds since 1970 UTC).

        A time without a fraction covers its whole second: its last microsecond, or its `first`. A change stands for the
        moment from which it counts, or at which this device had `received` it.
        """
        from core.workspace import past

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
        from core.workspace import past

        return await past.change_of(self.store, text)

    async def inbox(self, view: View | None = None, progress: Progress = _untold) -> list[Matter]:
        """What waits for a decision, and may wait. `progress` is told how many entities were read, after much came."""
        return await (await self.pending(view, progress)).all()

    async def pending(self, view: View | None = None, progress: Progress = _untold) -> Pending:
        """The same, without working out all of it where it is much."""
        from core.workspace.settling import Settling

        self._settling = self._settling or Settling(self.store)
        return await self._settling.pending(view or self.store.now(), await self.schema(), progress)

    # --- editing -----------------------------------------------------------------------------------------------------

    async def create(self, kind: str, values: Mapping[str, Value], note: str | None = None) -> Written:
        """Something new of a kind, with a random id; raises Refused if the schema refuses it or its key is in use."""
        from core.workspace import editing

        return await editing.create(self, kind, values, note)

    async def set(self, shown: Record, wanted: Mapping[str, Value], note: str | None = None) -> Written:
        """Give an entity the wanted values, None to clear; raises Refused for what the schema refuses.

        `shown` holds the slots as its author saw them. What is not different is not written; a conflict is settled.
        """
        from core.workspace import editing

        return await editing.change(self, shown, wanted, note)

    async def clear(self, shown: Record, names: Sequence[str], note: str | None = None) -> Written:
        """Say that properties are no longer used."""
        from core.workspace import editing

        return await editing.clear(self, shown, names, note)

    async def retire(self, shown: Record, note: str | None = None) -> Written:
        """Take an entity out of use; its facts stay."""
        return await self.write(shown, {RETIRED: True}, note)

    async def take(self, shown: Record, name: str, fact: str, note: str | None = None) -> Written:
        """Settle a slot with the candidate whose fact has this id in hex or a unique prefix of 8 digits or more."""
        from core.workspace import editing

        return await editing.take(self, shown, name, fact, note)

    async def publish(self, schema: Schema, note: str | None = None) -> Written:
        """Make this the fleet's schema, a fact for each kind that differs; only an admin's word counts."""
        from core.workspace import members

        return await members.publish(self, schema, note)

    # --- turning back ------------------------------------------------------------------------------------------------

    async def plan_restore(self, entity: bytes, moment: int) -> list[Edit]:
        """The edits that bring an entity back to how it was at a moment, on top of the present."""
        from core.workspace import past

        return await past.plan_restore(self.store, entity, moment, await self.schema())

    async def plan_undo(self, change: bytes) -> Undo:
        """What taking a change back writes, and what it leaves alone because it was changed since."""
        from core.workspace import past

        return await past.plan_undo(self.store, change, await self.schema())

    # --- members and meetings ----------------------------------------------------------------------------------------

    async def devices(self) -> list[Device]:
        """All devices of the fleet, the active ones first; this one also while it waits to be admitted."""
        from core.workspace import members

        return await members.devices(self)

    async def device(self, text: str) -> bytes:
        """The device with this id in hex, a unique prefix of it (8 digits or more), or this name; raises Refused."""
        from core.workspace import members

        return members.find(text, await self.membership())

    async def admit(self, device: str, role: str, name: str | None = None, note: str | None = None) -> Written:
        """Let a device in, or give a member another role or name; only an admin's word counts."""
        from core.workspace import members

        return await members.admit(self, device, role, name, note)

    async def sync(
        self, target: str, *, mode: str | None = None, timeout: float | None = None, told: Told = lambda event: None
    ) -> Met:
        """Meet another device (`tcp://host:port`) or files (`bundle://path`) once; `told` hears how it goes.

        `timeout` is how many seconds the other side may be silent. Raises Refused for a target that cannot be, and
        FieldlineError if the meeting did not come to its end; what had been saved by then stays.
        """
        from core.workspace import endpoint_sync

        return await endpoint_sync.sync(self, target, mode=mode, timeout=timeout, told=told)

    async def serve(
        self, ways: Ways, *, listening: Callable[[str, int], None], happened: Callable[[Happened], None]
    ) -> None:
        """Answer devices that call, and call those that hold something else, until cancelled.

        `listening` is told where, once; `happened` what came of each meeting. Raises FieldlineError if it cannot
        listen.
        """
        from core.workspace import serving

        await serving.serve(self, ways, listening=listening, happened=happened)

    async def arriving(self) -> Arriving | None:
        """What a meeting under way, or one that was cut, has still to bring; None if there is nothing like that."""
        from core.workspace import arriving

        return await arriving.arriving(self.store)

    def lookout(
        self, trouble: Callable[[FieldlineError], None] = lambda error: None
    ) -> AbstractAsyncContextManager[Lookout]:
        """Look out for other devices and ports: `async with workspace.lookout() as lookout`, then
        `await lookout.peers()` whenever it is wanted.

        `trouble` is told why if the network cannot be listened to.
        """
        from core.workspace import peers

        return peers.lookout(self, trouble)

    # --- files -------------------------------------------------------------------------------------------------------

    async def import_file(self, path: Path, progress: Progress = _untold) -> Imported:
        """Take over a bundle or an edit history: all of it or nothing. What is here already is passed over."""
        from core.workspace import files

        return await files.take(self, path, progress)

    async def import_table(
        self, path: Path, kind: str, value_of: ValueOf, note: str | None = None, progress: Progress = _untold
    ) -> Imported:
        """Take over a table of things of one kind, CSV or JSON: who is there already is changed where it is different.

        `value_of` reads a cell. Every row is checked before anything is written; raises Refused with the first that is
        wrong. `skipped` are rows that say nothing new.
        """
        from core.workspace import tables

        return await tables.take(self, path, kind, value_of, note, progress)

    async def export_file(self, path: Path, progress: Progress = _untold) -> Imported:
        """Write all changes as a bundle, in place of whatever is at that path."""
        from core.workspace import files

        return await files.export(self, path, progress)

    async def backup(self, path: Path, progress: Progress = _untold) -> int:
        """Copy the store into one file, in place of whatever is at that path, and give how many changes it holds.

        It is the store as it was at one moment, while others go on writing; this device's key is not in it.
        """
        from core.workspace import backup

        return await backup.backup(self, path, progress)

    async def verify(self, *, repair: bool = False, progress: Progress = _untold) -> Verification:
        """Check every change and all that is derived from them; `repair` rebuilds what is derived."""
        return await self.store.verify(await self.schema(), repair=repair, progress=progress)
