"""Moments that people name, and turning back to them: an entity alone, or with everything that is placed below it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from core.changes import MAX_FACTS
from core.errors import FieldlineError, Refused
from core.history import Said, Undo, restore, undo
from core.moments import ChangePrefix, parse_time
from core.records import Edit, edit
from core.schema import RETIRED, Schema
from core.store.log import LogEntry, LogFilter
from core.store.store import Store
from core.store.view import View
from core.values import quoted

MAX_DEPTH = 6
"""Levels of the tree; nothing keeps people from stating a circle."""


async def change_of(store: Store, text: str) -> bytes:
    """The change with this id in hex, or a unique prefix of 8 digits or more; raises Refused."""
    if not 8 <= len(text) <= 64 or text.strip("0123456789abcdefABCDEF"):
        raise Refused("{text} is not a change: write at least 8 hex digits of its id.", text=quoted(text))
    found = await store.change(text)
    if not found:
        raise Refused("There is no change {text} here: `fieldline log` shows what there is.", text=text)
    if len(found) > 1:
        raise Refused("There are several changes {text}: write more digits.", text=text)
    return found[0]


async def entry_of(store: Store, change: bytes) -> LogEntry:
    """What the log says about a change that is here."""
    moment = await store.effective(change)
    if moment is not None:
        async for entry in _pages(store, LogFilter(since=moment, until=moment)):
            if entry.change == change:
                return entry
    raise Refused("There is no change {text} here: `fieldline log` shows what there is.", text=change.hex()[:8])


async def _pages(store: Store, wanted: LogFilter) -> AsyncIterator[LogEntry]:
    after = None
    while entries := await store.now().log(wanted, after=after, limit=500):
        for entry in entries:
            yield entry
        after = entries[-1].position


async def moment_of(store: Store, text: str, now: int, *, received: bool = False, first: bool = False) -> int:
    """The moment that people mean (microseconds since 1970 UTC); a change stands for when it counts, or was `received`.

    A time without a fraction covers its whole second: its last microsecond, or its `first`.
    """
    said = parse_time(text, now, start=first)
    if not isinstance(said, ChangePrefix):
        return said
    change = await change_of(store, said.hex)
    if received:
        return (await entry_of(store, change)).received_at
    moment = await store.effective(change)
    return 0 if moment is None else moment


async def plan_restore(store: Store, entity: bytes, moment: int, schema: Schema) -> list[Edit]:
    """The edits that bring an entity back to how it was at a moment; raises Refused if it was not there then."""
    then = await store.as_of(moment).record(entity, schema)
    if not then.slots:
        raise FieldlineError("It was not there yet at that moment: to remove it, retire it.")
    return restore(await store.now().record(entity, schema), then)


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


async def plan_restore_tree(store: Store, entity: bytes, moment: int, schema: Schema) -> list[Edit]:
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


async def plan_undo(store: Store, change: bytes, schema: Schema) -> Undo:
    """What taking a change back writes, and what it leaves alone."""
    shown = await store.now().edits(change, MAX_FACTS)
    records = {e: await store.now().record(e, schema) for e in {edit.entity for edit in shown}}
    return undo([Said(e.fact, e.entity, e.property, e.old, e.seen) for e in shown], records)
