"""The terminal UI: the state that its screens share, and how they are reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from textual.screen import Screen
from textual.worker import WorkType

from core.changes import FLEET_ENTITY
from core.errors import FieldlineError
from core.membership import Membership
from core.schema import Schema
from core.store.queries.log import LogFilter
from core.store.view import View
from core.workspace import Workspace
from core.workspace.lazy_inbox import LazyInbox
from tui.app_state import AppState
from tui.app_status import AppStatus, Options
from tui.cable_monitor import CableMonitor, CableUse, cable_offer_text
from tui.command_host import CommandHost, command_bindings
from tui.draft import Draft
from tui.draft_keeper import DraftKeeper
from tui.equipment_monitor import EquipmentMonitor
from tui.i18n.dates import Clock, DateFormatter
from tui.i18n.translate import N_, _, error_text
from tui.inbox_loader import InboxLoader
from tui.layout import Line
from tui.screens.base import BaseScreen
from tui.screens.frame import status_items
from tui.store_watch import watch_store
from tui.terminal.ascii_filter import AsciiFilter, NoColourFilter
from tui.terminal.diff_app import DiffApp
from tui.terminal.end_signals import suspend
from tui.terminal.key_sequencer import REFRESH_GROUP
from tui.view_models.breadcrumbs import breadcrumbs
from tui.view_models.device_role import access_of
from tui.view_models.form import NO_NAMES, DisplayNames
from tui.widgets.role_styles import Palette
from tui.workers import wait_until_ended

if TYPE_CHECKING:
    from core.sync.links.serial.serial_ports import SerialPortInfo

MAX_INBOX_WAIT_S = 3.0
"""How long a screen is not refreshed until the inbox is read: after a large sync that takes longer."""
_DEFAULT_OPTIONS = Options()


def _lazy_screen(name: str) -> Callable[[], Screen[Any]]:
    """Make a screen, which is imported when somebody goes there.

    The first frame waits for one only.
    """

    def make() -> Screen[Any]:
        screen: Screen[Any] = getattr(import_module(f"tui.screens.{name}"), name.capitalize())()
        return screen

    return make


class FieldlineApp(DiffApp):
    """The six screens over one workspace, and the state they share (`AppState`)."""

    ENABLE_COMMAND_PALETTE = False
    KEEPS_DRAFTS: ClassVar[bool] = True
    """Whether the next session is the same person's, to whom edits that are not applied are offered again."""
    READ_ONLY_REASON = N_("Read only is on: turn it off with : and “read only”.")
    """Why nothing is written then, and what to do about it."""
    CSS_PATH = "styles/fieldline.tcss"
    BINDINGS = command_bindings("everywhere")
    MODES: ClassVar[dict[str, Any]] = {
        name: _lazy_screen(name) for name in ("here", "fleet", "map", "inbox", "history", "sync", "members")
    }

    def __init__(
        self, workspace: Workspace, clock: Clock, options: Options = _DEFAULT_OPTIONS, *, here: bytes | None = None
    ) -> None:
        """Show a workspace.

        Args:
            workspace: this device.
            clock: gives the time (microseconds since 1970 UTC).
            options: how the terminal UI behaves.
            here: the place where this device is, None if none was chosen; if one was, that is what is shown first.
        """
        self.here = here
        # Textual begins in it: to switch to it later would show nothing for its first twentieth of a second.
        self.DEFAULT_MODE = self.first_screen()  # type: ignore[misc]
        palette = Palette(options.theme if options.colours != "none" else "mono", options.colours)
        super().__init__(palette, is_slow=options.slow, typed_ahead=options.typed_ahead)
        self.workspace = workspace
        workspace.on_notice = lambda notice: self.show_message(error_text(notice))
        self.options = options
        self.dates = DateFormatter(clock, options.zone)
        self.readonly = options.readonly
        self.viewed_at_us: int | None = None
        self.view_as_known = False
        self.status = AppStatus()
        self.schema, self.membership, self.names = Schema(), Membership(), NO_NAMES
        self.draft_keeper = DraftKeeper(self, workspace, self.show_message, is_keeping=self.KEEPS_DRAFTS)
        self.drafts = self.draft_keeper.drafts
        self.inbox_loader = InboxLoader(workspace, self._on_inbox_loaded)
        self.cable_monitor = CableMonitor(workspace, self._on_cable_plugged, self._redraw_screen, self.show_message)
        self.equipment_monitor = EquipmentMonitor(workspace, self._on_equipment_changed, self.show_message)
        self._recent_commands: list[str] = []
        """The names of the commands that were found by name lately, the latest first."""
        self.loaded = asyncio.Event()
        self._is_first_screen_shown = False
        if options.plain:
            self._filters.append(AsciiFilter())
        if self.no_color:
            self._filters.append(NoColourFilter())

    # --- life --------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.title = "Fieldline"
        load: WorkType[None] = self._load
        self.run_worker(load, group="load")

    async def _load(self) -> None:
        """Read what all screens need, once the first one shows its frame."""
        await self.painted.wait()
        try:
            await self.reload_state()
            await self.draft_keeper.adopt()
        except FieldlineError as error:
            self.show_message(error_text(error))
            return
        self.loaded.set()
        self.call_after_refresh(self.run_worker, self._run_background_work, group="inbox")

    async def _run_background_work(self) -> None:
        """Read the inbox and watch for cables, once the first screen shows what it shall."""
        await wait_until_ended(each for each in self.workers if each.group == REFRESH_GROUP)
        # Who leaves closes the screen first, and ends what goes on beside it then.
        if (screen := self.base_screen) is not None and screen.is_running:
            await screen.wait_for_refresh()
        self._is_first_screen_shown = True
        self._load_device_status()
        self._redraw_screen()
        self.load_inbox()
        watching: list[WorkType[None]] = [partial(watch_store, self, self.show_message)]
        watching += [self.cable_monitor.run] if self.options.discovery else []
        watching += [self.equipment_monitor.run] if self.options.equipment else []
        for watch in watching:
            self.run_worker(watch, group="watch")

    def first_screen(self) -> str:
        """Where it begins."""
        return "here" if self.here else "fleet"

    async def on_unmount(self) -> None:
        # Who still reads would find the loader's store closed.
        self.workers.cancel_all()
        await wait_until_ended(self.workers)
        await self.inbox_loader.close()
        await self.draft_keeper.close()

    # --- the state that the screens share ----------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """What all screens read: the present, or the time that somebody looks at."""
        return self.workspace.view(self.viewed_at_us, as_received=self.view_as_known)

    @property
    def inbox_items(self) -> LazyInbox:
        """What needs a decision, as far as it was read."""
        return self.inbox_loader.items

    async def breadcrumb_of(self, entity: bytes) -> str:
        """Where an entity is in the fleet."""
        return (await self.breadcrumbs_of([entity]))[entity]

    async def breadcrumbs_of(self, entities: Iterable[bytes]) -> dict[bytes, str]:
        """Where entities are in the fleet."""
        return await breadcrumbs(entities, self.view, self.schema)

    def status_items(self) -> Line:
        """What needs a person, for the right end of the first line."""
        return status_items(self)

    def save_drafts(self, typed: Draft | None = None) -> None:
        """Keep the drafts, and in place of one of them that with what is being typed."""
        self.draft_keeper.save(typed)

    async def reload_state(self) -> None:
        """Read what the frame shows."""
        store = self.workspace.store
        self.schema = await self.workspace.schema()
        self.membership = await store.membership()
        members = self.membership.members
        self.names = DisplayNames({}, {device: member.name for device, member in members.items() if member.name})
        # By its name of today, also where somebody looks at a time before it had one.
        fleet = (await store.now().record(FLEET_ENTITY, self.schema)).value("name")
        self.load_inbox()
        self.status = replace(
            self.status, fleet=str(fleet or store.fleet.hex()[:8]), synced_at=await store.last_received_at()
        )
        own_name = ""
        with suppress(FieldlineError):
            own_name = self.workspace.home.name()
        self.status = replace(self.status, device=own_name)
        # Reading the key takes a while, and the first screen does not wait for it where the device has a name.
        if self._is_first_screen_shown or not own_name:
            self._load_device_status()

    def _load_device_status(self) -> None:
        """Read the device's key, and show its name in the fleet and what it may do there."""
        try:
            device = self.workspace.identity.device
        except FieldlineError as error:
            self.show_message(error_text(error))
            return
        name = self.names.devices.get(device) or self.status.device or device.hex()[:8]
        self.status = replace(self.status, device=name, access=access_of(self.membership, device))

    async def refresh_data(self) -> None:
        """Read everything that is shown again."""
        await self.reload_state()
        if self._is_inbox_shown:
            # Else what was just resolved would be listed until the inbox is read.
            await self.inbox_loader.wait_loaded(MAX_INBOX_WAIT_S)
        if isinstance(screen := self.base_screen, BaseScreen):
            screen.refresh_data()

    def load_inbox(self) -> None:
        """Read the inbox; in the past only for those who look at it."""
        if not self._is_first_screen_shown:
            return
        if self.viewed_at_us is not None and not self._is_inbox_shown:
            self.inbox_loader.clear()
        elif self.inbox_loader.request(self.viewed_at_us, self.view_as_known):
            read: WorkType[None] = self._load_inbox
            self.run_worker(read, group="inbox")

    async def _load_inbox(self) -> None:
        try:
            await self.inbox_loader.load()
        except FieldlineError as error:
            self.show_message(error_text(error))

    def _on_inbox_loaded(self, changed: bool) -> None:
        if (screen := self.base_screen) is not None and changed:
            screen.on_inbox_changed()
        self._redraw_screen()

    @property
    def _is_inbox_shown(self) -> bool:
        return self.base_screen is not None and self.base_screen.TAB == "inbox"

    @property
    def base_screen(self) -> BaseScreen | None:
        """The full screen below any dialog; None before the first and after the last."""
        return next((s for s in reversed(self.screen_stack) if isinstance(s, BaseScreen)), None)

    def show_history(self, entity: bytes, name: str | None, title: str) -> None:
        """Show the changes of an entity or property; `title` says of what."""
        from tui.screens.history import History

        before = self.current_mode
        self.switch_mode("history")
        if isinstance(screen := self.screen, History):
            screen.show_only(LogFilter(entity=entity, property=name), title, before if before != "history" else "")

    def show_search_hits(self, hits: list[tuple[bytes, str]]) -> None:
        """Go to what a search found, in Fleet: entities, properties of found values."""
        from tui.screens.fleet import Fleet

        self.switch_mode("fleet")
        while isinstance(screen := self.screen, BaseScreen) and not isinstance(screen, Fleet):
            self.pop_screen()
        if isinstance(screen, Fleet):
            screen.show_hits(hits)

    def view_at(self, timestamp_us: int | None, as_known: bool = False) -> None:
        """Show all as of a time in microseconds, or as received by then; None: now."""
        self.viewed_at_us, self.view_as_known = timestamp_us, as_known
        refresh: WorkType[None] = self.refresh_data
        self.run_worker(refresh, group=REFRESH_GROUP, exclusive=True)

    async def set_here(self, entity: bytes | None) -> None:
        """Remember this device's place, on this device only; None to find it."""
        from core.service import location

        await location.save_location(self.workspace, entity)
        self.here = entity
        self.equipment_monitor.poke()

    def _on_equipment_changed(self, here: bytes | None, is_different: bool) -> None:
        is_different, self.here = is_different or here != self.here, here
        if is_different and (screen := self.base_screen) is not None:
            screen.refresh_data()

    def show_message(self, text: str) -> None:
        """Tell something on the screen below all dialogs."""
        if isinstance(screen := self.base_screen, BaseScreen):
            screen.show_message(text, attention=True)

    # --- commands ----------------------------------------------------------------------------------------------------

    def action_command(self, name: str) -> None:
        """Carry out a command that can be used everywhere."""
        if name in self.MODES:
            if (screen := self.base_screen) is not None:
                screen.show_message("")
            from tui.screens.form import prepare_switch

            prepare_switch(self, name)
            self.switch_mode(name)
            if self.viewed_at_us is not None:
                self.load_inbox()
        else:
            getattr(self, f"do_{name}")()

    def _redraw_screen(self) -> None:
        if isinstance(screen := self.base_screen, BaseScreen) and screen.is_mounted:
            screen.redraw()

    def _on_cable_plugged(self, found: SerialPortInfo, use: CableUse) -> None:
        at_hand = isinstance(screen := self.base_screen, BaseScreen) and screen.TAB == "sync"
        self.show_message(cable_offer_text(found.name, use, at_hand))

    def defer_command(self, screen: CommandHost, name: str) -> bool:
        """Ask for what a command needs first, as a kiosk's PIN; whether it waits."""
        return False

    def do_quit(self) -> None:
        """Leave; who has edits that are not applied is asked first."""
        self.draft_keeper.leave()

    def do_help(self) -> None:
        """Show what the keys do here."""
        from tui.dialogs.help import show_help

        show_help(self, self.action_command)

    def do_palette(self) -> None:
        """Find a command by its name."""
        from tui.dialogs.palette import show_palette

        if isinstance(screen := self.screen, BaseScreen):
            show_palette(screen, self.action_command, self._recent_commands)

    def do_readonly(self) -> None:
        """Turn read only on or off."""
        self.readonly = not self.readonly
        self._redraw_screen()

    def do_theme(self) -> None:
        """Go to the next theme."""
        self.show_message(_("Theme: {name}").format(name=self.next_theme()))
        self._redraw_screen()

    def do_suspend(self) -> None:
        """Stop, as programs do in a shell, until `fg` is typed there."""
        if not suspend(self):
            self.show_message(_("There is no shell to go back to from here: Ctrl+Q leaves Fieldline."))

    async def action_quit(self) -> None:
        self.do_quit()

    def action_help_quit(self) -> None:
        self.show_message(_("Ctrl+Q leaves Fieldline."))


_CHECKED: type[AppState] = FieldlineApp
"""Lets mypy check the protocol: to inherit from both is not possible."""
