"""Fleet: everything there is as a tree, what is configured of the current line below, and the way into its form."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.changes import ID_SIZE, Ref
from core.records import Record
from core.schema import Kind
from core.slots import ABSENT
from tui.command_host import bindings
from tui.drafts.draft import Draft, unapplied
from tui.language.i18n import _, language, ngettext, number
from tui.rows.forms import NOBODY, Names, references, rows_of, summary_lines
from tui.rows.lines import Line
from tui.rows.naming import above
from tui.rows.tree import Node, Tree
from tui.screens.dialogs import Choose
from tui.screens.many import Many
from tui.screens.retiring import ask_retire

if TYPE_CHECKING:
    from tui.screens.search import Hit


class Fleet(Many):
    """The tree of the fleet."""

    PLACE = "fleet"
    SCOPES = ("fleet", "listing")
    BINDINGS = bindings("fleet")

    def __init__(self) -> None:
        super().__init__()
        self._record: Record | None = None
        self._names: Names = NOBODY
        self._hits: list[bytes] = []
        self._hit = 0
        self._found_in: dict[bytes, str] = {}
        self._retired = False
        self._one_by_one = asyncio.Lock()

    @property
    def node(self) -> Node | None:
        """The line under the cursor."""
        source = self.lines.source
        return source.node(self.lines.cursor) if isinstance(source, Tree) else None

    async def update(self) -> None:
        # What is unfolded while the tree is read anew would be lost with the old one.
        async with self._one_by_one:
            await self._update()

    async def _update(self) -> None:
        old = self.lines.source
        edited = {entity: len(draft) for entity, draft in self.desk.drafts.items() if len(draft)}
        tree = Tree(self.desk.view, self.desk.schema, edited, self.marked, self.desk.here, self._retired)
        opened = old.opened() if isinstance(old, Tree) else []
        await tree.reopen(opened, max(self.lines.cursor + 1, self.lines.size.height))
        at = tree.index(self.lines.key if isinstance(old, Tree) else None)  # type: ignore[arg-type]
        self.lines.show(tree, cursor=at)
        await self._read_details()

    def where(self) -> str:
        return _("Fleet")

    def heading(self) -> tuple[Line, Line]:
        roots = self.desk.schema.roots()
        right: Line = [(_("with what is out of use"), "dim")] if self._retired else []
        return [(roots[0].plural(language()), "plain")] if roots else [], right

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
        self.redraw_details()

    def subject(self) -> Line:
        node = self.node
        return [(node.row.title, "strong")] if node else []

    def details(self, width: int, height: int) -> list[Line]:
        if self._record is None:
            empty = isinstance(self.lines.source, Tree) and not len(self.lines.source)
            return self.empty(self._nothing(), width) if empty else []
        lines = summary_lines(rows_of(self._record, self.desk.schema), width - 4, height, self._names)
        return [[("   ", "plain"), *line] for line in lines]

    def _nothing(self) -> str:
        if self.desk.moment is not None:
            return _("Nothing was here then: Esc goes back to now.")
        if self.why_not("new"):
            return _("Nothing is here yet: 5 goes to Sync, where this device meets those that have something.")
        return _("Nothing is here yet: a makes something new; 5 goes to Sync, which brings what others have.")

    def copied(self) -> str:
        """The name that verbs take."""
        node = self.node
        return f"{node.row.kind}:{node.row.key}" if node and node.row.key else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def cannot(self, name: str) -> str | None:
        node = self.node
        if name in ("find_next", "find_previous") and not self._hits:
            return _("Nothing was sought yet: / searches everything.")
        if name in ("edit_marked", "unmark"):
            return None if self.marked else _("Nothing is marked: Space marks the current line.")
        if name == "drafts":
            return None if unapplied(self.desk.drafts) else _("Nothing is edited and not applied.")
        if name in ("open", "history_of", "here_now", "unfold", "fold", "mark", "retire") and node is None:
            return _("There is nothing on this line.")
        if name == "unfold" and node and not node.branches:
            return _("There is nothing below this line.")
        return None

    def do_open(self) -> None:
        """Open the form."""
        if node := self.node:
            self._open(node.row.entity)

    async def do_unfold(self) -> None:
        """Show the children, or go to the first of them."""
        async with self._one_by_one:
            await self._unfold()

    async def _unfold(self) -> None:
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

    async def do_fold(self) -> None:
        """Hide the children, or go to the parent."""
        async with self._one_by_one:
            tree, node = self.lines.source, self.node
            if isinstance(tree, Tree) and node is not None:
                if node.open:
                    tree.fold(node)
                    self.lines.show(tree)
                else:
                    self.lines.move_to(tree.above(self.lines.cursor))

    def do_find(self) -> None:
        """Search everything, and go to what is chosen."""
        from tui.screens.search import Search

        self.ask(Search(self.desk.view, self.desk.schema), self._found)

    def _found(self, hits: list[Hit] | None) -> None:
        if hits:
            self.go_through(hits)

    def go_through(self, hits: list[Hit]) -> None:
        """Go to the first of what a search found; `n` and `N` go to the others."""
        self._found_in = dict(reversed(hits))
        self._hits, self._hit = list(dict.fromkeys(entity for entity, _name in hits)), 0
        self.work(self._go_to_hit, group="find")

    def do_find_next(self) -> None:
        """Go to the next one found."""
        self._step(1)

    def do_find_previous(self) -> None:
        """Go to the one found before."""
        self._step(-1)

    def _step(self, by: int) -> None:
        self._hit = (self._hit + by) % len(self._hits)
        self.work(self._go_to_hit, group="find")

    async def _go_to_hit(self) -> None:
        await self.go_to(self._hits[self._hit])
        if len(self._hits) > 1:
            place, count = number(self._hit + 1), number(len(self._hits))
            self.message(_("{place} of {count} found: n next, N previous").format(place=place, count=count))

    async def go_to(self, entity: bytes) -> None:
        """Put the cursor on an entity, unfolding what it is under; what is under nothing opens as a form."""
        async with self._one_by_one:
            await self._go_to(entity)

    async def _go_to(self, entity: bytes) -> None:
        if not isinstance(self.lines.source, Tree):
            await self._update()
        tree = self.lines.source
        chain = await above(entity, self.desk.view, self.desk.schema)
        at = await tree.reveal(chain) if isinstance(tree, Tree) else None
        if at is None or not isinstance(tree, Tree):
            self._open(entity)
        else:
            self.lines.show(tree, cursor=at)
            if (above_it := tree.above(at)) < self.lines.scroll_y:
                top = max(above_it, at - self.lines.size.height + 1)
                self.lines.scroll_to(y=top, animate=False, force=True)
            await self._read_details()

    # --- editing -----------------------------------------------------------------------------------------------------

    def do_mark(self) -> None:
        """Mark the current line or not, and go on to the next."""
        if node := self.node:
            if self.marked.pop(node.row.entity, b"") == b"":
                self.marked[node.row.entity] = None
            self.lines.refresh_line(self.lines.cursor)
            self.lines.move_to(self.lines.cursor + 1)
            count = len(self.marked)
            text = ngettext(
                "{count} marked: e edits it, Esc unmarks", "{count} marked: e edits them, Esc unmarks", count
            )
            self.message(text if count else "")

    def do_unmark(self) -> None:
        """Take all marks away."""
        self.marked.clear()
        self.lines.refresh()

    async def do_retired(self) -> None:
        """Show what is out of use, or hide it again."""
        self._retired = not self._retired
        await self.update()

    async def do_retire(self) -> None:
        """Ask, and take it out of use."""
        if node := self.node:
            await ask_retire(self, await self.desk.view.record(node.row.entity, self.desk.schema))

    def do_new(self) -> None:
        """Ask of which kind, if there are several that make sense here."""
        schema, node = self.desk.schema, self.node
        below = schema.children(node.kind.name) if node else []
        kinds = list({kind.name: kind for kind in [*below, *([node.kind] if node else []), *schema.roots()]}.values())
        if len(kinds) == 1:
            self._make(kinds[0].name)
            return
        rows = [(kind.name, [(self._new_text(kind), "plain")]) for kind in kinds]
        self.ask(Choose(_("Something new"), rows), self._make)

    def _under(self, kind: Kind) -> bytes | None:
        """What something new of a kind is placed under: the current line, or what that is under."""
        tree, index = self.lines.source, self.lines.cursor
        while isinstance(tree, Tree) and kind.parent is not None and (node := tree.node(index)) is not None:
            if kind.property(kind.parent).refers_to == node.kind.name:
                return node.row.entity
            if not node.depth:
                break
            index = tree.above(index)
        return None

    def _new_text(self, kind: Kind) -> str:
        tree, under = self.lines.source, self._under(kind)
        node = tree.node(tree.index(under) or 0) if isinstance(tree, Tree) and under else None
        if node is None:
            return kind.label(language())
        return _("{kind} in {title}").format(kind=kind.label(language()), title=node.row.title)

    def _make(self, name: object) -> None:
        if not isinstance(name, str):
            return
        kind, entity = self.desk.schema.kind(name), self.desk.workspace.entropy(ID_SIZE)
        draft = Draft(entity, name)
        if kind.parent is not None and (under := self._under(kind)) is not None:
            draft.edit(kind.parent, ABSENT, Ref(under))
        self.desk.drafts[entity] = draft
        self._open(entity, given=len(draft))

    def _open(self, entity: bytes, given: int = 0) -> None:
        from tui.screens.form import Form

        self.ask(Form(entity, self._found_in.get(entity), given))

    async def do_drafts(self) -> None:
        """List what is edited, and open the form of what is chosen."""
        waiting = {entity: draft for entity, draft in self.desk.drafts.items() if len(draft)}
        called = await self.desk.paths(waiting)
        rows: list[tuple[bytes, Line]] = []
        for entity, draft in waiting.items():
            kind = self.desk.schema.kind(draft.kind)
            new = all(slot.state == "absent" for slot in draft.began.values()) and called[entity] == entity.hex()[:8]
            title = _("New: {kind}").format(kind=kind.label(language())) if new else called[entity]
            count = ngettext("{count} edit", "{count} edits", len(draft))
            rows.append((entity, [("~ ", "attention"), (title, "plain"), (f"  {count}", "dim")]))

        def chosen(entity: object) -> None:
            if isinstance(entity, bytes):
                self._open(entity)

        self.ask(Choose(_("Edited and not applied"), rows), chosen)

    def do_history_of(self) -> None:
        """The changes of this entity."""
        if node := self.node:
            self.desk.show_history(node.row.entity, None, node.row.title)

    async def do_here_now(self) -> None:
        """Remember this place."""
        if node := self.node:
            await self.desk.choose_here(node.row.entity)
            await self.update()
            self.message(_("This device is at {title} from now on.").format(title=node.row.title))
