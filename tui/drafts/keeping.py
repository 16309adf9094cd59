"""An application that loses no edits: what is not applied is kept, and offered again to the same user."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar

from textual.worker import WorkType

from core.workspace import Workspace
from tui.drafts.draft import Draft, unapplied
from tui.drafts.draftfile import DraftFile, packed
from tui.language.i18n import _, ngettext
from tui.screens.dialogs import Confirm
from tui.terminal.difference import DifferenceApp


class KeepingApp(DifferenceApp):
    """Keeps `drafts`; whoever changes them calls `keep_drafts`."""

    KEEPS_DRAFTS: ClassVar[bool] = False
    """True where the next session is the same person's. Not inherited: at a kiosk another person comes next."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.drafts: dict[bytes, Draft] = {}
        self._file = DraftFile(workspace.home.folder, workspace.user)
        self._one_by_one = asyncio.Lock()
        self._latest: str | None = ""

    @property
    def _keeps(self) -> bool:
        return bool(vars(type(self)).get("KEEPS_DRAFTS"))

    async def take_over_drafts(self) -> None:
        """Offer again what sessions of the same user have left."""
        if not self._keeps:
            return
        try:
            self.drafts |= await asyncio.to_thread(self._file.take_over)
        except OSError as error:
            self._say(_("Edits of an earlier session could not be read: {reason}").format(reason=error.strerror))
        if count := unapplied(self.drafts):
            self.keep_drafts()
            text = ngettext(
                "{count} edit of an earlier session is not applied: D in Fleet lists it.",
                "{count} edits of an earlier session are not applied: D in Fleet lists them.",
                count,
            )
            self.call_after_refresh(self._say, text)

    def keep_drafts(self, typed: Draft | None = None) -> None:
        """Keep what is edited now, and in place of one of the drafts that with what is being typed."""
        text = packed({**self.drafts, typed.entity: typed} if typed else self.drafts)
        if self._keeps and text != self._latest:
            self._latest = text
            keep: WorkType[None] = partial(self._keep, text)
            self.run_worker(keep, group="drafts")

    async def _keep(self, text: str) -> None:
        try:
            async with self._one_by_one:
                # Who types fast waits for the last write only.
                if text == self._latest:
                    await asyncio.to_thread(self._file.write, text)
        except OSError as error:
            self._latest = None
            self._say(_("Edits that are not applied could not be kept: {reason}").format(reason=error.strerror))

    async def on_unmount(self) -> None:
        """The next session may take over."""
        if self._keeps:
            self._latest = packed(self.drafts)
            await self._keep(self._latest)
            self._file.close()

    def _say(self, text: str) -> None:
        """Tell the person in front of the screen."""

    def do_quit(self) -> None:
        """Leave; who has edits that are not applied shall know it."""
        count = unapplied(self.drafts)
        if not count:
            self.exit()
            return
        if self._keeps:
            text = ngettext(
                "{count} edit is not applied. It is kept for you.",
                "{count} edits are not applied. They are kept for you.",
                count,
            )
        else:
            text = ngettext(
                "{count} edit is not applied and will be lost.",
                "{count} edits are not applied and will be lost.",
                count,
            )
        self.push_screen(Confirm(_("Leave Fieldline?"), text, _("leave")), lambda yes: self.exit() if yes else None)
