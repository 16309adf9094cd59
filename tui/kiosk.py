"""The kiosk: the same screens on a wall, with no way out of them.

Without the PIN everything can be looked at, and this place can be edited; all else asks for it. Left alone, it goes
back to Here and forgets who was there.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial

from textual.driver import Driver
from textual.events import Event, Key, MouseEvent, Paste
from textual.message import Message
from textual.widgets import Input

from core.errors import FieldlineError
from core.timestamps import SECOND_US
from core.workspace import Workspace
from tui import commands
from tui.app import FieldlineApp
from tui.app_status import Options
from tui.command_host import CommandHost
from tui.dialogs.base import PromptDialog
from tui.i18n.dates import Clock
from tui.i18n.translate import N_, _, error_text
from tui.layout import Line
from tui.pin import KioskPin
from tui.screens.form import FormScreen
from tui.screens.here import Here
from tui.screens.sync import Sync
from tui.terminal.end_signals import ignore_keyboard_signals

DEFAULT_IDLE_S = 120
"""Longer than reading a screen takes, shorter than until the next person comes."""
IDLE_CHECK_INTERVAL_S = 1.0
"""How often it is looked whether anybody is there: once a second costs nothing."""
MAX_PASTE_CHARS = 4096
"""More than any value that is pasted, and less than what would keep the screen busy."""
MAX_WAITING_KEYS = 64
"""Keys that may wait: more than a person types ahead; what comes beyond that is no person's."""
_PIN_COMMANDS = frozenset({"choose", "here_now", "find_place", "meet_at", "stick", "save", "pair"})
"""Commands that write no fact and need the PIN all the same."""
_COMMANDS_TO_ELSEWHERE = frozenset(
    {"fleet", "inbox", "history", "sync", "members", "map", "find", "history_of", "history_of_place"}
)
"""Commands that lead to more than this place: they need the PIN, too, where only this place is shown."""


class KioskApp(FieldlineApp):
    """The six screens for anybody; after `idle_s` seconds nobody is there."""

    END_SIGNALS = (signal.SIGTERM,)
    """What a keyboard or a line can cause is not among them."""
    KEEPS_DRAFTS = False
    READ_ONLY_REASON = N_("Read only is on: here everything can be looked at, and nothing is changed.")

    def __init__(
        self,
        workspace: Workspace,
        clock: Clock,
        options: Options,
        idle_s: int = DEFAULT_IDLE_S,
        *,
        here: bytes | None = None,
        idle_check_interval_s: float = IDLE_CHECK_INTERVAL_S,
    ) -> None:
        super().__init__(workspace, clock, options, here=here)
        self.driver_class = _limit_waiting_keys(self.driver_class)
        self.lock = PinLock(self, KioskPin(workspace.home.folder, clock), is_here_only=options.here_only)
        self._idle_s, self._idle_check_interval_s = idle_s, idle_check_interval_s
        self._clock = clock
        self._touched_at_us = clock()

    def on_mount(self) -> None:  # the base class's is called as well
        ignore_keyboard_signals(self)
        self.set_interval(self._idle_check_interval_s, self._reset_when_idle)

    def first_screen(self) -> str:
        return "here"

    def status_items(self) -> Line:
        items = super().status_items()
        separator = [(" · ", "dim")] if items else []
        return [(_("PIN entered"), "attention"), *separator, *items] if self.lock.is_open else items

    # --- no way out --------------------------------------------------------------------------------------------------

    def do_quit(self) -> None:
        self.show_message(_("This is a kiosk: it stays on."))

    async def action_quit(self) -> None:
        self.do_quit()

    action_help_quit = action_suspend_process = do_suspend = do_quit

    def do_palette(self) -> None:
        self.show_message(_("There is no palette in a kiosk: ? shows the keys."))

    async def on_event(self, event: Event) -> None:
        """Note that somebody is there; take no more of a paste than fits into a field."""
        if isinstance(event, Key | Paste | MouseEvent):
            self._touched_at_us = self._clock()
        if isinstance(event, Paste):
            event.text = event.text[:MAX_PASTE_CHARS]
        await super().on_event(event)

    def defer_command(self, screen: CommandHost, name: str) -> bool:
        return self.lock.defer_command(screen, name)

    def action_command(self, name: str) -> None:
        if not self.lock.defer_place(name):
            super().action_command(name)

    # --- left alone --------------------------------------------------------------------------------------------------

    async def _reset_when_idle(self) -> None:
        """Go back to Here when nobody has touched a key for long."""
        if self._clock() - self._touched_at_us < self._idle_s * SECOND_US:
            return
        self._touched_at_us = self._clock()
        if _is_untouched(self):
            return
        try:
            await _reset(self)
        except FieldlineError as error:
            self.show_message(error_text(error))


