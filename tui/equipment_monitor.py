"""Where this device is and what it has, for the screens.

Read beside them, so that they wait for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from tui.i18n.translate import error_text

if TYPE_CHECKING:
    from core.equipment.inspection import Inspection, Inspector
    from core.equipment.plan import PropertyState, Step
    from core.equipment.watch import Surrounding
    from core.workspace import Workspace


class EquipmentMonitor:
    """`inspection` is what was read last.

    None before the first time and while it cannot be read.
    """

    def __init__(
        self,
        workspace: Workspace,
        on_change: Callable[[bytes | None, bool], None],
        on_error: Callable[[str], None],
    ) -> None:
        """Watch nothing until `run`.

        Args:
            workspace: this device.
            on_change: takes the entity that this device is at, and whether something else was read than before.
            on_error: takes why nothing could be read or set, in a sentence.
        """
        self.inspection: Inspection | None = None
        self.inspected_at_us: int | None = None
        self.is_applying = False
        self._workspace = workspace
        self._on_change = on_change
        self._on_error = on_error
        self._inspector: Inspector | None = None
        self._surrounding: Surrounding | None = None

    @property
    def inspector(self) -> Inspector:
        """Reads this device; one for all screens."""
        if self._inspector is None:
            from core.equipment.inspection import Inspector

            self._inspector = Inspector(self._workspace)
        return self._inspector

    @property
    def differing_count(self) -> int:
        """How many properties of this place are not as the fleet says."""
        if self.inspection is None:
            return 0
        from core.equipment.plan import count_differing

        return count_differing(self.inspection.states)

    def states_at(self, entity: bytes) -> dict[str, PropertyState]:
        """Wanted against actual of a place's properties, by name, where comparable."""
        states = self.inspection.states if self.inspection is not None else []
        return {s.property: s for s in states if s.verdict != "unmanaged" and s.entity == entity}

    def poke(self) -> None:
        """Something was written: look again."""
        if self._surrounding is not None:
            self._surrounding.poke()

    async def run(self) -> None:
        """Look whenever this device is moved, and every so often, until cancelled."""
        from core.equipment.watch import Applied, Arrived, Failed, Inspected, Left, make_surrounding, watch

        with make_surrounding() as self._surrounding:
            async with aclosing(watch(self.inspector, self._surrounding)) as events:
                async for event in events:
                    if isinstance(event, Left):
                        self.inspection = None
                        self._on_change(None, False)
                    elif isinstance(event, Arrived):
                        self.inspection = None
                        self._on_change(event.location.place or event.location.locality, False)
                    elif isinstance(event, Inspected):
                        self.inspected_at_us = self._workspace.clock()
                        first, self.inspection = self.inspection is None, event.inspection
                        self._report(first or event.is_changed)
                    elif isinstance(event, Failed):
                        self.inspection = None
                        self._on_error(error_text(event.problem))
                    elif isinstance(event, Applied):
                        failed = [step.problem for step in event.steps if step.outcome == "failed" and step.problem]
                        if failed:
                            self._on_error(error_text(failed[0]))

    async def inspect(self) -> Inspection:
        """Read everything now. Raises FieldlineError."""
        self.inspection = await self.inspector.inspect()
        self.inspected_at_us = self._workspace.clock()
        return self.inspection

    async def apply(self, steps: list[Step], on_step: Callable[[Step], None]) -> list[Step]:
        """Carry out the steps that were shown; then everything is read again.

        Raises FieldlineError.
        """
        from core.equipment import apply as applying

        self.is_applying = True
        try:
            # To its end, whatever becomes of the screen: what was begun is not left half-way.
            ended = await asyncio.shield(applying.apply(self.inspector, steps, on_step))
        finally:
            self.is_applying = False
            self.poke()
        try:
            await self.inspect()
        except FieldlineError as error:
            self._on_error(error_text(error))
        self._report(True)
        return ended

    def _report(self, is_different: bool) -> None:
        if self.inspection is not None:
            found = self.inspection.location
            self._on_change(found.place or found.locality, is_different)
