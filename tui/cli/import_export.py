"""Verbs about files, and about the state of the store: export, import, verify."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import Refused
from core.schema import Property
from core.value_codec import Value
from core.workspace import Workspace
from core.workspace.chain_report import fault_json, fault_message
from core.workspace.diagnostics import MAX_CHAIN_FAULTS
from tui.cli.context import CliContext
from tui.cli.help import argument, option, verb
from tui.cli.parsing import parse_json_value, parse_text_value
from tui.cli.progress import show_progress
from tui.i18n.translate import N_, _, error_text, ngettext

if TYPE_CHECKING:
    from core.store.commit import ImportResult

FILE_TYPE = click.Path(path_type=Path)


@verb(
    N_(
        "Import an edit history in JSON lines, a bundle, or with --kind a table (CSV or JSON) of "
        "things of one kind; `-` reads it from stdin. What is here already is passed over."
    ),
    "import",
)
@argument("file", type=FILE_TYPE)
@option("--kind", metavar="KIND", help=N_("The file is a table of these: a column for each property, with a head."))
@option("--dry-run", is_flag=True, help=N_("Write nothing, only say what would be imported."))
@option("--note", metavar="TEXT", help=N_("Why; only for a table."))
async def import_(context: CliContext, file: Path, kind: str | None, dry_run: bool, note: str | None) -> None:
    from core.workspace.dry_run import open_copy

    if note is not None and kind is None:
        raise Refused("A note can only be given with --kind: in a history, each change has its own.")
    with _readable_file(file) as path:
        async with await context.open_workspace() as workspace:
            if dry_run:
                async with open_copy(workspace) as other:
                    done = await _import_file(other, path, kind, note)
            else:
                done = await _import_file(workspace, path, kind, note)
    data = {"changes": done.change_count, "facts": done.fact_count, "skipped": done.skipped_count}
    if done.refused_count:
        data["refused"] = done.refused_count
    if context.json:
        context.print_json(data)
        return
    changes = ngettext("{count} change", "{count} changes", done.change_count)
    facts = ngettext("{count} value", "{count} values", done.fact_count)
    if dry_run:
        context.print_message(
            _("{changes} with {facts} would be imported; nothing was written.").format(changes=changes, facts=facts)
        )
    else:
        context.print_message(_("{changes} with {facts} imported.").format(changes=changes, facts=facts))
    if done.refused_count:
        context.print_message(
            ngettext(
                "{count} change was refused: nobody ever admitted its device.",
                "{count} changes were refused: nobody ever admitted their devices.",
                done.refused_count,
            )
        )
    if done.skipped_count:
        context.print_message(ngettext("{count} was here already.", "{count} were here already.", done.skipped_count))


@contextmanager
def _readable_file(path: Path) -> Iterator[Path]:
    """The file to read: what comes on stdin, put into a file of its own, where the call names `-`."""
    if str(path) != "-":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="fieldline-") as folder:
        spooled = Path(folder) / "stdin"
        with spooled.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield spooled


async def _import_file(workspace: Workspace, file: Path, kind: str | None, note: str | None) -> ImportResult:
    if kind is None:
        with show_progress(N_("{done} of {total} changes")) as on_progress:
            return await workspace.import_file(file, on_progress)

    known: dict[tuple[str, str], Value] = {}

    async def value_of(prop: Property, given: object) -> Value:
        key = prop.name, json.dumps(given)
        if key not in known:
            if isinstance(given, str):
                known[key] = await parse_text_value(workspace, prop, given)
            else:
                known[key] = await parse_json_value(workspace, prop, key[1])
        return known[key]

    with show_progress(N_("{done} of {total} rows")) as on_progress:
        return await workspace.import_table(file, kind, value_of, note, on_progress)


@verb(N_("Write all changes into a bundle, for a device that cannot be reached."))
@argument("file", type=FILE_TYPE)
async def export(context: CliContext, file: Path) -> None:
    async with await context.open_workspace() as workspace:
        with show_progress(N_("{done} of {total} changes")) as on_progress:
            done = await workspace.export_file(file, on_progress)
    if context.json:
        context.print_json({"changes": done.change_count, "facts": done.fact_count, "skipped": done.skipped_count})
    else:
        changes = ngettext("{count} change", "{count} changes", done.change_count)
        context.print_message(_("{changes} written to {path}.").format(changes=changes, path=file))


@verb(N_("Copy the store into one file, as it is now, while it is in use. This device's key is not in it."))
@argument("file", type=FILE_TYPE)
async def backup(context: CliContext, file: Path) -> None:
    async with await context.open_workspace() as workspace:
        with show_progress(N_("{done} of {total} pages")) as on_progress:
            count = await workspace.backup(file, on_progress)
    if context.json:
        context.print_json({"file": str(file), "changes": count})
    else:
        changes = ngettext("{count} change", "{count} changes", count)
        context.print_message(_("{changes} copied to {path}.").format(changes=changes, path=file))


@verb(N_("Check every change, its signature, and everything that is derived from the changes."))
@option("--repair", is_flag=True, help=N_("Rebuild what is derived and wrong."))
async def verify(context: CliContext, repair: bool) -> int:
    async with await context.open_workspace() as workspace:
        with show_progress(N_("{done} of {total} changes")) as on_progress:
            found = await workspace.verify(repair=repair, on_progress=on_progress)
        faults, membership = await workspace.store.chain_faults(), await workspace.membership()
    if context.json:
        data = {"changes": found.checked_count, "problems": list(found.problems)}
        context.print_json(data | ({"chains": [fault_json(fault) for fault in faults]} if faults else {}))
    else:
        checked = ngettext("{count} change checked", "{count} changes checked", found.checked_count)
        context.print_message(checked + ("." if found.problems else _(", everything is as it should be.")))
        for problem in found.problems:
            context.print_line(problem)
        # Of a fork the store is not to blame, and repair mends nothing.
        for fault in faults[:MAX_CHAIN_FAULTS]:
            context.print_line(error_text(fault_message(fault, membership)))
    if found.problems and not context.json:
        context.print_message(
            _("Repaired what can be.")
            if repair
            else _("There are problems: `fieldline verify --repair` mends what can be.")
        )
    return 1 if found.problems else 0
