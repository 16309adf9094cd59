"""Read and write a table of entities of one kind.

CSV (RFC 4180) with a head of property names, or a JSON list of objects.

An empty cell states nothing, and the cell `-` clears. In JSON a value is what a fact can hold, and null clears.
A cell of CSV that a spreadsheet would take for a formula has an apostrophe before it, which reading takes off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import Refused
from core.strict_json import parse_json
from core.values import quote_value

MAX_ROWS = 100_000
"""As many as a fleet has entities: all rows are in memory at once."""
_DELIMITERS = ",;\t"
UNSET_CELL = "-"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that spreadsheets run (CWE-1236), or that looks like such a cell escaped."""
_NUMBER = re.compile(r"-?[0-9]+([.,][0-9]+)?")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its line (CSV) or index from 1 (JSON), and `{property: value}`.

    The values are text from CSV, and plain JSON values from JSON; None clears.
    """

    number: int
    values: Mapping[str, Any]


def escape_cell(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula.

    A negative number is none.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unescape_cell(text: str) -> str:
    """Undo `escape_cell`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def format_csv_line(cells: Iterable[str]) -> str:
    """Format one line of CSV, with its end; what a spreadsheet would run is escaped."""
    line = io.StringIO()
    # What ends a line is quoted within a cell: of a shorter ending, not all of it would be.
    csv.writer(line, lineterminator="\r\n").writerow(map(escape_cell, cells))
    return line.getvalue().removesuffix("\r\n") + "\n"


def read_table(text: str, check_column: Callable[[str], object] = lambda name: None) -> list[TableRow]:
    """Read the rows of a table, JSON if it begins with `[`.

    Raises Refused with the row that is wrong.

    `check_column` raises Refused for a name in the head of a CSV table that means nothing.
    """
    rows = _parse_json(text) if text.lstrip()[:1] == "[" else _parse_csv(text, check_column)
    if not rows:
        raise Refused("The table is empty: it needs a head with the names of properties, and a row for each thing.")
    return rows


def _parse_csv(text: str, check_column: Callable[[str], object]) -> list[TableRow]:
    head_line = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=head_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(head, check_column)
        for cells in reader:
            if len(cells) > len(head) and any(cell.strip() for cell in cells[len(head) :]):
                raise Refused("Line {line} has more cells than the head.", line=reader.line_num)
            stated = zip(head, map(str.strip, cells), strict=False)
            values = {name: _csv_value(cell) for name, cell in stated if cell}
            if values:
                rows.append(TableRow(reader.line_num, values))
            _check_count(rows)
    except csv.Error as error:
        raise Refused("Line {line} is not CSV: {why}.", line=reader.line_num, why=str(error)) from None
    return rows


def _csv_value(cell: str) -> str | None:
    return None if cell == UNSET_CELL else unescape_cell(cell)


def _parse_json(text: str) -> list[TableRow]:
    try:
        content = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise Refused("The file is not JSON: {why}.", why=str(error) or "?") from None
    rows = []
    for number, each in enumerate(content, 1):
        if not isinstance(each, dict) or not each:
            raise Refused("Row {row} is not an object with the names of properties.", row=number)
        rows.append(TableRow(number, each))
        _check_count(rows)
    return rows


def _check_head(head: list[str], check_column: Callable[[str], object]) -> None:
    if not head or not all(head):
        raise Refused("The first line has to name a property in each column.")
    for name in head:
        if head.count(name) > 1:
            raise Refused("There are two columns {name}: leave one out.", name=quote_value(name))
        try:
            check_column(name)
        except Refused as problem:
            raise Refused("The head, line 1: {why}", why=problem) from None


def _check_count(rows: list[TableRow]) -> None:
    if len(rows) > MAX_ROWS:
        raise Refused("The table has more than {limit} rows: split it.", limit=MAX_ROWS)
