"""Taking over a table of things of one kind: each row makes one, or changes what is different of the one there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.changes import ID_BYTES, MAX_FACTS, Value
from core.device import input_validation
from core.errors import Refused
from core.records import Edit, Record, diff_edits
from core.schema import KIND, Kind, Property, Schema
from core.store.commit import ImportResult
from core.table_file import TableRow, read_table
from core.values import is_same_value, quote_value
from core.workspace import edit

if TYPE_CHECKING:
    from core.device.context import DeviceContext, OnProgress

ParseCell = Callable[[Property, Any], Awaitable[Value]]
"""Reads what a cell says for a property; raises Refused."""

MAX_CHANGE_BYTES = 32_000
"""About as much goes into one change, which holds 64 KiB at the most."""


async def import_table(
    workspace: DeviceContext,
    path: Path,
    kind_name: str,
    parse_cell: ParseCell,
    note: str | None,
    on_progress: OnProgress,
) -> ImportResult:
    """See `Workspace.import_table`."""
    input_validation.check_note(note)
    schema = await workspace.schema()
    kind = edit.creatable_kind(schema, kind_name)
    rows = await asyncio.to_thread(_read_rows, path, kind)
    there: dict[tuple[Value, ...], Record] = {}
    for record in await workspace.view().records(kind.name, schema):
        there.setdefault(tuple(record.value(name) for name in _key_properties(kind)), record)
    planned: list[list[Edit]] = []
    seen: set[tuple[Value, ...]] = set()
    for done, row in enumerate(rows):
        on_progress(done, len(rows))
        try:
            wanted = await _parse_row(kind, row, parse_cell)
            named = _key_of_row(kind, wanted)
            if named in seen:
                raise Refused("there is another row about the same {kind}", kind=kind.name)
            seen.add(named)
            planned.append(await _edits_of_row(workspace, schema, kind, there.get(named), wanted))
        except Refused as problem:
            raise Refused("Row {row}: {why}", row=row.number, why=problem) from None
    changes = facts = 0
    for edits in _batches([edits for edits in planned if edits]):
        await workspace.save(edits, note)
        changes, facts = changes + 1, facts + len(edits)
    return ImportResult(changes, facts, sum(not edits for edits in planned))


async def _parse_row(kind: Kind, row: TableRow, parse_cell: ParseCell) -> dict[str, Value]:
    """What a row says, by the names of the properties; a column may be headed by a label."""
    found: dict[str, Value] = {}
    for name, said in row.values.items():
        prop = edit.editable_property(kind, name)
        if prop.name in found:
            raise Refused("{property} is given twice: give it once.", property=prop.name)
        found[prop.name] = await parse_cell(prop, said)
    return found


def _read_rows(path: Path, kind: Kind) -> list[TableRow]:
    try:
        return read_table(path.read_text(encoding="utf-8-sig"), lambda name: edit.editable_property(kind, name))
    except UnicodeDecodeError:
        raise Refused("{path} is not UTF-8: save it as UTF-8.", path=quote_value(str(path))) from None


def _key_properties(kind: Kind) -> list[str]:
    """The properties that say which thing of a kind is meant."""
    return [name for name in (kind.key, kind.within) if name]


def _key_of_row(kind: Kind, wanted: Mapping[str, Value]) -> tuple[Value, ...]:
    named = tuple(wanted.get(name) for name in _key_properties(kind))
    if None in named:
        needed = ", ".join(_key_properties(kind))
        raise Refused("it has to say which {kind} it is about: {properties}", kind=kind.name, properties=needed)
    return named


async def _edits_of_row(
    workspace: DeviceContext, schema: Schema, kind: Kind, there: Record | None, wanted: Mapping[str, Value]
) -> list[Edit]:
    """What is different of the thing that a row is about; `there` is None if it is new."""
    if there is not None:
        wanted = {name: value for name, value in wanted.items() if not is_same_value(there.value(name), value)}
        edit.check_values(there, wanted, kind)
        await edit.check_references(workspace.view(), kind, wanted, schema)
        return diff_edits(there, wanted)
    wanted = {name: value for name, value in wanted.items() if value is not None}
    edit.check_new_entity(kind, wanted)
    await edit.check_references(workspace.view(), kind, wanted, schema)
    return diff_edits(Record(workspace.entropy(ID_BYTES)), {KIND: kind.name, **wanted})


def _batches(planned: Sequence[Sequence[Edit]]) -> Iterator[list[Edit]]:
    """The edits of several rows as one change each, as many as fit; those of one row stay together."""
    now: list[Edit] = []
    size = 0
    for edits in planned:
        more = sum(100 + len(repr(edit.value).encode()) + 40 * len(edit.obsoletes) for edit in edits)
        if now and (len(now) + len(edits) > MAX_FACTS or size + more > MAX_CHANGE_BYTES):
            yield now
            now, size = [], 0
        now, size = [*now, *edits], size + more
    if now:
        yield now
