"""The terminal UI: what all its screens share, and how they are reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from textual.screen import Screen
from textual.worker import WorkerCancelled, WorkerFailed, WorkType

from core.changes import FLEET_ENTITY
from core.errors import FieldlineError
from core.store.queries.log import LogFilter
from core.workspace import Workspace
from tui.app_state import AppState
from tui.app_status import Options
from tui.base_app import StatefulApp
from tui.cable_monitor import CableMonitor, CableUse, cable_offer_text
from tui.command_host import CommandHost, command_bindings
from tui.i18n.dates import Clock, DateFormatter
from tui.i18n.translate import _, error_text
from tui.inbox_loader import InboxLoader
from tui.screens.base import BaseScreen
from tui.terminal.ascii_filter import AsciiFilter, NoColourFilter
from tui.terminal.end_signals import has_job_control
from tui.terminal.key_sequencer import REFRESH_GROUP
from tui.terminal.themes import next_theme
from tui.view_models.form import DisplayNames

if TYPE_CHECKING:
    from core.sync.links.serial.serial_ports import SerialPortInfo

MIN_REFRESH_INTERVAL_S = 2.0
_DEFAULT_OPTIONS = Options()


def _lazy_screen(name: str) -> Callable[[], Screen[Any]]:
    """Makes the screen of a place, which is imported when somebody goes there: the first frame waits for one only."""

    def make() -> Screen[Any]:
        screen: Screen[Any] = getattr(import_module(f"tui.screens.{name}"), name.capitalize())()
        return screen

    return make


class FieldlineApp(StatefulApp):
    """The six places over one workspace."""

    ENABLE_COMMAND_PALETTE = False
    KEEPS_DRAFTS = True
    CSS_PATH = ["styles/fieldline.tcss", "styles/themes.tcss"]
    BINDINGS = command_bindings("everywhere")
    MODES: ClassVar[dict[str, Any]] = {
        name: _lazy_screen(name) for name in ("here", "fleet", "inbox", "history", "sync", "members")
    }

    def __init__(
        self, workspace: Workspace, clock: Clock, options: Options = _DEFAULT_OPTIONS, *, here: bytes | None = None
    ) -> None:
        """`here` is the place where this device is, if one was chosen: then that is what is shown first."""
        self.here = here
        # Textual begins in it: to switch to it later would show nothing for its first twentieth of a second.
        self.DEFAULT_MODE = self.first_screen()  # type: ignore[misc]
        super().__init__(workspace, DateFormatter(clock, options.zone), options)
        self.set_class(True, f"-{options.theme}")
        self.inbox_loader = InboxLoader(workspace, self._on_inbox_loaded)
        self.cable_monitor = CableMonitor(workspace, self._on_cable_plugged, self._redraw_screen, self._show_message)
        self.loaded = asyncio.Event()
        self._is_first_screen_shown = False
        if options.plain:
            self._filters.append(AsciiFilter())
        if self.no_color:
            self._filters.append(NoColourFilter())

    # --- life --------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.title = "Fieldline"
        self.run_worker(self._load(), group="load")

    async def _load(self) -> None:
        """Read what all screens need, once the first one shows its frame."""
        await self.painted.wait()
        try:
            await self.reload_state()
            await self.adopt_drafts()
        except FieldlineError as error:
            self._show_message(error_text(error))
            return
        self.loaded.set()
        self.call_after_refresh(self._start_background_work)
        self.run_worker(self._watch_store(), group="watch")

    def _start_background_work(self) -> None:
        begin: WorkType[None] = self._run_background_work
        self.run_worker(begin, group="inbox")

    async def _run_background_work(self) -> None:
        """Look for what waits for a decision, and for cables, once the first screen shows what it shall."""
        for worker in [each for each in self.workers if each.group == REFRESH_GROUP]:
            with suppress(WorkerCancelled, WorkerFailed):
                await worker.wait()
        if (page := self.base_screen) is not None:
            await page.wait_for_refresh()
        self._is_first_screen_shown = True
        self.update_device_status(read_key=True)
        self._redraw_screen()
        self.load_inbox()
        if self.options.discovery:
            look: WorkType[None] = self.cable_monitor.run
            self.run_worker(look, group="watch")

    def first_screen(self) -> str:
        """Where it begins."""
        return "here" if self.here else "fleet"

    async def on_unmount(self) -> None:
        await self.inbox_loader.close()

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
        self.update_device_status(self._is_first_screen_shown)

    async def _watch_store(self) -> None:
        """Show what this or another process, or a sync, has written, as soon as it is there.

        While much is written it is shown every other second: reading and drawing it again costs, on a slow line most.
        """
        held = b""
        while True:
            try:
                changed = await self.workspace.store.wait_for_change(60)
                before, held = held, (await self.workspace.store.summary()).root
                # What reading the inbox notes down for itself is no news.
                if changed and (held != before or self.inbox_loader.progress is None):
                    await self.refresh_data()
                    await asyncio.sleep(MIN_REFRESH_INTERVAL_S)
            except FieldlineError as error:
                self._show_message(error_text(error))

    async def refresh_data(self) -> None:
        """Read everything that is shown anew."""
        await self.reload_state()
        if isinstance(page := self.base_screen, BaseScreen):
            page.refresh_data()

    def load_inbox(self) -> None:
        """Look for what waits for a decision; in the past only for those who look at the inbox."""
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
            self._show_message(error_text(error))

    def _on_inbox_loaded(self, changed: bool) -> None:
        if (page := self.base_screen) is not None and self._is_inbox_shown and changed:
            page.refresh_data()
        else:
            self._redraw_screen()

    @property
    def _is_inbox_shown(self) -> bool:
        return self.base_screen is not None and self.base_screen.TAB == "inbox"

    @property
    def base_screen(self) -> BaseScreen | None:
        """The full screen that is shown, below any dialog; None before the first and after the last."""
        return next((s for s in reversed(self.screen_stack) if isinstance(s, BaseScreen)), None)

    def show_history(self, entity: bytes, name: str | None, of: str) -> None:
        """Show the changes of an entity, or of one of its properties."""
        from tui.screens.history import History

        self.switch_mode("history")
        if isinstance(page := self.screen, History):
            page.show_only(LogFilter(entity=entity, property=name), of)

    def show_search_hits(self, hits: list[tuple[bytes, str]]) -> None:
        """Go to what a search found, in Fleet; entities with the properties whose values were found."""
        from tui.screens.fleet import Fleet

        self.switch_mode("fleet")
        while isinstance(page := self.screen, BaseScreen) and not isinstance(page, Fleet):
            self.pop_screen()
        if isinstance(page, Fleet):
            page.show_hits(hits)

    def view_at(self, timestamp_us: int | None, as_known: bool = False) -> None:
        """Show everything as it was at a moment (microseconds since 1970 UTC), or as this device had received it by
        then; None is now.
        """
        self.viewed_at_us, self.view_as_known = timestamp_us, as_known
        self.run_worker(self.refresh_data(), group=REFRESH_GROUP, exclusive=True)

    async def set_here(self, entity: bytes) -> None:
        """Remember the place where this device is; it is kept on this device only."""
        from core.service import location

        await location.save_location(self.workspace, entity)
        self.here = entity

    def _show_message(self, text: str) -> None:
        if isinstance(page := self.base_screen, BaseScreen):
            page.show_message(text, attention=True)

    # --- commands ----------------------------------------------------------------------------------------------------

    def action_command(self, name: str) -> None:
        """Carry out a command that can be used everywhere."""
        if name in self.MODES:
            self.switch_mode(name)
            if self.viewed_at_us is not None:
                self.load_inbox()
        else:
            getattr(self, f"do_{name}")()

    def _redraw_screen(self) -> None:
        if isinstance(page := self.base_screen, BaseScreen) and page.is_mounted:
            page.redraw()

    def _on_cable_plugged(self, found: SerialPortInfo, use: CableUse) -> None:
        at_hand = isinstance(page := self.base_screen, BaseScreen) and page.TAB == "sync"
        self._show_message(cable_offer_text(found.name, use, at_hand))

    def defer_command(self, page: CommandHost, name: str) -> bool:
        """Whether a command has to wait, as for the PIN of a kiosk; then that has been asked for."""
        return False

    def do_help(self) -> None:
        """Show what the keys do here."""
        from tui.dialogs.help import show_help

        show_help(self)

    def do_palette(self) -> None:
        """Find a command by its name."""
        from tui.dialogs.palette import PaletteDialog

        if isinstance(page := self.screen, BaseScreen):
            self.push_screen(
                PaletteDialog(page.available_commands(), page.disabled_commands()), self._on_command_chosen
            )

    def _on_command_chosen(self, name: str | None) -> None:
        if name is None:
            return
        own = isinstance(self.screen, CommandHost) and name in {c.name for c in self.screen.available_commands()}
        target = self.screen if own and isinstance(self.screen, CommandHost) else self
        target.action_command(name)

    def do_readonly(self) -> None:
        """Turn read only on or off."""
        self.readonly = not self.readonly
        if isinstance(page := self.base_screen, BaseScreen):
            page.redraw()

    def do_theme(self) -> None:
        """Go to the next theme."""
        self._show_message(_("Theme: {name}").format(name=next_theme(self)))
        self._redraw_screen()

    def do_suspend(self) -> None:
        """Stop, as programs do in a shell, until `fg` is typed there."""
        if has_job_control():
            self.action_suspend_process()
        else:
            self._show_message(_("There is no shell to go back to from here: Ctrl+Q leaves Fieldline."))

    async def action_quit(self) -> None:
        self.do_quit()

    def action_help_quit(self) -> None:
        self._show_message(_("Ctrl+Q leaves Fieldline."))


_CHECKED: type[AppState] = FieldlineApp
"""That this is what the screens take it for is checked by mypy: to inherit from both is not possible."""
