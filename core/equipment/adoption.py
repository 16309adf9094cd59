"""Taking over what this device has, as edits of the place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.equipment.apply import require_place
from core.equipment.inspection import Inspection, Inspector, Subject
from core.errors import FieldlineError, Refused
from core.records import diff_edits
from core.slots import Slot
from core.value_codec import Value
from core.values import is_same_value, quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext


@dataclass(frozen=True, slots=True)
class Adoption:
    """One property that is taken over: the slot that was shown, and the new value."""

    subject: Subject
    new: Value

    @property
    def name(self) -> str:
        """The property's name."""
        return self.subject.prop.name

    @property
    def slot(self) -> Slot:
        """What was shown of it."""
        return self.subject.record.slot(self.name)


async def plan_adoption(context: DeviceContext, inspection: Inspection, names: Sequence[str] = ()) -> list[Adoption]:
    """What is different on this device, of these properties or all that can be read.

    Only a property that is named resolves a conflict. Raises Refused for one that there is not, FieldlineError for one
    that cannot be read.
    """
    require_place(inspection)
    found: list[Adoption] = []
    for state in inspection.states:
        if state.property not in (names or inspection.subjects):
            continue
        if names and (state.verdict in ("error", "unmanaged", "unknown") or state.actual is None):
            raise state.problem or FieldlineError(
                "This device has nothing to adopt for {property}.", property=state.property
            )
        subject = inspection.subjects.get(state.property)
        if subject is None or state.actual is None or not (names or state.verdict == "differs") or state.is_set:
            continue
        new = await _parse(context, subject, state.actual)
        if not is_same_value(subject.record.value(state.property), new) or (names and state.is_provisional):
            found.append(Adoption(subject, new))
    for name in names:
        if name not in inspection.subjects:
            raise Refused(
                "There is no property {property} at this place; there are {properties}.",
                property=quote_value(name),
                properties=", ".join(inspection.subjects) or "-",
            )
    return found


async def _parse(context: DeviceContext, subject: Subject, text: str) -> Value:
    prop = subject.prop
    if prop.type != "reference":
        return prop.parse(text)
    from core.value_codec import Ref

    wanted = text if ":" in text else f"{prop.refers_to}:{text}"
    return Ref(await context.view().find(wanted, await context.schema()))


async def adopt(inspector: Inspector, names: Sequence[str], note: str | None) -> tuple[bytes | None, list[Adoption]]:
    """Save what is different on this device as one change; no change if nothing is.

    Raises FieldlineError.
    """
    context = inspector.context
    adoptions = await plan_adoption(context, await inspector.inspect(), names)
    edits = []
    for each in adoptions:
        edits += diff_edits(each.subject.record, {each.name: each.new})
    return await context.save(edits, note), adoptions
