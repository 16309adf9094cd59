"""The facade of the use cases, which the terminal UI and the command line call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.device.context import DeviceContext, EditResult, system_clock
from core.device.home import Home
from core.errors import FieldlineError, Refused
from core.records import Edit, Record
from core.schema import RETIRED, Schema
from core.store.store import Clock, Entropy
from core.store.types import OnProgress, ignore_progress
from core.store.view import View
from core.value_codec import Value

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from core.inbox import InboxItem
    from core.service.peer_discovery import PeerDiscovery
    from core.service.serve_config import ServeConfig, ServeEvent
    from core.service.session_runner import OnEvent, SyncResult
    from core.service.transfer_backlog import TransferBacklog
    from core.store.commit import ImportResult
    from core.store.types import Verification
    from core.workspace.inbox import InboxReader
    from core.workspace.lazy_inbox import LazyInbox
    from core.workspace.members import DeviceSummary, MemberResult
    from core.workspace.table_import import ParseCell, TablePlan
    from core.workspace.wanted_state import ParseValue, StatePlan


class Workspace(DeviceContext):
    """What a person can do with a device.

    Every method may raise FieldlineError; none leaves anything half-written.
    """

    _inbox_reader: InboxReader | None = None

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
        entropy: Entropy = os.urandom,
        recovery_key: bytes | None = None,
    ) -> Workspace:
        """Create a fleet with this device as its admin (`core.device.setup`)."""
        from core.device import setup

        await setup.create_fleet(
            folder,
            user=user,
            fleet_name=fleet_name,
            schema=schema,
            device_name=device_name,
            clock=clock,
            entropy=entropy,
            recovery_key=recovery_key,
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
        entropy: Entropy = os.urandom,
    ) -> Workspace:
        """Prepare this device for the fleet with this id in hex; an admin has to admit it."""
        from core.device import setup

        await setup.prepare_join(folder, fleet=fleet, device_name=device_name, clock=clock)
        return await cls.open(folder, user=user, clock=clock, entropy=entropy)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def parse_view_time(self, text: str, *, as_received: bool = False, is_first: bool = False) -> int:
        """Parse a time, a date, a change or `-2h`.

        Gives microseconds since 1970 UTC, raises Refused. A time without a fraction covers its whole second: it is the
        last microsecond of that, or with `is_first` the first. A change stands for its effective time, or with
        `as_received` for when this device received it.
        """
        from core.workspace import revisions

        return await revisions.parse_view_time(self.store, text, self.clock(), received=as_received, is_first=is_first)

    async def find(self, text: str, view: View | None = None) -> bytes:
        """Find the entity of this name in a view or else at present; raises Refused."""
        schema = await self.schema()
        if view is not None and view.is_past:
            try:
                return await view.find(text, schema)
            except Refused:
                pass
        return await self.store.now().find(text, schema)

    async def record(self, entity: bytes, view: View | None = None) -> Record:
        """Read one entity by the schema; without a view at present."""
        return await (view or self.store.now()).record(entity, await self.schema())

    async def change(self, text: str) -> bytes:
        """Find the change with this id in hex or unique prefix (8 digits); or Refused."""
        from core.workspace import revisions

        return await revisions.find_change(self.store, text)

    async def inbox(
        self, view: View | None = None, on_progress: OnProgress = ignore_progress, *, accepted: bool = False
    ) -> list[InboxItem]:
        """Read the inbox, or what of it is accepted as it is.

        `on_progress` counts the entities that are indexed first, after a large sync.
        """
        found = await self.lazy_inbox(view, on_progress)
        return await (found.accepted if accepted else found).load_all()

    async def lazy_inbox(self, view: View | None = None, on_progress: OnProgress = ignore_progress) -> LazyInbox:
        """Read the inbox, of many items only those that are looked at."""
        from core.workspace.inbox import InboxReader

        self._inbox_reader = self._inbox_reader or InboxReader(self.store)
        return await self._inbox_reader.read_lazily(view or self.store.now(), await self.schema(), on_progress)

    async def prepare_to_write(self) -> None:
        """Ask for what is missing of the own chain, so that it does not fork."""
        from core.workspace import own_chain

        await own_chain.ensure_own_chain(self)

    # --- editing -----------------------------------------------------------------------------------------------------

    async def create(self, kind: str, values: Mapping[str, Value], note: str | None = None) -> EditResult:
        """Create an entity; Refused if the schema refuses it or its key is in use."""
        from core.workspace import edit

        return await edit.create_entity(self, kind, values, note)

    async def set(self, shown: Record, wanted: Mapping[str, Value], note: str | None = None) -> EditResult:
        """Give an entity the wanted values, None to clear.

        Raises Refused for what the schema refuses. `shown` holds the slots as its author saw them. What is not
        different is not written; a conflict is resolved.
        """
        return await self.write(shown, wanted, note)

    async def clear(self, shown: Record, names: Sequence[str], note: str | None = None) -> EditResult:
        """Unset properties."""
        from core.workspace import edit

        return await edit.clear_values(self, shown, names, note)

    async def retire(self, shown: Record, note: str | None = None) -> EditResult:
        """Retire an entity; its facts stay."""
        return await self.write(shown, {RETIRED: True}, note)

    async def resolve_with_candidate(self, shown: Record, name: str, fact: str, note: str | None = None) -> EditResult:
        """Resolve a conflict with a candidate, by fact id in hex or unique prefix."""
        from core.workspace import edit

        return await edit.resolve_with_candidate(self, shown, name, fact, note)

    async def publish(self, schema: Schema, note: str | None = None) -> EditResult:
        """Publish a schema, a fact for each kind that differs; for admins only."""
        from core.workspace import members

        return await members.publish_schema(self, schema, note)

    # --- revert ------------------------------------------------------------------------------------------------------

    async def plan_restore(self, entity: bytes, at_us: int) -> list[Edit]:
        """Plan the edits that restore an entity to a time (microseconds UTC)."""
        from core.workspace import revisions

        return await revisions.plan_restore_subtree(self.store, entity, at_us, await self.schema())

    # --- members and sync --------------------------------------------------------------------------------------------

    async def devices(self) -> list[DeviceSummary]:
        """List the devices of the fleet, the active ones first, always this one."""
        from core.workspace import members

        return await members.list_devices(self)

    async def device(self, text: str) -> bytes:
        """Find a device by id in hex, unique prefix (8 digits), or name; or Refused."""
        from core.workspace import members

        return members.find_device(text, await self.membership())

    async def admit(
        self,
        device: str,
        role: str,
        name: str | None = None,
        note: str | None = None,
        *,
        limit: int | None = None,
        scope: frozenset[bytes] | None = None,
    ) -> MemberResult:
        """Admit a device, or give a member another role or name.

        Raises FieldlineError if this device is no admin. A role holds from the end of what is here of the device's
        chain on, and so does a readmission; only the first admission is for the whole chain. `limit` is how many
        changes are kept of it, more than of others. `scope` are the entities in which it may write, empty for all; None
        leaves that as it is.
        """
        from core.workspace import members

        return await members.admit_device(self, device, role, name, note, limit, scope)

    async def renew_epoch(self, note: str | None = None) -> EditResult:
        """Begin a new epoch of the key under which files are sealed.

        Raises FieldlineError if this device is no admin. A revocation does so by itself.
        """
        from core.workspace import members

        return await members.renew_epoch(self, note)

    async def sync(
        self,
        endpoint: str,
        *,
        mode: str | None = None,
        timeout_s: float | None = None,
        on_event: OnEvent = lambda event: None,
    ) -> SyncResult:
        """Sync once with a device or files.

        `tcp://host:port`, `serial:///dev/…`, `bundle://path`. `timeout_s` is how long the other side may be silent,
        `mode` the one way to reconcile that is tried. What was committed stays. Raises Refused for an endpoint that
        cannot be, FieldlineError if the session was cut.
        """
        from core.service import endpoint_sync

        return await endpoint_sync.sync_once(self, endpoint, mode=mode, timeout_s=timeout_s, on_event=on_event)

    async def serve(
        self, config: ServeConfig, *, on_listening: Callable[[str, int], None], on_event: Callable[[ServeEvent], None]
    ) -> None:
        """Accept sessions, and dial the peers that hold something else, until cancelled.

        `on_listening(host, port)` is called once, `on_event` with each result and each new failure. Raises
        FieldlineError if it cannot listen.
        """
        from core.service import service

        await service.run_service(self, config, on_listening=on_listening, on_event=on_event)

    async def transfer_backlog(self) -> TransferBacklog | None:
        """Read what a session, also one that was cut, has to transfer; None: nothing."""
        from core.service import transfer_backlog

        return await transfer_backlog.read_backlog(self.store)

    def discover_peers(
        self, on_error: Callable[[FieldlineError], None] = lambda error: None
    ) -> AbstractAsyncContextManager[PeerDiscovery]:
        """Discover other devices and ports.

        `async with` it, and `await list_peers()` whenever they are wanted. `on_error` is called if the network cannot
        be listened to.
        """
        from core.service import peer_discovery

        return peer_discovery.discover_peers(self, on_error)

    # --- files -------------------------------------------------------------------------------------------------------

    async def import_file(self, path: Path, on_progress: OnProgress = ignore_progress) -> ImportResult:
        """Import a bundle or an edit history, all or nothing; skips what is here."""
        from core.workspace import file_exchange

        return await file_exchange.import_file(self, path, on_progress)

    async def plan_table(
        self,
        path: Path,
        kind: str,
        parse_cell: ParseCell,
        mapped: Mapping[str, str] | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> TablePlan:
        """Plan the import of a table of entities of one kind, CSV or JSON, and check it.

        `save` writes its edits. Entities that exist are changed where they differ. Of an exported table only what was
        edited counts, and what somebody changed since becomes a conflict. Raises Refused with the number of the first
        row that is wrong.

        Args:
            path: the file.
            kind: the name of the kind.
            parse_cell: reads the value of a cell for a property; raises Refused.
            mapped: the names of properties for heads that are called otherwise, empty for a column to leave out.
            on_progress: called with the number of rows read, and of all.
        """
        from core.workspace import table_import

        return await table_import.plan_table(self, path, kind, parse_cell, mapped or {}, on_progress)

    async def plan_state(self, path: Path, parse_value: ParseValue) -> StatePlan:
        """Plan what makes things be as a file (TOML or JSON) wants them, and check it.

        `save` writes its edits. What the file does not name stays. Raises Refused, naming the thing that is wrong.
        """
        from core.workspace import wanted_state

        return await wanted_state.plan_state(self, path, parse_value)

    async def export_table(
        self, kind: str, write: Callable[[str], object], *, as_json: bool, on_progress: OnProgress = ignore_progress
    ) -> int:
        """Write the entities of a kind in use as a table in pieces; give their number."""
        from core.workspace import table_export

        return await table_export.export_table(self, kind, write, as_json=as_json, on_progress=on_progress)

    async def export_file(
        self, path: Path, on_progress: OnProgress = ignore_progress, *, plain: bool = False
    ) -> ImportResult:
        """Write all changes as a bundle, in place of whatever is at that path.

        For members only, or `plain`. `skipped_count`: changes that were left out, since their bytes are damaged.
        """
        from core.workspace import file_exchange

        return await file_exchange.export_file(self, path, on_progress, plain=plain)

    async def backup(self, path: Path, on_progress: OnProgress = ignore_progress, *, plain: bool = False) -> int:
        """Copy the store into one file, replacing it; give the number of its changes.

        It is the store as of one time, while others go on writing; this device's key is not in it.
        """
        from core.workspace import backup

        return await backup.backup_store(self, path, on_progress, plain=plain)

    async def verify(self, *, repair: bool = False, on_progress: OnProgress = ignore_progress) -> Verification:
        """Check every change and all derived data; with `repair` build it anew."""
        try:
            schema = await self.schema()
        except FieldlineError:
            # That it cannot be read is found where its facts are checked.
            schema = None
        return await self.store.verify(schema, repair=repair, on_progress=on_progress)

    @classmethod
    async def repair(cls, folder: Path, on_progress: OnProgress = ignore_progress) -> Verification:
        """Repair the store of a device that cannot be opened."""
        from core.store.store import repair_at

        return await repair_at(Home(folder).store, on_progress)
