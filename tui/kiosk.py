"""The kiosk: the same screens on a wall, with no way out of them.

Without the PIN everything can be looked at, and this place can be edited; whatever else writes, names a file or an
address, or chooses another place asks for it. Left alone, it goes back to Here and forgets who was there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import termios
from contextlib import suppress

from textual.driver import Driver
from textual.events import Event, Key, MouseEvent, Paste
from textual.message import Message
from textual.widgets import Input

from core.errors import FieldlineError
from core.workspace import Workspace
from tui import commands
from tui.app import FieldlineApp
from tui.command_host import Offering
from tui.language.i18n import N_, _, say
from tui.language.when import Clock
from tui.pin import Pin
from tui.rows.lines import Line
from tui.screens.dialogs import Ask
from tui.screens.form import Form
from tui.screens.here import Here
from tui.screens.sync import Sync
from tui.status import Options

IDLE_SECONDS = 120
LOOK_SECONDS = 1.0
LONGEST_PASTE = 4096
MOST_WAITING = 64
"""Keys that wait to be looked at; what comes beyond that is no person's."""
_SECOND = 1_000_000
_NAMES = frozenset({"choose", "here_now", "meet_at", "stick", "save"})
"""Commands that write no fact and need the PIN all the same."""


class KioskApp(FieldlineApp):
    """The six places for whoever comes by. `idle` is the seconds after which nobody is there any more."""

    READ_ONLY = N_("Read only is on: here everything can be looked at, and nothing is changed.")

    def __init__(
        self,
        workspace: Workspace,
        clock: Clock,
        options: Options,
        idle: int = IDLE_SECONDS,
        *,
        here: bytes | None = None,
    ) -> None:
        super().__init__(workspace, clock, options, here=here)
        self.driver_class = _patient(self.driver_class)
        self.pin = Pin(workspace.home.folder, clock)
        self.unlocked = False
        self._idle = idle
        self._clock = clock
        self._touched = clock()

    def on_mount(self) -> None:  # the base class's is called as well
        self._stay()
        self.set_interval(LOOK_SECONDS, self._look)

    def first_place(self) -> str:
        return "here"

    def attention(self) -> Line:
        line = super().attention()
        return [(_("PIN entered"), "attention"), *([(" · ", "dim"), *line] if line else [])] if self.unlocked else line

    # --- no way out --------------------------------------------------------------------------------------------------

    def _stay(self) -> None:
        """Let no signal that a keyboard or a line can cause end or stop this; a terminal that is gone does."""
        with suppress(ValueError):  # not in the main thread: there are no signals then
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
                signal.signal(number, signal.SIG_IGN)
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up)

    def _hung_up(self) -> None:
        try:
            termios.tcgetattr(0)
        except (termios.error, OSError):
            os._exit(0)  # nobody can see or type anything any more; what was applied is saved

    def do_quit(self) -> None:
        self._say(_("This is a kiosk: it stays on."))

    async def action_quit(self) -> None:
        self.do_quit()

    def action_help_quit(self) -> None:
        self.do_quit()

    def action_suspend_process(self) -> None:
        self.do_quit()

    def do_palette(self) -> None:
        self._say(_("There is no palette in a kiosk: ? shows the keys."))

    async def on_event(self, event: Event) -> None:
        """Note that somebody is there; take no more of a paste than fits into a field."""
        if isinstance(event, Key | Paste | MouseEvent):
            self._touched = self._clock()
        if isinstance(event, Paste):
            event.text = event.text[:LONGEST_PASTE]
        await super().on_event(event)

    # --- the PIN -----------------------------------------------------------------------------------------------------

    def held(self, page: Offering, name: str) -> bool:
        if self.unlocked or not self._needs_pin(page, name):
            return False
        if not self.pin.is_set:
            page.message(_("This needs a PIN, and none is set: `fieldline tui --set-pin` sets one."), attention=True)
            return True

        def answered(pin: str | None) -> None:
            if pin is not None:
                self.unlocked = True
                page.action_command(name)

        self.push_screen(PinDialog(_("PIN"), "", _("This needs the PIN of the kiosk."), self._check), answered)
        return True

    def _needs_pin(self, page: Offering, name: str) -> bool:
        if name in _NAMES:
            return True
        if isinstance(page, Form) and page.entity == self.here:
            return False
        return commands.find((*page.SCOPES, "past"), name).writes

    async def _check(self, pin: str) -> None:
        await asyncio.to_thread(self.pin.attempt, pin.strip())

    # --- left alone --------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Go back to Here when nobody has touched a key for long."""
        if self._clock() - self._touched < self._idle * _SECOND:
            return
        self._touched = self._clock()
        if self._fresh:
            return
        try:
            await self._start_over()
        except FieldlineError as error:
            self._say(say(error))

    @property
    def _fresh(self) -> bool:
        """Whether nothing shows that anybody was there."""
        return (
            not self.unlocked
            and not self.drafts
            and self.moment is None
            and len(self.screen_stack) == 1
            and isinstance(self.screen, Here)
            and not self.screen.query(Input)
        )

    async def _start_over(self) -> None:
        """Forget the PIN, edits that were not applied, what was searched and where somebody looked."""
        self.unlocked = False
        self.moment = None
        self.drafts.clear()
        meeting = any(isinstance(page, Sync) and page.meeting for page in self._screen_stacks.get("sync", []))
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        self.switch_mode("here")
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        for mode in [mode for mode in self._screen_stacks if mode in self.MODES and mode != "here"]:
            if mode != "sync" or not meeting:
                await self.remove_mode(mode)
                self.add_mode(mode, self.MODES[mode])
        if isinstance(here := self.screen, Here):
            here.do_back()
        await self.news()


def _patient(driver: type[Driver]) -> type[Driver]:
    """A driver that drops keys while many wait: a paste in a terminal that does not say so, or a book on the keys."""

    class Patient(driver):  # type: ignore[misc, valid-type]
        def process_message(self, message: Message) -> None:
            if not isinstance(message, Key) or self._app._message_queue.qsize() < MOST_WAITING:
                super().process_message(message)

    return Patient


class PinDialog(Ask):
    """Asks for the PIN; what is typed is not shown."""

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.password = True
            field.max_length = 12
