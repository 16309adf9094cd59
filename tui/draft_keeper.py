"""An application that loses no edits: what is not applied is kept, and offered again to the same user."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar

from textual.worker import WorkType

from core.workspace import Workspace
from tui.dialogs.base import ConfirmDialog
from tui.draft import Draft, count_unapplied
from tui.draft_store import DraftStore, encode_drafts
from tui.i18n.translate import _, ngettext
from tui.terminal.diff_app import DiffApp


class DraftApp(DiffApp):
    """Keeps `drafts`; whoever changes them calls `keep_drafts`."""

    KEEPS_DRAFTS: ClassVar[bool] = False
    """True where the next session is the same person's. Not inherited: at a kiosk another person comes next."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.drafts: dict[bytes, Draft] = {}
        self._draft_store = DraftStore(workspace.home.folder, workspace.user)
        self._write_lock = asyncio.Lock()
        self._latest_text: str | None = ""

    @property
    def _is_keeping(self) -> bool:
        return bool(vars(type(self)).get("KEEPS_DRAFTS"))

    async def adopt_drafts(self) -> None:
        """Offer again what sessions of the same user have left."""
        if not self._is_keeping:
            return
        try:
            self.drafts |= await asyncio.to_thread(self._draft_store.adopt)
        except OSError as error:
            self._show_message(
                _("Edits of an earlier session could not be read: {reason}").format(reason=error.strerror)
            )
        if count := count_unapplied(self.drafts):
            self.save_drafts()
            text = ngettext(
                "{count} edit of an earlier session is not applied: D in Fleet lists it.",
                "{count} edits of an earlier session are not applied: D in Fleet lists them.",
                count,
            )
            self.call_after_refresh(self._show_message, text)

    def save_drafts(self, typed: Draft | None = None) -> None:
        """Keep what is edited now, and in place of one of the drafts that with what is being typed."""
        text = encode_drafts({**self.drafts, typed.entity: typed} if typed else self.drafts)
        if self._is_keeping and text != self._latest_text:
            self._latest_text = text
            keep: WorkType[None] = partial(self._write_drafts, text)
            self.run_worker(keep, group="drafts")

    async def _write_drafts(self, text: str) -> None:
        try:
            async with self._write_lock:
                # Who types fast waits for the last write only.
                if text == self._latest_text:
                    await asyncio.to_thread(self._draft_store.write, text)
        except OSError as error:
            self._latest_text = None
            self._show_message(
                _("Edits that are not applied could not be kept: {reason}").format(reason=error.strerror)
            )

    async def on_unmount(self) -> None:
        """The next session may take over."""
        if self._is_keeping:
            self._latest_text = encode_drafts(self.drafts)
            await self._write_drafts(self._latest_text)
            self._draft_store.close()

    def _show_message(self, text: str) -> None:
        """Tell the person in front of the screen."""

    def do_quit(self) -> None:
        """Leave; who has edits that are not applied shall know it."""
        count = count_unapplied(self.drafts)
        if not count:
            self.exit()
            return
        if self._is_keeping:
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
        self.push_screen(
            ConfirmDialog(_("Leave Fieldline?"), text, _("leave")), lambda yes: self.exit() if yes else None
        )
