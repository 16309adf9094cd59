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
from core.store.log import LogFilter
from core.workspace import Workspace
from tui.base_app import FramedApp
from tui.command_host import Offering, bindings
from tui.frame import AppState
from tui.language.i18n import _, say
from tui.language.when import Clock, When
from tui.rows.cables import Cables, Use, offer_text
from tui.rows.forms import Names
from tui.screens.page import Page
from tui.status import Options
from tui.terminal.looks import next_theme
from tui.terminal.plain import NoColours, PlainGlyphs
from tui.terminal.turns import NEWS
from tui.waiting import Waiting

if TYPE_CHECKING:
    from core.sync.links.ports import Found

NEWS_SECONDS = 2.0
_DEFAULTS = Options()


def _place(name: str) -> Callable[[], Screen[Any]]:
    """Makes the screen of a place, which is imported when somebody goes there: the first frame waits for one only."""

    def make() -> Screen[Any]:
        screen: Screen[Any] = getattr(import_module(f"tui.screens.{name}"), name.capitalize())()
        return screen

    return make


class FieldlineApp(FramedApp):
    """The six places over one workspace."""

    ENABLE_COMMAND_PALETTE = False
    KEEPS_DRAFTS = True
    CSS_PATH = ["styles/fieldline.tcss", "styles/themes.tcss"]
    BINDINGS = bindings("everywhere")
    MODES: ClassVar[dict[str, Any]] = {
        name: _place(name) for name in ("here", "fleet", "inbox", "history", "sync", "members")
    }

    def __init__(
        self, workspace: Workspace, clock: Clock, options: Options = _DEFAULTS, *, here: bytes | None = None
    ) -> None:
        """`here` is the place where this device is, if one was chosen: then that is what is shown first."""
        self.here = here
        # Textual begins in it: to switch to it later would show nothing for its first twentieth of a second.
        self.DEFAULT_MODE = self.first_place()  # type: ignore[misc]
        super().__init__(workspace, When(clock, options.zone), options)
        self.set_class(True, f"-{options.theme}")
        self.waiting = Waiting(workspace, self._matters_read)
        self.cables = Cables(workspace, self._cable_came, self._frame_changed, self._say)
        self.loaded = asyncio.Event()
        self._shown = False
        if options.plain:
            self._filters.append(PlainGlyphs())
        if self.no_color:
            self._filters.append(NoColours())

    # --- life --------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.title = "Fieldline"
        self.run_worker(self._load(), group="load")

    async def _load(self) -> None:
        """Read what all screens need, once the first one shows its frame."""
        await self.painted.wait()
        try:
            await self.reload()
            await self.take_over_drafts()
        except FieldlineError as error:
            self._say(say(error))
            return
        self.loaded.set()
        self.call_after_refresh(self._begin)
        self.run_worker(self._watch(), group="watch")

    def _begin(self) -> None:
        begin: WorkType[None] = self._begin_when_shown
        self.run_worker(begin, group="inbox")

    async def _begin_when_shown(self) -> None:
        """Look for what waits for a decision, and for cables, once the first screen shows what it shall."""
        for worker in [each for each in self.workers if each.group == NEWS]:
            with suppress(WorkerCancelled, WorkerFailed):
                await worker.wait()
        if (page := self.page) is not None:
            await page.wait_for_refresh()
        self._shown = True
        self.know_oneself(surely=True)
        self._frame_changed()
        self.read_matters()
        if self.options.discovery:
            look: WorkType[None] = self.cables.look
            self.run_worker(look, group="watch")

    def first_place(self) -> str:
        """Where it begins."""
        return "here" if self.here else "fleet"

    async def on_unmount(self) -> None:
        await self.waiting.close()

    async def reload(self) -> None:
        """Read what the frame shows."""
        store = self.workspace.store
        self.schema = await self.workspace.schema()
        self.membership = await store.membership()
        members = self.membership.members
        self.names = Names({}, {device: member.name for device, member in members.items() if member.name})
        # By its name of today, also where somebody looks at a time before it had one.
        fleet = (await store.now().record(FLEET_ENTITY, self.schema)).value("name")
        self.read_matters()
        self.status = replace(self.status, fleet=str(fleet or store.fleet.hex()[:8]), met_at=await store.last_met())
        self.know_oneself(self._shown)

    async def _watch(self) -> None:
        """Show what this or another process, or a sync, has written, as soon as it is there.

        While much is written it is shown every other second: reading and drawing it again costs, on a slow line most.
        """
        held = b""
        while True:
            try:
                changed = await self.workspace.store.changed(60)
                before, held = held, (await self.workspace.store.summary()).root
                # What reading the inbox notes down for itself is no news.
                if changed and (held != before or self.waiting.progress is None):
                    await self.news()
                    await asyncio.sleep(NEWS_SECONDS)
            except FieldlineError as error:
                self._say(say(error))

    async def news(self) -> None:
        """Read everything that is shown anew."""
        await self.reload()
        if isinstance(page := self.page, Page):
            page.news()

    def read_matters(self) -> None:
        """Look for what waits for a decision; in the past only for those who look at the inbox."""
        if not self._shown:
            return
        if self.moment is not None and not self._at_inbox:
            self.waiting.forget()
        elif self.waiting.want(self.moment, self.known):
            read: WorkType[None] = self._read_matters
            self.run_worker(read, group="inbox")

    async def _read_matters(self) -> None:
        try:
            await self.waiting.read()
        except FieldlineError as error:
            self._say(say(error))

    def _matters_read(self, changed: bool) -> None:
        if (page := self.page) is not None and self._at_inbox and changed:
            page.news()
        else:
            self._frame_changed()

    @property
    def _at_inbox(self) -> bool:
        return self.page is not None and self.page.PLACE == "inbox"

    @property
    def page(self) -> Page | None:
        """The full screen that is shown, below any dialog; None before the first and after the last."""
        return next((s for s in reversed(self.screen_stack) if isinstance(s, Page)), None)

    def show_history(self, entity: bytes, name: str | None, of: str) -> None:
        """Show the changes of an entity, or of one of its properties."""
        from tui.screens.history import History

        self.switch_mode("history")
        if isinstance(page := self.screen, History):
            page.only(LogFilter(entity=entity, property=name), of)

    def show_found(self, hits: list[tuple[bytes, str]]) -> None:
        """Go to what a search found, in Fleet; entities with the properties whose values were found."""
        from tui.screens.fleet import Fleet

        self.switch_mode("fleet")
        while isinstance(page := self.screen, Page) and not isinstance(page, Fleet):
            self.pop_screen()
        if isinstance(page, Fleet):
            page.go_through(hits)

    def look_at(self, moment: int | None, known: bool = False) -> None:
        """Show everything as it was at a moment (microseconds since 1970 UTC), or as this device had received it by
        then; None is now.
        """
        self.moment, self.known = moment, known
        self.run_worker(self.news(), group=NEWS, exclusive=True)

    async def choose_here(self, entity: bytes) -> None:
        """Remember the place where this device is; it is kept on this device only."""
        from core.workspace import nearby

        await nearby.choose(self.workspace, entity)
        self.here = entity

    def _say(self, text: str) -> None:
        if isinstance(page := self.page, Page):
            page.message(text, attention=True)

    # --- commands ----------------------------------------------------------------------------------------------------

    def action_command(self, name: str) -> None:
        """Carry out a command that can be used everywhere."""
        if name in self.MODES:
            self.switch_mode(name)
            if self.moment is not None:
                self.read_matters()
        else:
            getattr(self, f"do_{name}")()

    def _frame_changed(self) -> None:
        if isinstance(page := self.page, Page) and page.is_mounted:
            page.redraw()

    def _cable_came(self, found: Found, use: Use) -> None:
        at_hand = isinstance(page := self.page, Page) and page.PLACE == "sync"
        self._say(offer_text(found.name, use, at_hand))

    def held(self, page: Offering, name: str) -> bool:
        """Whether a command has to wait, as for the PIN of a kiosk; then that has been asked for."""
        return False

    def do_help(self) -> None:
        """Show what the keys do here."""
        from tui.screens.help import explain

        explain(self)

    def do_palette(self) -> None:
        """Find a command by its name."""
        from tui.screens.palette import Palette

        if isinstance(page := self.screen, Page):
            self.push_screen(Palette(page.offered(), page.unavailable()), self._chosen)

    def _chosen(self, name: str | None) -> None:
        if name is None:
            return
        own = isinstance(self.screen, Offering) and name in {c.name for c in self.screen.offered()}
        target = self.screen if own and isinstance(self.screen, Offering) else self
        target.action_command(name)

    def do_readonly(self) -> None:
        """Turn read only on or off."""
        self.readonly = not self.readonly
        if isinstance(page := self.page, Page):
            page.redraw()

    def do_theme(self) -> None:
        """Go to the next theme."""
        self._say(_("Theme: {name}").format(name=next_theme(self)))
        self._frame_changed()

    async def action_quit(self) -> None:
        self.do_quit()

    def action_help_quit(self) -> None:
        self._say(_("Ctrl+Q leaves Fieldline."))


_CHECKED: type[AppState] = FieldlineApp
"""That this is what the screens take it for is checked by mypy: to inherit from both is not possible."""
