"""Here: the place where this device is, chosen by hand and remembered here; what is new there, and its form."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult

from core.records import Record
from tui import commands
from tui.command_host import bindings
from tui.commands import Command
from tui.language.i18n import _, ngettext
from tui.rows.forms import NOBODY, Names, label_width, references, rows_of
from tui.rows.lines import Line, rule
from tui.rows.visits import New, last_visit, news, news_line, visited
from tui.screens.form import Form
from tui.widgets.text import Fixed, Lines

MOST = 3
"""Lines of news on a small screen; a tall one shows three times as many."""


class Here(Form):
    """The form of the place where this device is."""

    PLACE = "here"
    SCOPES = ("form", "here", "listing")  # type: ignore[assignment]  # a longer tuple than the form's
    BINDINGS = bindings("here")
    CSS = """
    Here #nowhere { display: none; height: 1fr; padding: 1 0; }
    Here.-nowhere #nowhere { display: block; }
    Here.-nowhere #list, Here.-nowhere #details, Here.-nowhere #details-title { display: none; }
    Here #news-title, Here #news { display: none; }
    Here.-news #news-title, Here.-news #news { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(b"")
        self._since: int | None = None
        self._news: list[New] = []
        self._before = NOBODY

    def body(self) -> ComposeResult:
        yield Lines(self._nowhere, id="nowhere", classes="to-read")
        parts = list(super().body())
        yield parts[0]
        yield Lines(lambda width, _height: [rule(width, [(self._title_of_news(), "strong")])], id="news-title")
        yield Lines(self._news_lines, id="news")
        yield from parts[1:]

    # --- what is shown -----------------------------------------------------------------------------------------------

    def where(self) -> str:
        return super().where() or _("Here")

    def heading(self) -> tuple[Line, Line]:
        if not self.entity:
            return [], []
        left, right = super().heading()
        if self._since is not None and not self._news and self.desk.moment is None:
            when = self.desk.when.short(self._since)
            right = [(_("nothing new since your last visit, {when}").format(when=when), "dim")]
        return left, right

    async def update(self) -> None:
        place = self.desk.here
        self.set_class(place is None, "-nowhere")
        if place is None:
            self.entity, self.record, self._news = b"", Record(b""), []
            self._show_news()
            self.lines.show(Fixed())
            self.redraw()
            return
        if place != self.entity:
            self.entity = place
            await self._arrive()
        await super().update()
        await self._read_news()
        self.redraw()

    async def _arrive(self) -> None:
        workspace = self.desk.workspace
        self._since = await last_visit(workspace.store, workspace.user, self.entity)
        await visited(workspace.store, workspace.user, self.entity, self.desk.when.clock())

    async def on_unmount(self) -> None:
        """The visit ends with the program."""
        if self.entity:
            workspace = self.desk.workspace
            await visited(workspace.store, workspace.user, self.entity, self.desk.when.clock())

    async def _read_news(self) -> None:
        self._news = []
        if self._since is not None and self.desk.moment is None:
            workspace, schema = self.desk.workspace, self.desk.schema
            view = workspace.store.known_at(self._since)
            before = await view.record(self.entity, schema)
            self._news = news(before, self.record, schema, workspace.user, workspace.identity.device)
            called = await view.names(references(before), schema)
            titles = {entity: name.title for entity, name in called.items()}
            self._before = Names({**titles, **self.names.entities}, self.names.devices)
        self._show_news()

    def _show_news(self) -> None:
        self.set_class(bool(self._news), "-news")
        most = MOST * 3 if self.size.height >= 30 else MOST
        self.query_one("#news", Lines).styles.height = min(len(self._news), most)

    def _title_of_news(self) -> str:
        when = self.desk.when.short(self._since or 0)
        count = ngettext("{count} property has changed", "{count} properties have changed", len(self._news))
        return _("{count} since your last visit, {when}").format(count=count, when=when)

    def _news_lines(self, width: int, height: int) -> list[Line]:
        label = label_width(rows_of(self.record, self.desk.schema), 80)
        lines = [news_line(new, width - 2, label, self._before, self.desk.when) for new in self._news]
        if len(lines) > height:
            more = _("… and {count} more: h shows the history").format(count=len(lines) - height + 1)
            lines = [*lines[: height - 1], [(more, "dim")]]
        return [[(" ", "plain"), *line] for line in lines]

    def _nowhere(self, width: int, height: int) -> list[Line]:
        text = _(
            "Which place this device is at has not been chosen. Press c: it goes to Fleet, where you put the cursor "
            "on the place and press c again. The place then stands here with everything that is configured at it, "
            "and is remembered on this device only."
        )
        return self.empty(text, min(width, 96))

    # --- commands ----------------------------------------------------------------------------------------------------

    def offered(self) -> list[Command]:
        offered = super().offered()
        if self._typing:
            return offered
        if not self.entity:
            choose = commands.find(("here",), "choose")
            shown = replace(choose, label=_("choose place"))
            offered = [shown, *(command for command in offered if command.name != "choose")]
        return [command for command in offered if command.name != "back"]

    def cannot(self, name: str) -> str | None:
        if name in ("choose", "back", "find"):
            return None
        if not self.entity:
            return _("No place is chosen yet: c goes to Fleet to choose one.")
        return super().cannot(name)

    def do_back(self) -> None:
        """Leave the line that is typed into; there is nothing to go back to from here."""
        if self._typing:
            super().do_back()

    def do_choose(self) -> None:
        """Go to Fleet to choose."""
        self.app.switch_mode("fleet")

    def do_history_of_place(self) -> None:
        """The changes of this place."""
        self.desk.show_history(self.entity, None, self.where())
