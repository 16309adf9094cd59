"""Taking over a table of things of one kind: each row makes one, or changes what is different of the one there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.changes import ID_SIZE, MAX_FACTS, Value
from core.errors import Refused
from core.records import Edit, Record, diff
from core.schema import KIND, Kind, Property, Schema
from core.store.writing import Imported
from core.tables import Row, read_table
from core.values import quoted, same
from core.workspace import checking, editing

if TYPE_CHECKING:
    from core.workspace.context import DeviceContext, Progress

ValueOf = Callable[[Property, Any], Awaitable[Value]]
"""Reads what a cell says for a property; raises Refused."""

MOST_BYTES = 32_000
"""About as much goes into one change, which holds 64 KiB at the most."""


async def take(
    workspace: DeviceContext, path: Path, kind_name: str, value_of: ValueOf, note: str | None, progress: Progress
) -> Imported:
    """See `Workspace.import_table`."""
    checking.note(note)
    rows = await asyncio.to_thread(_read, path)
    schema = await workspace.schema()
    kind = editing.kind_to_make(schema, kind_name)
    there: dict[tuple[Value, ...], Record] = {}
    for record in await workspace.view().records(kind.name, schema):
        there.setdefault(tuple(record.value(name) for name in _naming(kind)), record)
    planned: list[list[Edit]] = []
    seen: set[tuple[Value, ...]] = set()
    for done, row in enumerate(rows):
        progress(done, len(rows))
        try:
            wanted = {name: await value_of(editing.property_of(kind, name), said) for name, said in row.values.items()}
            named = _named(kind, wanted)
            if named in seen:
                raise Refused("there is another row about the same {kind}", kind=kind.name)
            seen.add(named)
            planned.append(await _edits(workspace, schema, kind, there.get(named), wanted))
        except Refused as problem:
            raise Refused("Row {row}: {why}", row=row.number, why=problem) from None
    changes = facts = 0
    for edits in _together([edits for edits in planned if edits]):
        await workspace.save(edits, note)
        changes, facts = changes + 1, facts + len(edits)
    return Imported(changes, facts, sum(not edits for edits in planned))


def _read(path: Path) -> list[Row]:
    try:
        return read_table(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("{path} is not UTF-8: save it as UTF-8.", path=quoted(str(path))) from None


def _naming(kind: Kind) -> list[str]:
    """The properties that say which thing of a kind is meant."""
    return [name for name in (kind.key, kind.within) if name]


def _named(kind: Kind, wanted: Mapping[str, Value]) -> tuple[Value, ...]:
    named = tuple(wanted.get(name) for name in _naming(kind))
    if None in named:
        needed = ", ".join(_naming(kind))
        raise Refused("it has to say which {kind} it is about: {properties}", kind=kind.name, properties=needed)
    return named


async def _edits(
    workspace: DeviceContext, schema: Schema, kind: Kind, there: Record | None, wanted: Mapping[str, Value]
) -> list[Edit]:
    """What is different of the thing that a row is about; `there` is None if it is new."""
    if there is not None:
        wanted = {name: value for name, value in wanted.items() if not same(there.value(name), value)}
        editing.check_wanted(there, wanted, kind)
        await editing.check_references(workspace.view(), kind, wanted, schema)
        return diff(there, wanted)
    wanted = {name: value for name, value in wanted.items() if value is not None}
    editing.check_new(kind, wanted)
    await editing.check_references(workspace.view(), kind, wanted, schema)
    return diff(Record(workspace.entropy(ID_SIZE)), {KIND: kind.name, **wanted})


def _together(planned: Sequence[Sequence[Edit]]) -> Iterator[list[Edit]]:
    """The edits of several rows as one change each, as many as fit; those of one row stay together."""
    now: list[Edit] = []
    size = 0
    for edits in planned:
        more = sum(100 + len(repr(edit.value).encode()) + 40 * len(edit.obsoletes) for edit in edits)
        if now and (len(now) + len(edits) > MAX_FACTS or size + more > MOST_BYTES):
            yield now
            now, size = [], 0
        now, size = [*now, *edits], size + more
    if now:
        yield now
