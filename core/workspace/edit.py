"""Build the edits of one entity from what a person wants.

`DeviceContext.save` checks them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.device import edit_check
from core.errors import Refused
from core.records import Record
from core.schema import KIND
from core.value_codec import Value
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext, EditResult

MIN_FACT_PREFIX_DIGITS = 8


async def create_entity(
    workspace: DeviceContext, kind_name: str, values: Mapping[str, Value], note: str | None
) -> EditResult:
    """See `Workspace.create`."""
    kind = edit_check.creatable_kind(await workspace.schema(), kind_name)
    stated = {name: value for name, value in values.items() if value is not None}
    return await workspace.write(Record(await workspace.make_entity_id()), {KIND: kind.name, **stated}, note)


async def clear_values(workspace: DeviceContext, shown: Record, names: Sequence[str], note: str | None) -> EditResult:
    """See `Workspace.clear`."""
    kind = (await workspace.schema()).kind(shown.kind)
    meant = [
        name if name in shown.slots and name != KIND else edit_check.editable_property(kind, name).name
        for name in names
    ]
    return await workspace.write(shown, dict.fromkeys(meant), note)


async def resolve_with_candidate(
    workspace: DeviceContext, shown: Record, name: str, fact: str, note: str | None
) -> EditResult:
    """See `Workspace.resolve_with_candidate`."""
    found = [leaf for leaf in shown.slot(name).leaves if leaf.fact.hex().startswith(fact.lower())]
    if len(fact) < MIN_FACT_PREFIX_DIGITS or len(found) != 1:
        raise Refused(
            "{fact} is none of the candidates for {property}: `fieldline show` lists them.",
            fact=quote_value(fact),
            property=quote_value(name),
        )
    return await workspace.write(shown, {name: found[0].value}, note)
