"""Export the entities of a kind as a table that `table_import` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.device import edit_check
from core.device.display_names import cell_text, entities_in_value, plain_value
from core.records import Record
from core.schema import Kind
from core.seen_column import SEEN_HEAD, Seen, format_seen, seen_cell
from core.store.entities import EntityName
from core.table_file import format_csv_line

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.store.types import OnProgress

_RECORDS_PER_STEP = 500


async def export_table(
    workspace: DeviceContext, kind_name: str, write: Callable[[str], object], *, as_json: bool, on_progress: OnProgress
) -> int:
    """See `Workspace.export_table`."""
    schema, view = await workspace.schema(), workspace.view()
    kind = edit_check.creatable_kind(schema, kind_name)
    found = await view.entities(kind.name, schema)
    write("[" if as_json else format_csv_line([*kind.properties, SEEN_HEAD]))
    for first in range(0, len(found), _RECORDS_PER_STEP):
        on_progress(first, len(found))
        some = found[first : first + _RECORDS_PER_STEP]
        records = await view.records_by_id(some, schema)
        targets = {
            target
            for record in records.values()
            for name in kind.properties
            for target in entities_in_value(record.value(name))
        }
        names = await view.names(targets, schema)
        for index, entity in enumerate(some, first):
            row = _json_row(kind, records[entity], names) if as_json else _csv_row(kind, records[entity], names)
            write((",\n " if index else "\n ") + row if as_json else row)
    if as_json:
        write("\n]\n")
    return len(found)


def _csv_row(kind: Kind, record: Record, names: dict[bytes, EntityName]) -> str:
    cells = {name: cell_text(prop, record.value(name), names) for name, prop in kind.properties.items()}
    return format_csv_line([*cells.values(), _seen_text(record, cells)])


def _json_row(kind: Kind, record: Record, names: dict[bytes, EntityName]) -> str:
    """What has a value, and all properties in what was seen: null would clear."""
    cells = {name: plain_value(record.value(name), names) for name in kind.properties}
    stated = {name: cell for name, cell in cells.items() if cell is not None}
    return json.dumps({**stated, SEEN_HEAD: _seen_text(record, cells)})


def _seen_text(record: Record, cells: dict[str, Any]) -> str:
    return format_seen(
        Seen(
            record.entity,
            {name: seen_cell(cell, (leaf.fact for leaf in record.slot(name).leaves)) for name, cell in cells.items()},
        )
    )