async def _reset(app: KioskApp) -> None:
    """Forget the PIN, drafts, the last search, and where somebody looked."""
    app.lock.is_open = False
    app.viewed_at_us = None
    app.drafts.clear()
    is_syncing = any(isinstance(each, Sync) and each.is_syncing for each in app._screen_stacks.get("sync", []))
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    app.switch_mode("here")
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    for mode in [mode for mode in app._screen_stacks if mode in app.MODES and mode != "here"]:
        if mode != "sync" or not is_syncing:
            await app.remove_mode(mode)
            app.add_mode(mode, app.MODES[mode])
    if isinstance(here := app.screen, Here):
        here.do_back()
    await app.refresh_data()


def _is_untouched(app: KioskApp) -> bool:
    """Whether nothing shows that anybody was there."""
    return (
        not app.lock.is_open
        and not app.drafts
        and app.viewed_at_us is None
        and len(app.screen_stack) == 1
        and isinstance(app.screen, Here)
        and not app.screen.query(Input)
    )


def _limit_waiting_keys(driver: type[Driver]) -> type[Driver]:
    """Make a driver that drops keys while many wait.

    An unmarked paste, or a book on the keyboard.
    """

    class LimitedDriver(driver):  # type: ignore[misc, valid-type]
        def process_message(self, message: Message) -> None:
            if not isinstance(message, Key) or self._app._message_queue.qsize() < MAX_WAITING_KEYS:
                super().process_message(message)

    return LimitedDriver


class PinLock:
    """Ask for the PIN before a command that writes, names a file, or moves.

    Names a file or an address, or chooses another place. With `is_here_only` before one that leads away from this place
    as well.
    """

    def __init__(self, app: FieldlineApp, pin: KioskPin, *, is_here_only: bool = False) -> None:
        self._app = app
        self._pin = pin
        self._is_here_only = is_here_only
        self.is_open = False
        """Whether the PIN was entered."""

    def defer_command(self, screen: CommandHost, name: str) -> bool:
        """Return whether a command of a screen has to wait for the PIN.

        Then that has been asked for.
        """
        return self._needs_pin(screen, name) and self._ask(partial(screen.action_command, name))

    def defer_place(self, name: str) -> bool:
        """Return whether one of the other places has to wait for the PIN.

        Then that has been asked for.
        """
        return (
            self._is_here_only and name in _COMMANDS_TO_ELSEWHERE and self._ask(partial(self._app.action_command, name))
        )

    def _ask(self, command: Callable[[], None]) -> bool:
        """Ask for the PIN and then carry out a command.

        Return False if it was entered already.
        """
        if self.is_open:
            return False
        if not self._pin.is_set:
            self._app.show_message(_("This needs a PIN, and none is set: `fieldline tui --set-pin` sets one."))
            return True

        def answered(pin: str | None) -> None:
            if pin is not None:
                self.is_open = True
                command()

        self._app.push_screen(PinDialog(_("PIN"), "", _("This needs the PIN of the kiosk."), self._check_pin), answered)
        return True

    def _needs_pin(self, screen: CommandHost, name: str) -> bool:
        if name in _PIN_COMMANDS or (self._is_here_only and name in _COMMANDS_TO_ELSEWHERE):
            return True
        if isinstance(screen, FormScreen) and screen.entity == self._app.here:
            return False
        return commands.find_command((*screen.SCOPES, "past"), name).writes

    async def _check_pin(self, pin: str) -> None:
        await asyncio.to_thread(self._pin.attempt, pin.strip())


class PinDialog(PromptDialog):
    """Asks for the PIN; what is typed is not shown."""

    def on_mount(self) -> None:
        for field in self.query(Input):
            field.password = True
            field.max_length = 12
