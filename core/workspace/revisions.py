"""Moments that people name, and turning back to them: an entity alone, or with everything that is placed below it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from core.changes import MAX_FACTS
from core.errors import FieldlineError, Refused
from core.records import Edit, make_edit
from core.revert import AppliedFact, RevertPlan, restore_record, revert_facts
from core.schema import RETIRED, Schema
from core.store.queries.log import LogEntry, LogFilter
from core.store.store import Store
from core.store.view import View
from core.timestamps import ChangePrefix, parse_timestamp
from core.values import quote_value

MAX_TREE_DEPTH = 6
"""Levels of the tree; nothing keeps people from stating a circle."""


async def find_change(store: Store, text: str) -> bytes:
    """The change with this id in hex, or a unique prefix of 8 digits or more; raises Refused."""
    if not 8 <= len(text) <= 64 or text.strip("0123456789abcdefABCDEF"):
        raise Refused("{text} is not a change: write at least 8 hex digits of its id.", text=quote_value(text))
    found = await store.find_changes(text)
    if not found:
        raise Refused("There is no change {text} here: `fieldline log` shows what there is.", text=text)
    if len(found) > 1:
        raise Refused("There are several changes {text}: write more digits.", text=text)
    return found[0]


async def find_log_entry(store: Store, change: bytes) -> LogEntry:
    """What the log says about a change that is here."""
    moment = await store.effective_time(change)
    if moment is not None:
        async for entry in _log_entries(store, LogFilter(since_us=moment, until_us=moment)):
            if entry.change == change:
                return entry
    raise Refused("There is no change {text} here: `fieldline log` shows what there is.", text=change.hex()[:8])


async def _log_entries(store: Store, wanted: LogFilter) -> AsyncIterator[LogEntry]:
    after = None
    while entries := await store.now().log(wanted, cursor=after, limit=500):
        for entry in entries:
            yield entry
        after = entries[-1].cursor


async def parse_view_time(store: Store, text: str, now: int, *, received: bool = False, is_first: bool = False) -> int:
    """The moment that people mean (microseconds since 1970 UTC); a change stands for when it counts, or was `received`.

    A time without a fraction covers its whole second: its last microsecond, or its `first`.
    """
    said = parse_timestamp(text, now, is_start=is_first)
    if not isinstance(said, ChangePrefix):
        return said
    change = await find_change(store, said.hex)
    if received:
        return (await find_log_entry(store, change)).received_at_us
    moment = await store.effective_time(change)
    return 0 if moment is None else moment


async def plan_restore_subtree(store: Store, entity: bytes, at_us: int, schema: Schema) -> list[Edit]:
    """The edits that bring an entity back to how it was at a moment; raises Refused if it was not there then."""
    then = await store.as_of(at_us).record(entity, schema)
    if not then.slots:
        raise FieldlineError("It was not there yet at that time: to remove it, retire it.")
    return restore_record(await store.now().record(entity, schema), then)


async def read_subtree(entity: bytes, view: View, schema: Schema, *, retired: bool = True) -> list[bytes]:
    """The entity and all that is placed below it, the top first; `retired` ones too, or not."""
    found = [entity]
    wave = [entity]
    for _ in range(MAX_TREE_DEPTH):
        wave = [
            child
            for parent in wave
            for child in await _child_entities(parent, view, schema, retired)
            if child not in found
        ]
        if not wave:
            break
        found += wave
    return found


async def _child_entities(entity: bytes, view: View, schema: Schema, retired: bool) -> list[bytes]:
    kind = (await view.record(entity, schema)).kind
    rows = []
    for child in schema.children(kind or ""):
        if child.parent:
            rows += await view.page(child.name, schema, parent=(child.parent, entity), retired=retired)
    return [row.entity for row in rows]


async def plan_restore_tree(store: Store, entity: bytes, moment: int, schema: Schema) -> list[Edit]:
    """The edits that bring an entity and everything below it back to how it was at a moment (microseconds since 1970
    UTC), on top of the present.

    What was placed below it only since then is retired; what has been placed elsewhere since comes back. Raises
    FieldlineError if the entity was not there yet.
    """
    now, then = store.now(), store.as_of(moment)
    before = await read_subtree(entity, then, schema)
    if not (await then.record(entity, schema)).slots:
        raise FieldlineError("It was not there yet at that time: to remove it, retire it.")
    edits: list[Edit] = []
    for each in before:
        edits += restore_record(await now.record(each, schema), await then.record(each, schema))
    for each in await read_subtree(entity, now, schema):
        if each in before:
            continue
        record, past = await now.record(each, schema), await then.record(each, schema)
        if past.slots:
            edits += restore_record(record, past)
        elif not record.retired:
            edits.append(make_edit(record, RETIRED, True))
    return edits


async def plan_revert(store: Store, change: bytes, schema: Schema) -> RevertPlan:
    """What taking a change back writes, and what it leaves alone."""
    shown = await store.now().fact_diffs(change, MAX_FACTS)
    records = {e: await store.now().record(e, schema) for e in {edit.entity for edit in shown}}
    return revert_facts([AppliedFact(e.fact, e.entity, e.property, e.old, e.had_value) for e in shown], records)
