"""Taking over a table of things of one kind: each row makes one, or changes what is different of the one there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.device import input_validation
from core.errors import Refused
from core.records import Edit, Record, diff_edits
from core.schema import KIND, Kind, Property, Schema
from core.store.commit import ImportResult
from core.table_file import TableRow, read_table
from core.value_codec import ID_BYTES, Value
from core.values import is_same_value, quote_value
from core.workspace import edit

if TYPE_CHECKING:
    from core.device.context import DeviceContext, OnProgress

ParseCell = Callable[[Property, Any], Awaitable[Value]]
"""Reads what a cell says for a property; raises Refused."""


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
    rows = await asyncio.to_thread(_read_rows, path)
    schema = await workspace.schema()
    kind = edit.creatable_kind(schema, kind_name)
    there: dict[tuple[Value, ...], Record] = {}
    for record in await workspace.view().records(kind.name, schema):
        there.setdefault(tuple(record.value(name) for name in _key_properties(kind)), record)
    planned: list[list[Edit]] = []
    seen: set[tuple[Value, ...]] = set()
    for done, row in enumerate(rows):
        on_progress(done, len(rows))
        try:
            wanted = {
                name: await parse_cell(edit.editable_property(kind, name), said) for name, said in row.values.items()
            }
            named = _key_of_row(kind, wanted)
            if named in seen:
                raise Refused("there is another row about the same {kind}", kind=kind.name)
            seen.add(named)
            planned.append(await _edits_of_row(workspace, schema, kind, there.get(named), wanted))
        except Refused as problem:
            raise Refused("Row {row}: {why}", row=row.number, why=problem) from None
    edits = [edit for row in planned for edit in row]
    await workspace.save(edits, note)
    return ImportResult(int(bool(edits)), len(edits), sum(not row for row in planned))


def _read_rows(path: Path) -> list[TableRow]:
    try:
        return read_table(path.read_text(encoding="utf-8-sig"))
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
