"""What the frame of every screen tells: the six places, the moment that is looked at, and what wants a person."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from core.errors import FieldlineError
from core.membership import Membership
from core.schema import Schema
from core.store.view import View
from core.workspace import Workspace
from core.workspace.pending import Pending
from tui.drafts.draft import unapplied
from tui.drafts.keeping import KeepingApp
from tui.language.i18n import N_, _, ngettext, number, say
from tui.language.when import When
from tui.rows.cables import Cables
from tui.rows.forms import NOBODY
from tui.rows.lines import Line
from tui.rows.naming import paths
from tui.rows.permission import mark, standing_of
from tui.status import Options, Status
from tui.waiting import Waiting


class FramedApp(KeepingApp):
    """An application whose screens stand in one frame. `moment` (microseconds since 1970 UTC) is the one that is looked
    at, None for now; `known` whether as this device knew it then.
    """

    READ_ONLY = N_("Read only is on: turn it off with : and “read only”.")
    """Why nothing is written then, and what to do about it."""

    waiting: Waiting
    cables: Cables

    def __init__(self, workspace: Workspace, when: When, options: Options) -> None:
        super().__init__(workspace)
        self.when = when
        self.options = options
        self.readonly = options.readonly
        self.moment: int | None = None
        self.known = False
        self.status = Status()
        self.membership = Membership()
        self.names = NOBODY
        self.schema = Schema()

    @property
    def view(self) -> View:
        """What all screens read: the present, or the moment that somebody looks at."""
        return self.workspace.view(self.moment, received=self.known)

    async def path(self, entity: bytes) -> str:
        """Where an entity is in the fleet."""
        return (await self.paths([entity]))[entity]

    async def paths(self, entities: Iterable[bytes]) -> dict[bytes, str]:
        """Where entities are in the fleet."""
        return await paths(entities, self.view, self.schema)

    def know_oneself(self, surely: bool) -> None:
        """Note what this device is called and how it stands; if not `surely`, only by its own word, where it has one:
        reading its key takes a moment.
        """
        own = ""
        with suppress(FieldlineError):
            own = self.workspace.home.name()
        if surely or not own:
            try:
                device = self.workspace.identity.device
            except FieldlineError as error:
                self._say(say(error))
            else:
                own = self.names.devices.get(device) or own or device.hex()[:8]
                self.status = replace(self.status, standing=standing_of(self.membership, device))
        self.status = replace(self.status, device=own)

    @property
    def matters(self) -> Pending:
        """What waits for a decision, as far as it was read."""
        return self.waiting.matters

    def places(self) -> list[tuple[str, str]]:
        """The six places: name, and label in the language in use."""
        inbox = _("Inbox") + (f" {len(self.matters)}" if self.matters else "")
        return [
            ("here", _("Here")),
            ("fleet", _("Fleet")),
            ("inbox", inbox),
            ("history", _("History")),
            ("sync", _("Sync")),
            ("members", _("Members")),
        ]

    def banner(self) -> str:
        """What stands instead of the places while nothing can be edited."""
        if self.moment is not None and self.known:
            moment = self.when.full(self.moment)
            return _("AS KNOWN HERE ON {moment} · read only · Esc back to now").format(moment=moment)
        if self.moment is not None:
            return _("AS OF {moment} · read only · Esc back to now").format(moment=self.when.full(self.moment))
        return ""

    def attention(self) -> Line:
        """What wants a person, for the right end of the first line."""
        parts: Line = []
        if self.readonly:
            parts.append((_("read only"), "strong"))
        if stands := mark(self.status.standing):
            parts.append((stands, "attention"))
        if waiting := unapplied(self.drafts):
            parts.append((ngettext("{count} edit not applied", "{count} edits not applied", waiting), "attention"))
        if progress := self.waiting.progress:
            done, total = map(number, progress)
            parts.append((_("looking through {done} of {total}").format(done=done, total=total), "dim"))
        elif self.matters:
            parts.append((ngettext("{count} to settle", "{count} to settle", len(self.matters)), "attention"))
        parts += [(each.name, "strong") for each in self.cables.plugged]
        if self.status.met_at is not None:
            parts.append((_("synced {when}").format(when=self.when.short(self.status.met_at)), "dim"))
        line: Line = []
        for part in parts:
            line += [(" · ", "dim"), part] if line else [part]
        return line
