"""Tables of one kind for `import --kind` and `export --kind`."""

from __future__ import annotations

import codecs
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core import temporary_files
from core.errors import FieldlineError, Refused
from core.schema import Property
from core.value_codec import Value
from core.values import printable, quote_value
from core.workspace import Workspace
from tui.cli.context import CliContext
from tui.cli.edit import resolved_text
from tui.cli.formatting import Formatter
from tui.cli.parsing import parse_json_value, parse_text_value
from tui.cli.progress import show_progress
from tui.i18n.translate import N_, _, format_number, language, ngettext

if TYPE_CHECKING:
    from core.workspace.table_import import RowPlan, TablePlan

STANDARD_STREAM = "-"
MAX_DIFFERENCES_SHOWN = 10
_FILE_MODE = 0o666  # less what the umask takes
"""Without it spreadsheets take the UTF-8 of a file for something else, and spoil every umlaut."""


@dataclass(frozen=True, slots=True)
class TableImport:
    """How a table is imported.

    Its kind, properties for heads, and whether and with which note it is written.
    """

    kind: str
    mapped: Mapping[str, str]
    dry_run: bool
    note: str | None


@contextmanager
def readable_file(path: Path) -> Iterator[Path]:
    """The file to read: stdin, in a file of its own, where the call names `-`.

    An error names standard input and not that file, of which nobody knows.
    """
    if str(path) != STANDARD_STREAM:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="fieldline-") as folder:
        spooled = Path(folder) / "stdin"
        with spooled.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            yield spooled
        except FieldlineError as error:
            names = (str(spooled), quote_value(str(spooled)))
            error.params = {
                name: FieldlineError("(standard input)") if value in names else value
                for name, value in error.params.items()
            }
            raise


def parse_map(given: Sequence[str]) -> dict[str, str]:
    """The properties by head of `--map HEAD=PROPERTY`; raises Refused."""
    found = {}
    for text in given:
        head, equals, name = text.rpartition("=")
        if not equals or not head.strip():
            raise Refused("{text} is not a head with a property: write HEAD=PROPERTY.", text=quote_value(text))
        found[head.strip()] = name.strip()
    return found


async def import_table(context: CliContext, path: Path, wanted: TableImport) -> None:
    """Import a table, and print what was different."""
    async with await context.open_workspace(dry_run=wanted.dry_run) as workspace:
        with show_progress(N_("{done} of {total} rows")) as on_progress:
            plan = await workspace.plan_table(path, wanted.kind, _cell_parser(workspace), wanted.mapped, on_progress)
        differing = [row for row in plan.rows if row.outcome != "same"]
        formatter = await Formatter.create(workspace)
        await formatter.load_names(
            (row.shown.entity for row in differing),
            [
                value
                for row in differing
                for edit in row.edits
                for value in (edit.value, row.shown.value(edit.property))
            ],
        )
        change = await workspace.save(plan.edits, wanted.note)
    if context.json:
        context.print_json(_plan_json(plan, formatter, change, wanted.dry_run))
        return
    _print_differences(context, differing, formatter, wanted.kind)
    counts = plan.counts()
    summary = _("{new} new, {changed} changed, {same} same, {conflicts} in conflict").format(
        new=format_number(counts["new"]),
        changed=format_number(counts["changed"]),
        same=format_number(counts["same"]),
        conflicts=format_number(counts["conflict"]),
    )
    if plan.resolved_count and not wanted.dry_run:
        context.print_message(resolved_text(plan.resolved_count))
    if wanted.dry_run:
        context.print_message(_("{summary}; nothing was written.").format(summary=summary))
    elif change is None:
        context.print_message(_("{summary}: nothing was written.").format(summary=summary))
    else:
        facts = ngettext("{count} value", "{count} values", len(plan.edits))
        template = _("{summary}: {facts} saved as change {change}.")
        context.print_message(template.format(summary=summary, facts=facts, change=change.hex()[:8]))


def _cell_parser(workspace: Workspace) -> Callable[[Property, Any], Any]:
    """A parser of cells that does not look the same one up twice."""
    known: dict[tuple[str, str], Value] = {}

    async def parse(prop: Property, cell: Any) -> Value:
        key = prop.name, json.dumps(cell)
        if key not in known:
            if isinstance(cell, str):
                known[key] = await parse_text_value(workspace, prop, cell)
            else:
                known[key] = await parse_json_value(workspace, prop, key[1])
        return known[key]

    return parse


