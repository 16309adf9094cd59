"""What waits for a decision, read beside the screens: after a large import or another schema that takes a while."""

from __future__ import annotations

from collections.abc import Callable

from core.inbox import Matter
from core.schema import Schema
from core.store.view import View
from core.workspace import Workspace

_STEPS = 50
"""How often a long reading tells how far it is: each time costs a slow line some bytes."""


class Waiting:
    """Reads the inbox of whatever is looked at, once more if something was written meanwhile.

    `matters` are those of the last reading that came to its end; `told` is called when they are others, or when
    `progress` (entities read, and how many there are; None while nothing is read) is.
    """

    def __init__(self, workspace: Workspace, told: Callable[[bool], None]) -> None:
        self.matters: list[Matter] = []
        self.progress: tuple[int, int] | None = None
        self._workspace = workspace
        self._told = told
        self._wanted: tuple[View, Schema] | None = None
        self._reading = False

    def forget(self) -> None:
        """There is nothing to show: nobody looks at the inbox of this moment."""
        self._wanted, self.matters = None, []

    def want(self, view: View, schema: Schema) -> bool:
        """Wish this view to be read; whether `read` has to be started for that."""
        self._wanted = view, schema
        return not self._reading

    async def read(self) -> None:
        """Read until nothing is wished that was not read."""
        self._reading = True
        try:
            while wanted := self._wanted:
                found = await self._workspace.inbox(wanted[0], self._progress)
                if self._wanted is wanted:
                    self._wanted = None
                    changed, self.matters, self.progress = found != self.matters, found, None
                    if changed:
                        self._told(True)
        finally:
            self._reading, self.progress = False, None

    def _progress(self, done: int, total: int) -> None:
        before = self.progress
        self.progress = (done, total)
        if before is None or done * _STEPS // max(1, total) != before[0] * _STEPS // max(1, total):
            self._told(False)
