"""Accept inbox items as they are, and take that back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core import resolution
from core.errors import Refused
from core.inbox import InboxItem
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext

MIN_ID_DIGITS = 4
"""Digits of an id that name an item: nobody has thousands of them, and they are typed from a screen."""


async def accept_items(workspace: DeviceContext, items: Sequence[InboxItem], note: str | None) -> bytes | None:
    """Accept inbox items as they are, and give the change.

    Each is back when one of its values changes. Raises Refused for a conflict. None if there are none.
    """
    records = await workspace.view().records_by_id({item.entity for item in items}, await workspace.schema())
    return await workspace.save([resolution.accept_item(item, records[item.entity]) for item in items], note)


async def withdraw_acceptance(workspace: DeviceContext, items: Sequence[InboxItem], note: str | None) -> bytes | None:
    """Put accepted items back into the inbox; the change, None if none was."""
    ids = {entity for item in items for entity in item.entities}
    records = await workspace.view().records_by_id(ids, await workspace.schema())
    edits = [
        edit
        for item in items
        for edit in resolution.withdraw_acceptance(item, [records[entity] for entity in item.entities])
    ]
    return await workspace.save(edits, note)


def find_items(items: Iterable[InboxItem], ids: Sequence[str]) -> list[InboxItem]:
    """Find the items with these ids in hex, or unique prefixes of them.

    Raises Refused.
    """
    by_id = {item.id.hex(): item for item in items}
    found: dict[str, InboxItem] = {}
    for text in ids:
        prefix = text.lower()
        matches = [each for each in by_id if each.startswith(prefix)] if len(prefix) >= MIN_ID_DIGITS else []
        if len(matches) > 1:
            raise Refused("{id} could be any of {count} items: give more of its digits.", id=text, count=len(matches))
        if not matches:
            raise Refused(
                "There is no item {id}: `fieldline inbox` and `fieldline inbox --accepted` list them with their ids.",
                id=quote_value(text),
            )
        found[matches[0]] = by_id[matches[0]]
    return list(found.values())