def _plan_json(plan: TablePlan, formatter: Formatter, change: bytes | None, dry_run: bool) -> dict[str, Any]:
    counts = plan.counts()
    found: dict[str, Any] = {
        "changes": int(bool(plan.edits)),
        "facts": len(plan.edits),
        "skipped": counts["same"],
        "new": counts["new"],
        "changed": counts["changed"],
        "same": counts["same"],
        "conflicts": counts["conflict"],
        "resolved": plan.resolved_count,
    }
    if not dry_run:
        return {**found, "change": change.hex() if change else None}
    listed = [
        {
            "row": row.number,
            "outcome": row.outcome,
            **formatter.kind_json(row.shown.entity),
            "property": edit.property,
            "old": formatter.value_json(row.shown.value(edit.property)),
            "new": formatter.value_json(edit.value),
        }
        for row in plan.rows
        for edit in row.edits
    ]
    return {**found, "plan": listed}


def _print_differences(context: CliContext, rows: Sequence[RowPlan], formatter: Formatter, kind_name: str) -> None:
    """The first rows that differ: one line for what is new, else one for each value."""
    lines = []
    for row in rows:
        number = _("Row {row}").format(row=row.number)
        kind = formatter.schema.kind(row.shown.kind or kind_name)
        if row.outcome == "new":
            key = next((edit.value for edit in row.edits if edit.property == kind.key), None)
            lines.append([number, f"{kind.label(language())} {key}", _("new"), ""])
            continue
        for edit in row.edits:
            prop = kind.property(edit.property)
            old = formatter.slot_text(prop, row.shown.slot(edit.property))
            new = formatter.value_text(prop, edit.value)
            arrow = "≠" if edit.property in row.contested else "→"
            lines.append(
                [number, formatter.entity_text(row.shown.entity), prop.label(language()), f"{old} {arrow} {new}"]
            )
    if lines:
        context.print_table(lines[:MAX_DIFFERENCES_SHOWN], shrinkable=(3, 1))
    if len(lines) > MAX_DIFFERENCES_SHOWN:
        context.print_message(
            ngettext("… and {count} line more.", "… and {count} lines more.", len(lines) - MAX_DIFFERENCES_SHOWN)
        )


async def export_table(context: CliContext, path: Path, kind: str, form: str | None) -> None:
    """Write a table into a file, whole or not at all, or to stdout."""
    to_stdout = str(path) == STANDARD_STREAM
    form = form or {".csv": "csv", ".json": "json"}.get(path.suffix.lower()) or ("csv" if to_stdout else None)
    if form is None:
        raise Refused("The name of a table ends in .csv or .json, or --format says which it is.")
    if to_stdout and context.json:
        raise Refused("Both the table and --json go to stdout: name a file, or leave --json out.")
    async with await context.open_workspace() as workspace:
        if to_stdout:
            await workspace.export_table(kind, _write_to_stdout, as_json=form == "json")
            return
        rows = await _write_table(workspace, path, kind, form)
    if context.json:
        context.print_json({"rows": rows})
    else:
        count = ngettext("{count} row", "{count} rows", rows)
        context.print_message(_("{rows} written to {path}.").format(rows=count, path=path))


def _write_to_stdout(text: str) -> None:
    """Write a piece of a table; on a terminal nothing in it can act on that."""
    if sys.stdout.isatty():
        text = "\n".join(map(printable, text.split("\n")))
    click.echo(text, nl=False)


async def _write_table(workspace: Workspace, path: Path, kind: str, form: str) -> int:
    try:
        with (
            temporary_files.open_replacement(path, _FILE_MODE) as file,
            show_progress(N_("{done} of {total} rows")) as shown,
        ):
            if form == "csv":
                file.write(codecs.BOM_UTF8)
            return await workspace.export_table(
                kind, lambda text: file.write(text.encode()), as_json=form == "json", on_progress=shown
            )
    except OSError as error:
        why = error.strerror or str(error)
        raise FieldlineError("{path} could not be written: {why}.", path=str(path), why=why) from None
