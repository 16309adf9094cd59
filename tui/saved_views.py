"""Views of the fleet that a person saved under a name: filter and order.

Kept on this device; no fact is written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.parsers import parse_json

if TYPE_CHECKING:
    from core.store.store import Store

_META_KEY = "views {user}"
MAX_VIEWS = 50
"""Views of one person: more than anybody finds again."""
MAX_VIEW_NAME_CHARS = 40
_MAX_FILTER_CHARS = 500


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view under its name.

    The filter as it was typed, the property that lines are sorted by (empty: their names).
    """

    name: str
    filter_text: str = ""
    sorted_by: str = ""
    is_reverse: bool = False


async def read_views(store: Store, user: str) -> list[SavedView]:
    """The views of a user, by name; what cannot be understood is left out."""
    kept = await store.read_meta(_META_KEY.format(user=user))
    try:
        found = parse_json(bytes(kept)) if kept is not None else []
    except ValueError:
        return []
    views = [view for each in found if (view := _parse_view(each))] if isinstance(found, list) else []
    return sorted(views[:MAX_VIEWS], key=lambda view: view.name.casefold())


def _parse_view(each: object) -> SavedView | None:
    match each:
        case [str(name), str(filter_text), str(sorted_by), bool(is_reverse)]:
            if 0 < len(name) <= MAX_VIEW_NAME_CHARS and len(filter_text) <= _MAX_FILTER_CHARS:
                return SavedView(name, filter_text, sorted_by, is_reverse)
    return None


async def save_views(store: Store, user: str, views: Sequence[SavedView]) -> None:
    """Keep these views of a user, and no others."""
    rows = [[view.name, view.filter_text[:_MAX_FILTER_CHARS], view.sorted_by, view.is_reverse] for view in views]
    await store.write_meta(_META_KEY.format(user=user), json.dumps(rows[:MAX_VIEWS]).encode())
