"""Filter the items of the inbox by words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from core.inbox import InboxItem
from core.schema import Schema
from core.store.view import View
from core.workspace.revisions import read_subtree
from tui.i18n.translate import language
from tui.view_models.form import DisplayNames
from tui.view_models.inbox import problem_text

_MAX_TITLED_ENTITIES = 20
"""Entities with that title of which also what is below them is meant."""


async def filter_items(
    items: Sequence[InboxItem], text: str, view: View, schema: Schema, devices: DisplayNames
) -> list[InboxItem]:
    """Return the items that mention a text.

    Each of its words is part of a label, a key, a value, the problem, or the name of an author or device; or the item
    is about something with the whole text in its title, or below that.

    Args:
        items: the items to look through.
        text: the words.
        view: the present, or the time that is looked at.
        schema: the definitions of kinds and properties.
        devices: the names of devices.
    """
    called = await _find_titled(text, view, schema)
    # Thousands of items take a while, and meanwhile somebody may press keys.
    return await asyncio.to_thread(_matching, items, text.casefold().split(), called, schema, devices)


def _matching(
    items: Sequence[InboxItem], words: Sequence[str], called: set[bytes], schema: Schema, devices: DisplayNames
) -> list[InboxItem]:
    found = []
    for item in items:
        text = "" if not called.isdisjoint(item.entities) else _searchable_text(item, schema, devices)
        if not text or all(word in text for word in words):
            found.append(item)
    return found


async def _find_titled(text: str, view: View, schema: Schema) -> set[bytes]:
    """What has the text in its title, and what is below that."""
    titles = {name for kind in schema.kinds.values() for name in (kind.key, kind.title)}
    found = {each.entity for each in await view.search(text, schema) if each.property in titles}
    for entity in list(found)[:_MAX_TITLED_ENTITIES]:
        found.update(await read_subtree(entity, view, schema))
    return found


def _searchable_text(item: InboxItem, schema: Schema, devices: DisplayNames) -> str:
    """The texts of an item that are searched."""
    kind = schema.kind(item.kind)
    texts = [
        kind.property(item.property).label(language()),
        item.property,
        kind.label(language()),
        item.key or "",
        problem_text(item),
    ]
    for leaf in item.candidates:
        texts += [leaf.user, devices.device(leaf.device), str(leaf.value), leaf.note or ""]
    return " ".join(texts).casefold()
