"""Keep edits that are not applied: a session that is cut off loses none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from textual.app import App
from textual.worker import WorkType

from core.workspace import Workspace
from tui.draft import Draft, count_unapplied
from tui.draft_store import DraftStore, encode_drafts
from tui.i18n.translate import _, ngettext


class DraftKeeper:
    """Keeps `drafts` (entity to draft); whoever changes them calls `save`."""

    def __init__(
        self, app: App[Any], workspace: Workspace, show_message: Callable[[str], None], *, is_keeping: bool
    ) -> None:
        """Begin without drafts.

        Args:
            app: runs what writes them, and asks before it is left.
            workspace: the device and the user whose drafts they are.
            show_message: tells the person in front of the screen what could not be kept.
            is_keeping: whether they are kept; not where the next session is another person's.
        """
        self.drafts: dict[bytes, Draft] = {}
        self._app = app
        self._show_message = show_message
        self._is_keeping = is_keeping
        self._store = DraftStore(workspace.home.folder, workspace.user)
        self._write_lock = asyncio.Lock()
        self._latest_text: str | None = ""

    async def adopt(self) -> None:
        """Take over what sessions of the same user have left."""
        if not self._is_keeping:
            return
        try:
            self.drafts.update(await asyncio.to_thread(self._store.adopt))
        except OSError as error:
            self._show_message(
                _("Edits of an earlier session could not be read: {reason}").format(reason=error.strerror)
            )
        if count := count_unapplied(self.drafts):
            self.save()
            text = ngettext(
                "{count} edit of an earlier session is not applied: D in Fleet lists it.",
                "{count} edits of an earlier session are not applied: D in Fleet lists them.",
                count,
            )
            self._app.call_after_refresh(self._show_message, text)

    def save(self, typed: Draft | None = None) -> None:
        """Keep the drafts, and in place of one of them that with what is being typed."""
        text = encode_drafts({**self.drafts, typed.entity: typed} if typed else self.drafts)
        if self._is_keeping and text != self._latest_text:
            self._latest_text = text
            write: WorkType[bool] = partial(self._write, text)
            self._app.run_worker(write, group="drafts")

    async def _write(self, text: str) -> bool:
        """Write the drafts; says whether what is on the disk now is what there is."""
        try:
            async with self._write_lock:
                # Who types fast waits for the last write only.
                if text == self._latest_text:
                    await asyncio.to_thread(self._store.write, text)
        except OSError as error:
            self._latest_text = None
            self._show_message(
                _("Edits that are not applied could not be kept: {reason}").format(reason=error.strerror)
            )
            return False
        return True

    async def close(self) -> None:
        """Keep the drafts a last time, and let the next session take them over."""
        if self._is_keeping:
            self._latest_text = encode_drafts(self.drafts)
            await self._write(self._latest_text)
            self._store.close()

    def leave(self) -> None:
        """End the application; who has edits that are not applied is asked first."""
        count = count_unapplied(self.drafts)
        if not count:
            self._app.exit()
            return
        ask: WorkType[None] = partial(self._ask_to_leave, count)
        self._app.run_worker(ask, group="leave", exclusive=True)

    async def _ask_to_leave(self, count: int) -> None:
        """Ask, after one more try to keep the edits: a full disk may have taken none."""
        from tui.dialogs.base import ConfirmDialog

        is_kept = False
        if self._is_keeping:
            self._latest_text = encode_drafts(self.drafts)
            is_kept = await self._write(self._latest_text)
        if is_kept:
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
        self._app.push_screen(
            ConfirmDialog(_("Leave Fieldline?"), text, _("leave")), lambda yes: self._app.exit() if yes else None
        )
