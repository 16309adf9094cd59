"""The base of what offers commands from the registry.

The screens, and the dialogs over them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import WorkType

from core.errors import FieldlineError
from tui import commands
from tui.commands import Command
from tui.i18n.translate import error_text
from tui.layout import Line
from tui.terminal.key_sequencer import COMMAND_GROUP
from tui.view_models.footer import footer_key_at, footer_line
from tui.widgets.lines import BandLines, Lines

Answer = TypeVar("Answer")
"""The answer of a dialog."""


def command_bindings(*scopes: str) -> list[BindingType]:
    """The key bindings of the commands of these scopes."""
    return [
        Binding(",".join(command.keys), f"command('{command.name}')", show=False)
        for command in commands.commands_of(*scopes)
        if command.keys
    ]


class CommandHost(Widget):
    """A screen that offers commands.

    A method `do_<name>` of the screen or of one of its `actions` carries it out, if it has no `disabled_reason`.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ()
    actions: Sequence[object] = ()
    """Objects that carry out commands for this screen, which comes first."""

    @on(Resize)
    def _follow_terminal_size(self, event: Resize) -> None:
        """Take the terminal's size after a layout for another, which is told last."""
        if event.size != (size := self.app.size):
            self.post_message(Resize(size, size))

    def disabled_reason(self, name: str) -> str | None:
        """Why a command cannot act now, in a sentence for people, or None if it can."""
        return None

    def available_commands(self) -> list[Command]:
        """The commands of this screen."""
        return list(commands.commands_of(*self.SCOPES))

    def disabled_commands(self) -> dict[str, str]:
        """The commands that cannot act now, each with the reason."""
        return {
            c.name: reason for c in self.available_commands() if (reason := self.disabled_reason(c.name)) is not None
        }

    def show_message(self, text: str, attention: bool = False) -> None:
        """Show a message to the person in front of the screen; an empty text removes it."""

    def action_command(self, name: str) -> None:
        """Carry out a command of this screen, or show why it cannot act."""
        self.show_message("")
        reason = self.disabled_reason(name)
        if reason is not None:
            self.show_message(reason, attention=True)
            return
        self.run_task(getattr(self.command_owner(name), f"do_{name}"))

    def command_owner(self, name: str) -> object | None:
        """Return the screen or the actions that carry out a command, None if none do."""
        return next((each for each in (self, *self.actions) if hasattr(each, f"do_{name}")), None)

    @property
    def is_typing(self) -> bool:
        """Whether letters are text, and no keys."""
        return bool(self.query(Input))

    def run_task(self, task: Callable[[], Awaitable[object] | None], group: str = "") -> None:
        """Run something beside the screen, instead of what is under way of its group.

        What could not be done is shown in the message line.
        """
        if not self.is_mounted:  # What was just opened has nothing on it yet; its messages wait until it has.
            self.call_later(self.run_task, task, group)
            return
        guarded: WorkType[None] = partial(self._run_guarded, task)
        self.run_worker(guarded, group=group or COMMAND_GROUP, exclusive=bool(group))

    async def _run_guarded(self, task: Callable[[], Awaitable[object] | None]) -> None:
        try:
            if (result := task()) is not None:
                await result
        except FieldlineError as error:
            self.show_message(error_text(error), attention=True)
        except NoMatches:
            # Somebody left the screen while what it shows was still being read.
            if self.display:
                raise


class FooterLine(BandLines):
    """The last line: the keys of a host's commands, which can be clicked."""

    def __init__(self, host: CommandHost, *, id: str) -> None:
        super().__init__(self._draw_keys, id=id)
        self._host = host

    def _draw_keys(self, width: int, _height: int) -> list[Line]:
        host = self._host
        return [footer_line(width, host.available_commands(), host.disabled_commands(), host.is_typing)]

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        event.stop()
        commands_here = self._host.available_commands()
        if key := footer_key_at(event.column, self.size.width, commands_here, self._host.is_typing):
            self.app.call_later(self.app.simulate_key, key)
