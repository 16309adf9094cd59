"""Import a table of entities of one kind: each row creates one, or changes what is different of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.device import edit_check
from core.errors import Refused
from core.records import Edit, Record, diff_edits
from core.schema import KIND, Kind, Property
from core.store.commit import ImportResult
from core.table_file import TableRow, read_table
from core.value_codec import ID_BYTES, Value
from core.values import is_same_value, quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext, OnProgress

ParseCell = Callable[[Property, Any], Awaitable[Value]]
"""Parse a cell for a property; raises Refused."""


async def import_table(
    workspace: DeviceContext,
    path: Path,
    kind_name: str,
    parse_cell: ParseCell,
    note: str | None,
    on_progress: OnProgress,
) -> ImportResult:
    """See `Workspace.import_table`."""
    schema = await workspace.schema()
    kind = edit_check.creatable_kind(schema, kind_name)
    rows = await asyncio.to_thread(_read_rows, path, kind)
    there: dict[tuple[Value, ...], Record] = {}
    for record in await workspace.view().records(kind.name, schema):
        there.setdefault(tuple(record.value(name) for name in edit_check.key_properties(kind)), record)
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
            planned.append(_edits_of_row(workspace, kind, there.get(named), wanted))
        except Refused as problem:
            raise _row_refused(row, problem) from None
    await _check_rows(workspace, rows, planned)
    edits = [edit for row in planned for edit in row]
    await workspace.save(edits, note)
    return ImportResult(int(bool(edits)), len(edits), sum(not row for row in planned))


async def _parse_row(kind: Kind, row: TableRow, parse_cell: ParseCell) -> dict[str, Value]:
    """What a row says, by the names of the properties; a column may be headed by a label."""
    found: dict[str, Value] = {}
    for name, said in row.values.items():
        prop = edit_check.editable_property(kind, name)
        if prop.name in found:
            raise Refused("{property} is given twice: give it once.", property=prop.name)
        found[prop.name] = await parse_cell(prop, said)
    return found


def _read_rows(path: Path, kind: Kind) -> list[TableRow]:
    try:
        return read_table(path.read_text(encoding="utf-8-sig"), lambda name: edit_check.editable_property(kind, name))
    except UnicodeDecodeError:
        raise Refused("{path} is not UTF-8: save it as UTF-8.", path=quote_value(str(path))) from None


def _key_of_row(kind: Kind, wanted: Mapping[str, Value]) -> tuple[Value, ...]:
    named = tuple(wanted.get(name) for name in edit_check.key_properties(kind))
    if None in named:
        needed = ", ".join(edit_check.key_properties(kind))
        raise Refused("it has to say which {kind} it is about: {properties}", kind=kind.name, properties=needed)
    return named


def _edits_of_row(
    workspace: DeviceContext, kind: Kind, there: Record | None, wanted: Mapping[str, Value]
) -> list[Edit]:
    """The edits that make an entity what its row says; `there` is None if it is new."""
    if there is not None:
        # To state the pick of a conflict again would resolve it, which an import does not.
        wanted = {name: value for name, value in wanted.items() if not is_same_value(there.value(name), value)}
        return diff_edits(there, wanted)
    stated = {name: value for name, value in wanted.items() if value is not None}
    return diff_edits(Record(workspace.entropy(ID_BYTES)), {KIND: kind.name, **stated})


async def _check_rows(workspace: DeviceContext, rows: Sequence[TableRow], planned: Sequence[list[Edit]]) -> None:
    """Check all before anything is written; raises Refused with the number of the first row that is refused."""
    try:
        await workspace.check(edit for edits in planned for edit in edits)
    except Refused:
        for row, edits in zip(rows, planned, strict=True):
            try:
                await workspace.check(edits)
            except Refused as problem:
                raise _row_refused(row, problem) from None
        raise


def _row_refused(row: TableRow, problem: Refused) -> Refused:
    return Refused("Row {row}: {why}", row=row.number, why=problem)
