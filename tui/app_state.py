"""The state that all screens share, and what they can ask of the application."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from core.membership import Membership
from core.schema import Schema
from core.store.view import View
from core.workspace import Workspace
from core.workspace.lazy_inbox import LazyInbox
from tui.app_status import AppStatus, Options
from tui.cable_monitor import CableMonitor
from tui.command_host import CommandHost
from tui.draft import Draft
from tui.equipment_monitor import EquipmentMonitor
from tui.i18n.dates import DateFormatter
from tui.inbox_loader import InboxLoader
from tui.layout import Line
from tui.view_models.form import DisplayNames


class AppState(Protocol):
    """What all screens share; `loaded` is set once all of it was read.

    `viewed_at_us` is the time that is looked at (microseconds since 1970 UTC), None for now, and `view_as_known`
    whether as this device knew it then. `here` is the place where this device is, None if none was chosen.
    """

    READ_ONLY_REASON: str
    workspace: Workspace
    options: Options
    dates: DateFormatter
    schema: Schema
    membership: Membership
    names: DisplayNames
    status: AppStatus
    drafts: dict[bytes, Draft]
    inbox_loader: InboxLoader
    cable_monitor: CableMonitor
    equipment_monitor: EquipmentMonitor
    loaded: asyncio.Event
    viewed_at_us: int | None
    view_as_known: bool
    here: bytes | None
    readonly: bool

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """What all screens read: the present, or the time that somebody looks at."""
        ...

    @property
    def inbox_items(self) -> LazyInbox:
        """What needs a decision, as far as it was read."""
        ...

    async def breadcrumb_of(self, entity: bytes) -> str:
        """Where an entity is in the fleet."""
        ...

    async def breadcrumbs_of(self, entities: Iterable[bytes]) -> dict[bytes, str]:
        """Where entities are in the fleet."""
        ...

    async def reload_state(self) -> None:
        """Read what the frame shows."""
        ...

    async def refresh_data(self) -> None:
        """Read everything that is shown again."""
        ...

    # --- the frame ---------------------------------------------------------------------------------------------------

    def status_items(self) -> Line:
        """What needs a person, for the right end of the first line."""
        ...

    # --- what a screen can ask for -----------------------------------------------------------------------------------

    def action_command(self, name: str) -> None:
        """Carry out a command that can be used everywhere."""
        ...

    def defer_command(self, screen: CommandHost, name: str) -> bool:
        """Return whether a command has to wait, as for the PIN of a kiosk.

        Then that has been asked for.
        """
        ...

    def save_drafts(self, typed: Draft | None = None) -> None:
        """Keep the drafts, and in place of one of them that with what is being typed."""
        ...

    def view_at(self, timestamp_us: int | None, as_known: bool = False) -> None:
        """Show everything as it was at a time, or as this device had received it by then.

        None is now.
        """
        ...

    def show_history(self, entity: bytes, name: str | None, title: str) -> None:
        """Show the changes of an entity, or of one of its properties.

        `title` says of what.
        """
        ...

    def show_search_hits(self, hits: list[tuple[bytes, str]]) -> None:
        """Go to what a search found, in Fleet.

        Entities with the properties whose values were found.
        """
        ...

    async def set_here(self, entity: bytes | None) -> None:
        """Remember the place where this device is, None to find it by what is seen.

        It is kept on this device only.
        """
        ...
