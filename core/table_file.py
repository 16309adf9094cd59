"""Read and write a table of entities of one kind.

CSV (RFC 4180) with a head of property names, or a JSON list of objects.

An empty cell states nothing, and the cell `-` clears. In JSON a value is what a fact can hold, and null clears.
A cell of CSV that a spreadsheet would take for a formula has an apostrophe before it, which reading takes off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import Refused
from core.strict_json import parse_json
from core.values import quote_value

MAX_ROWS = 100_000
"""As many as a fleet has entities: all rows are in memory at once."""
_DELIMITERS = ",;\t"
_DELIMITER_LINE = re.compile(r"sep=([^\r\n\"])[ \t]*(?:\r\n|\r|\n|\Z)", re.IGNORECASE)
"""The line with which spreadsheets say what stands between cells."""
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
    lines = io.StringIO(text, newline="")
    first = _DELIMITER_LINE.match(text)
    if first:
        lines.seek(first.end())
    skipped_count = 1 if first else 0
    delimiter = first[1] if first else max(_DELIMITERS, key=text.split("\n", 1)[0].count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows = []
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(head, skipped_count + 1, check_column)
        for cells in reader:
            line = skipped_count + reader.line_num
            values = {name: _csv_value(cell) for name, cell in _stated_cells(head, cells, line)}
            if values:
                rows.append(TableRow(line, values))
            _check_count(rows)
    except csv.Error as error:
        raise Refused("Line {line} is not CSV: {why}.", line=skipped_count + reader.line_num, why=str(error)) from None
    return rows


def _stated_cells(head: list[str], cells: list[str], line: int) -> Iterator[tuple[str, str]]:
    """The cells of a line that are not empty, with their heads.

    Raises Refused for one without a head.
    """
    for number, cell in enumerate(map(str.strip, cells), 1):
        if not cell:
            continue
        if number > len(head):
            raise Refused("Line {line} has more cells than the head.", line=line)
        if not head[number - 1]:
            raise Refused(
                "Line {line}: {value} is in column {number}, which has no head: name its property in the first line.",
                line=line,
                value=quote_value(cell),
                number=number,
            )
        yield head[number - 1], cell


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


def _check_head(head: list[str], line: int, check_column: Callable[[str], object]) -> None:
    """Raise Refused for a head that does not say what the columns are.

    A column without a name has to be empty.
    """
    if not any(head):
        raise Refused("The first line has to name a property in each column.")
    for name in filter(None, head):
        if head.count(name) > 1:
            raise Refused("There are two columns {name}: leave one out.", name=quote_value(name))
        try:
            check_column(name)
        except Refused as problem:
            raise Refused("The head, line {line}: {why}", line=line, why=problem) from None


def _check_count(rows: list[TableRow]) -> None:
    if len(rows) > MAX_ROWS:
        raise Refused("The table has more than {limit} rows: split it.", limit=MAX_ROWS)
