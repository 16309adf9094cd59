"""Bringing an entity back together with everything that is placed below it."""

from __future__ import annotations

from core.errors import FieldlineError
from core.history import restore
from core.records import Edit, edit
from core.schema import RETIRED, Schema
from core.store.store import Store
from core.store.view import View

MAX_DEPTH = 6
"""Levels of the tree; nothing keeps people from stating a circle."""


async def below(entity: bytes, view: View, schema: Schema) -> list[bytes]:
    """The entity and all that is placed below it, the top first; retired ones too."""
    found = [entity]
    wave = [entity]
    for _ in range(MAX_DEPTH):
        wave = [child for parent in wave for child in await _children(parent, view, schema) if child not in found]
        if not wave:
            break
        found += wave
    return found


async def _children(entity: bytes, view: View, schema: Schema) -> list[bytes]:
    kind = (await view.record(entity, schema)).kind
    rows = []
    for child in schema.children(kind or ""):
        if child.parent:
            rows += await view.page(child.name, schema, parent=(child.parent, entity), retired=True)
    return [row.entity for row in rows]


async def plan_restore(store: Store, entity: bytes, moment: int, schema: Schema) -> list[Edit]:
    """The edits that bring an entity and everything below it back to how it was at a moment (microseconds since 1970
    UTC), on top of the present.

    What was placed below it only since then is retired; what has been placed elsewhere since comes back. Raises
    FieldlineError if the entity was not there yet.
    """
    now, then = store.now(), store.as_of(moment)
    before = await below(entity, then, schema)
    if not (await then.record(entity, schema)).slots:
        raise FieldlineError("It was not there yet at that moment: to remove it, retire it.")
    edits: list[Edit] = []
    for each in before:
        edits += restore(await now.record(each, schema), await then.record(each, schema))
    for each in await below(entity, now, schema):
        if each in before:
            continue
        record, past = await now.record(each, schema), await then.record(each, schema)
        if past.slots:
            edits += restore(record, past)
        elif not record.retired:
            edits.append(edit(record, RETIRED, True))
    return edits
