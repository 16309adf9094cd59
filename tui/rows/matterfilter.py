"""Which matters of the inbox mention what somebody looks for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from core.inbox import Matter
from core.schema import Schema
from core.store.view import View
from core.workspace.past import below
from tui.language.i18n import language
from tui.rows.forms import Names
from tui.rows.matters import problem_of

_MOST_TOPS = 20
"""Entities with that title of which also what is below them is meant."""


async def sought(matters: Sequence[Matter], text: str, view: View, schema: Schema, devices: Names) -> list[Matter]:
    """Those matters in which each word is part of a label, a key, a value, what is the matter, or the name of who said
    it or on which device, or that are about something with the whole text in its title, or below that.
    """
    called = await _called(text, view, schema)
    # Thousands of matters take a while, and meanwhile somebody may press keys.
    return await asyncio.to_thread(_mentioning, matters, text.casefold().split(), called, schema, devices)


def _mentioning(
    matters: Sequence[Matter], words: Sequence[str], called: set[bytes], schema: Schema, devices: Names
) -> list[Matter]:
    found = []
    for matter in matters:
        told = "" if not called.isdisjoint(matter.entities) else _told(matter, schema, devices)
        if not told or all(word in told for word in words):
            found.append(matter)
    return found


async def _called(text: str, view: View, schema: Schema) -> set[bytes]:
    """What has the text in its title, and what is below that."""
    titles = {name for kind in schema.kinds.values() for name in (kind.key, kind.title)}
    found = {each.entity for each in await view.search(text, schema) if each.property in titles}
    for entity in list(found)[:_MOST_TOPS]:
        found.update(await below(entity, view, schema))
    return found


def _told(matter: Matter, schema: Schema, devices: Names) -> str:
    """The texts of a matter that are looked through."""
    kind = schema.kind(matter.kind)
    texts = [
        kind.property(matter.property).label(language()),
        matter.property,
        kind.label(language()),
        matter.key or "",
        problem_of(matter),
    ]
    for leaf in matter.candidates:
        texts += [leaf.user, devices.device(leaf.device), str(leaf.value), leaf.note or ""]
    return " ".join(texts).casefold()
