"""What waits for a decision, read beside the screens: after a large import or another schema that takes a while.

It is read over a connection of its own, so that no key waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from core.errors import FieldlineError
from core.workspace import Workspace
from core.workspace.pending import Pending

_STEPS = 50
"""How often a long reading tells how far it is: each time costs a slow line some bytes."""


class Waiting:
    """Reads the inbox of whatever is looked at, once more if something was written meanwhile.

    `matters` are those of the last reading that came to its end; `told` is called when they are others, or when
    `progress` (entities read, and how many there are; None while nothing is read) is.
    """

    def __init__(self, workspace: Workspace, told: Callable[[bool], None]) -> None:
        self.matters = Pending()
        self.progress: tuple[int, int] | None = None
        self._workspace = workspace
        self._opening: asyncio.Task[Workspace] | None = None
        self._told = told
        self._wanted: tuple[int | None, bool] | None = None
        self._reading = False
        self._task: asyncio.Task[None] | None = None

    @property
    def looking(self) -> bool:
        """Whether what there is to show is still being read."""
        return self._wanted is not None

    def forget(self) -> None:
        """There is nothing to show: nobody looks at the inbox of this moment."""
        self._wanted, self.matters = None, Pending()

    def want(self, moment: int | None, known: bool) -> bool:
        """Wish this moment to be read, None for now; whether `read` has to be started for that."""
        self._wanted = moment, known
        start, self._reading = not self._reading, True
        return start

    async def read(self) -> None:
        """Read until nothing is wished that was not read."""
        self._task = asyncio.current_task()
        try:
            own = await self._opened()
            while wanted := self._wanted:
                moment, known = wanted
                found = await own.pending(own.view(moment, received=known), self._progress)
                if self._wanted is wanted:
                    self._wanted = None
                    changed, self.matters, self.progress = found is not self.matters, found, None
                    self._told(changed)
        finally:
            self._reading, self.progress = False, None

    async def close(self) -> None:
        """Stop reading, and let go of the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        opening, self._opening, self._wanted = self._opening, None, None
        if opening is not None:
            with suppress(FieldlineError):
                await (await opening).close()

    async def _opened(self) -> Workspace:
        if self._opening is None:
            workspace = self._workspace
            opening = Workspace.open(workspace.home.folder, user=workspace.user, clock=workspace.clock)
            self._opening = asyncio.create_task(opening)
        try:
            # Shielded: a store that was being opened when the reading was stopped would never be closed.
            return await asyncio.shield(self._opening)
        except FieldlineError:
            self._opening = None
            raise

    def _progress(self, done: int, total: int) -> None:
        before = self.progress
        self.progress = (done, total)
        if before is None or done * _STEPS // max(1, total) != before[0] * _STEPS // max(1, total):
            self._told(False)
