"""Fleet: everything there is as a tree, what is configured of the current line below, and the way into its form."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult

from core.records import Record
from tui.forms import NOBODY, Names, references, rows_of, summary_lines
from tui.i18n import _, language
from tui.lines import Line
from tui.screens.dialogs import Ask
from tui.screens.form import Form
from tui.screens.page import Page, bindings, rule
from tui.tree import Node, Tree
from tui.widgets.text import LineList, Lines


class Fleet(Page):
    """The tree of the fleet."""

    PLACE = "fleet"
    SCOPES = ("fleet",)
    BINDINGS = bindings("fleet")
    AUTO_FOCUS = "LineList"

    def __init__(self) -> None:
        super().__init__()
        self._record: Record | None = None
        self._names: Names = NOBODY
        self._sought = ""

    def body(self) -> ComposeResult:
        yield LineList(id="list")
        yield Lines(lambda width, _height: [rule(width, self._title())], id="details-title")
        yield Lines(self._details, id="details")

    @property
    def lines(self) -> LineList:
        """The list on the screen."""
        return self.query_one("#list", LineList)

    @property
    def node(self) -> Node | None:
        """The line under the cursor."""
        source = self.lines.source
        return source.node(self.lines.cursor) if isinstance(source, Tree) else None

    async def update(self) -> None:
        old = self.lines.source
        edited = {entity: len(draft) for entity, draft in self.desk.drafts.items() if len(draft)}
        tree = Tree(self.desk.view, self.desk.schema, edited)
        opened = old.opened() if isinstance(old, Tree) else []
        await tree.reopen(opened, max(self.lines.cursor + 1, self.lines.size.height))
        at = tree.index(self.lines.key if isinstance(old, Tree) else None)  # type: ignore[arg-type]
        self.lines.show(tree, cursor=at)
        await self._read_details()

    def where(self) -> str:
        return _("Fleet")

    def heading(self) -> tuple[Line, Line]:
        roots = self.desk.schema.roots()
        return [(roots[0].plural(language()), "plain")] if roots else [], []

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.work(self._read_details, group="details")

    async def _read_details(self) -> None:
        node = self.node
        if node is None:
            self._record = None
        else:
            view, schema = self.desk.view, self.desk.schema
            record = await view.record(node.row.entity, schema)
            called = await view.names(references(record), schema)
            self._names = Names({e: name.title for e, name in called.items()}, self.desk.names.devices)
            self._record = record
        for name in ("#details-title", "#details", "#keys"):
            self.query_one(name, Lines).redraw()

    def _title(self) -> Line:
        node = self.node
        return [(node.row.title, "strong")] if node else []

    def _details(self, width: int, height: int) -> list[Line]:
        if self._record is None:
            return [[("   " + _("Nothing is here yet."), "dim")]] if not len(self.lines.source) else []
        lines = summary_lines(rows_of(self._record, self.desk.schema), width - 4, height, self._names)
        return [[("   ", "plain"), *line] for line in lines]

    # --- commands ----------------------------------------------------------------------------------------------------

    def cannot(self, name: str) -> str | None:
        node = self.node
        if name in ("open", "history_of", "here_now", "unfold", "fold") and node is None:
            return _("There is nothing on this line.")
        if name == "unfold" and node and not node.branches:
            return _("There is nothing below this line.")
        return None

    def do_open(self) -> None:
        """Open the form."""
        if node := self.node:
            self.app.push_screen(Form(node.row.entity))

    async def do_unfold(self) -> None:
        """Show the children, or go to the first of them."""
        tree, node = self.lines.source, self.node
        if not isinstance(tree, Tree) or node is None:
            return
        if node.open:
            self.lines.move_to(self.lines.cursor + 1)
            return
        await tree.unfold(node)
        self.lines.show(tree)
        if not node.children:
            self.message(_("There is nothing below {title}.").format(title=node.row.title))

    def do_fold(self) -> None:
        """Hide the children, or go to the parent."""
        tree, node = self.lines.source, self.node
        if isinstance(tree, Tree) and node is not None:
            if node.open:
                tree.fold(node)
                self.lines.show(tree)
            else:
                self.lines.move_to(tree.above(self.lines.cursor))

    def do_find(self) -> None:
        """Ask for a text and jump to the next line that has it."""
        self.app.push_screen(Ask(_("Find"), self._sought, _("Part of a name or key.")), self._find)

    def _find(self, text: str | None) -> None:
        if text:
            self._sought = text
            self.work(partial(self._seek, 1), group="find")

    def do_find_next(self) -> None:
        """Jump to the next line found."""
        self.work(partial(self._seek, 1), group="find")

    def do_find_previous(self) -> None:
        """Jump to the line found before."""
        self.work(partial(self._seek, -1), group="find")

    async def _seek(self, step: int) -> None:
        tree = self.lines.source
        if not isinstance(tree, Tree):
            return
        if not self._sought:
            self.message(_("Press / and type what to find."))
            return
        await tree.load(0, len(tree))
        at = tree.found(self._sought, self.lines.cursor, step)
        if at is None:
            self.message(_("Nothing unfolded contains “{text}”.").format(text=self._sought), attention=True)
        else:
            self.lines.show(tree)
            self.lines.move_to(at)

    def do_history_of(self) -> None:
        """The changes of this entity."""
        if node := self.node:
            self.desk.show_history(node.row.entity, None, node.row.title)

    async def do_here_now(self) -> None:
        """Remember this place."""
        if node := self.node:
            await self.desk.choose_here(node.row.entity)
            self.message(_("This device is at {title} from now on.").format(title=node.row.title))
