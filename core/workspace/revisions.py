"""Parse times and changes that people name, and plan how to restore."""

from __future__ import annotations

from core.errors import FieldlineError, Refused
from core.records import Edit, make_edit
from core.revert import restore_record
from core.schema import RETIRED, Schema
from core.store.queries.log import LogEntry
from core.store.store import Store
from core.store.view import View
from core.timestamps import ChangePrefix, parse_timestamp
from core.values import quote_value

MAX_TREE_DEPTH = 6
"""Levels of the tree that are read: facts can state a circle."""


async def find_change(store: Store, text: str) -> bytes:
    """Find the change with this id in hex, or a unique prefix of 8 digits or more.

    Raises Refused.
    """
    if not 8 <= len(text) <= 64 or text.strip("0123456789abcdefABCDEF"):
        raise Refused("{text} is not a change: write at least 8 hex digits of its id.", text=quote_value(text))
    found = await store.find_changes(text)
    if not found:
        raise Refused("There is no change {text} here: `fieldline log` shows what there is.", text=text)
    if len(found) > 1:
        raise Refused("There are several changes {text}: write more digits.", text=text)
    return found[0]


async def find_log_entry(store: Store, change: bytes) -> LogEntry:
    """Read the log's entry of a change, with what was saved at once with it.

    Raises Refused if it is not here.
    """
    found = await store.log_entry(change)
    if found is None:
        raise Refused("There is no change {text} here: `fieldline log` shows what there is.", text=change.hex()[:8])
    return found


async def parse_view_time(store: Store, text: str, now: int, *, received: bool = False, is_first: bool = False) -> int:
    """Parse a time or a change; gives microseconds since 1970 UTC, raises Refused.

    Args:
        store: where a change is looked up.
        text: a time, a date, a time ago, or the start of a change's id.
        now: the present, in microseconds since 1970 UTC.
        received: whether a change stands for when it was received here, rather than for its effective time.
        is_first: whether a time without a fraction is the first microsecond of its second, rather than the last.
    """
    parsed = parse_timestamp(text, now, is_start=is_first)
    if not isinstance(parsed, ChangePrefix):
        return parsed
    change = await find_change(store, parsed.hex)
    if received:
        return (await find_log_entry(store, change)).received_at_us
    return await store.effective_time(change) or 0


async def plan_restore_subtree(store: Store, entity: bytes, at_us: int, schema: Schema) -> list[Edit]:
    """Plan the edits that restore an entity to a time (microseconds since 1970 UTC).

    Raises FieldlineError if it did not exist then.
    """
    then = await store.as_of(at_us).record(entity, schema)
    if not then.slots:
        raise FieldlineError("It was not there yet at that time: to remove it, retire it.")
    return restore_record(await store.now().record(entity, schema), then)


async def read_subtree(entity: bytes, view: View, schema: Schema, *, retired: bool = True) -> list[bytes]:
    """List the entity and all that is below it, the top first.

    `retired` ones too, or not.
    """
    found = [entity]
    frontier = [entity]
    for _ in range(MAX_TREE_DEPTH):
        frontier = [
            child
            for parent in frontier
            for child in await _child_entities(parent, view, schema, retired)
            if child not in found
        ]
        if not frontier:
            break
        found += frontier
    return found


async def _child_entities(entity: bytes, view: View, schema: Schema, retired: bool) -> list[bytes]:
    kind = (await view.record(entity, schema)).kind
    rows = []
    for child in schema.children(kind or ""):
        if child.parent:
            rows += await view.page(child.name, schema, parent=(child.parent, entity), retired=retired)
    return [row.entity for row in rows]


async def plan_restore_tree(store: Store, entity: bytes, at_us: int, schema: Schema) -> list[Edit]:
    """Plan the edits that restore an entity and all below it to a time.

    In microseconds since 1970 UTC.

    What has come below it since is retired; what has gone elsewhere since comes back. Raises FieldlineError if the
    entity did not exist then.
    """
    now, then = store.now(), store.as_of(at_us)
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
