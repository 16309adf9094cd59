"""What offers commands from the registry: the screens, and the dialogs over them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
from tui.language.i18n import say
from tui.rows.keysline import key_at, keys_line
from tui.rows.lines import Line
from tui.terminal.turns import COMMAND
from tui.widgets.text import Lines

Answer = TypeVar("Answer")
"""What a dialog gives to whoever asked."""


def bindings(*scopes: str) -> list[BindingType]:
    """The key bindings of the commands of these scopes."""
    return [
        Binding(",".join(command.keys), f"command('{command.name}')", show=False)
        for command in commands.of(*scopes)
        if command.keys
    ]


class Offering(Widget):
    """A screen that offers commands: `do_<name>` carries one out, `why_not` says why it cannot act now."""

    SCOPES: ClassVar[tuple[str, ...]] = ()

    @on(Resize)
    def _follow(self, event: Resize) -> None:
        """Take the terminal's size, also if it came while the screen was laid out for another one: Textual tells a
        screen of that one last.
        """
        if event.size != (size := self.app.size):
            self.post_message(Resize(size, size))

    def why_not(self, name: str) -> str | None:
        """Why a command cannot act now, in a sentence for people, or None if it can."""
        return None

    def offered(self) -> list[Command]:
        """The commands of this screen."""
        return list(commands.of(*self.SCOPES))

    def unavailable(self) -> dict[str, str]:
        """The commands that cannot act now, each with the reason."""
        return {c.name: reason for c in self.offered() if (reason := self.why_not(c.name)) is not None}

    def message(self, text: str, attention: bool = False) -> None:
        """Say something to the person in front of the screen; an empty text takes it back."""

    def action_command(self, name: str) -> None:
        """Carry out a command of this screen, or say why not."""
        self.message("")
        reason = self.why_not(name)
        if reason is not None:
            self.message(reason, attention=True)
            return
        self.work(getattr(self, f"do_{name}"))

    @property
    def typing(self) -> bool:
        """Whether letters are text, and no keys."""
        return bool(self.query(Input))

    def keys_line(self, width: int) -> Line:
        """The last line."""
        return keys_line(width, self.offered(), self.unavailable(), self.typing)

    def key_clicked(self, event: Lines.Clicked) -> None:
        """A key in the last line was clicked."""
        if key := key_at(event.column, event.lines.size.width, self.offered(), self.typing):
            self.app.call_later(self.app.simulate_key, key)

    def work(self, task: Callable[[], Awaitable[object] | None], group: str = "") -> None:
        """Do something beside the screen; what could not be done is told in the message line.

        A task replaces one of the same group that is still under way.
        """
        guarded: WorkType[None] = partial(self._guarded, task)
        self.run_worker(guarded, group=group or COMMAND, exclusive=bool(group))

    async def _guarded(self, task: Callable[[], Awaitable[object] | None]) -> None:
        try:
            if (result := task()) is not None:
                await result
        except FieldlineError as error:
            self.message(say(error), attention=True)
        except NoMatches:
            # Somebody left the screen while what it shows was still being read.
            if self.display:
                raise
