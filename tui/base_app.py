"""What the frame of every screen tells: the six places, the moment that is looked at, and what wants a person."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from core.errors import FieldlineError
from core.membership import Membership
from core.schema import Schema
from core.store.view import View
from core.workspace import Workspace
from core.workspace.lazy_inbox import LazyInbox
from tui.app_status import AppStatus, Options
from tui.cable_monitor import CableMonitor
from tui.draft import count_unapplied
from tui.draft_keeper import DraftApp
from tui.equipment_monitor import EquipmentMonitor
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, error_text, format_number, ngettext
from tui.inbox_loader import InboxLoader
from tui.layout import Line
from tui.view_models.breadcrumbs import breadcrumbs
from tui.view_models.device_role import access_label, access_of
from tui.view_models.form import NO_NAMES


class StatefulApp(DraftApp):
    """An application whose screens stand in one frame. `moment` (microseconds since 1970 UTC) is the one that is looked
    at, None for now; `known` whether as this device knew it then.
    """

    READ_ONLY_REASON = N_("Read only is on: turn it off with : and “read only”.")
    """Why nothing is written then, and what to do about it."""

    inbox_loader: InboxLoader
    cable_monitor: CableMonitor
    equipment_monitor: EquipmentMonitor

    def __init__(self, workspace: Workspace, when: DateFormatter, options: Options) -> None:
        super().__init__(workspace)
        self.dates = when
        self.options = options
        self.readonly = options.readonly
        self.viewed_at_us: int | None = None
        self.view_as_known = False
        self.status = AppStatus()
        self.membership = Membership()
        self.names = NO_NAMES
        self.schema = Schema()

    @property
    def view(self) -> View:
        """What all screens read: the present, or the moment that somebody looks at."""
        return self.workspace.view(self.viewed_at_us, as_received=self.view_as_known)

    async def breadcrumb_of(self, entity: bytes) -> str:
        """Where an entity is in the fleet."""
        return (await self.breadcrumbs_of([entity]))[entity]

    async def breadcrumbs_of(self, entities: Iterable[bytes]) -> dict[bytes, str]:
        """Where entities are in the fleet."""
        return await breadcrumbs(entities, self.view, self.schema)

    def update_device_status(self, read_key: bool) -> None:
        """Note what this device is called and how it stands; if not `surely`, only by its own word, where it has one:
        reading its key takes a moment.
        """
        own = ""
        with suppress(FieldlineError):
            own = self.workspace.home.name()
        if read_key or not own:
            try:
                device = self.workspace.identity.device
            except FieldlineError as error:
                self._show_message(error_text(error))
            else:
                own = self.names.devices.get(device) or own or device.hex()[:8]
                self.status = replace(self.status, access=access_of(self.membership, device))
        self.status = replace(self.status, device=own)

    @property
    def inbox_items(self) -> LazyInbox:
        """What waits for a decision, as far as it was read."""
        return self.inbox_loader.items

    def screen_tabs(self) -> list[tuple[str, str]]:
        """The six places: name, and label in the language in use."""
        inbox = _("Inbox") + (f" {len(self.inbox_items)}" if self.inbox_items else "")
        return [
            ("here", _("Here")),
            ("fleet", _("Fleet")),
            ("inbox", inbox),
            ("history", _("History")),
            ("sync", _("Sync")),
            ("members", _("Devices")),
        ]

    def banner(self) -> str:
        """What stands instead of the places while nothing can be edited."""
        if self.viewed_at_us is not None and self.view_as_known:
            moment = self.dates.full(self.viewed_at_us)
            return _("AS KNOWN HERE ON {time} · read only · Esc back to now").format(time=moment)
        if self.viewed_at_us is not None:
            return _("AS OF {time} · read only · Esc back to now").format(time=self.dates.full(self.viewed_at_us))
        return ""

    def status_items(self) -> Line:
        """What wants a person, for the right end of the first line."""
        parts: Line = []
        if self.readonly:
            parts.append((_("read only"), "strong"))
        if stands := access_label(self.status.access):
            parts.append((stands, "attention"))
        if differing := self.equipment_monitor.differing_count:
            parts.append((ngettext("{count} differs here", "{count} differ here", differing), "attention"))
        if waiting := count_unapplied(self.drafts):
            parts.append((ngettext("{count} edit not applied", "{count} edits not applied", waiting), "attention"))
        if progress := self.inbox_loader.progress:
            done, total = map(format_number, progress)
            parts.append((_("looking through {done} of {total}").format(done=done, total=total), "dim"))
        elif self.inbox_items:
            parts.append((ngettext("{count} to resolve", "{count} to resolve", len(self.inbox_items)), "attention"))
        parts += [(each.name, "strong") for each in self.cable_monitor.plugged]
        if self.status.synced_at is not None:
            parts.append((_("synced {when}").format(when=self.dates.short(self.status.synced_at)), "dim"))
        line: Line = []
        for part in parts:
            line += [(" · ", "dim"), part] if line else [part]
        return line
