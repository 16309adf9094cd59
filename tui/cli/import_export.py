"""Verbs about files, and about the state of the store: export, import, verify."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from core.errors import Refused
from tui.cli.context import CliContext
from tui.cli.help import argument, option, verb
from tui.cli.progress import show_progress
from tui.cli.tables import TableImport, export_table, import_table, parse_map, readable_file
from tui.i18n.translate import N_, _, ngettext

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
@option(
    "--map",
    "mapped",
    multiple=True,
    metavar="HEAD=PROPERTY",
    help=N_("The property of a column that is headed otherwise; HEAD= leaves the column out. May be given again."),
)
@option("--dry-run", is_flag=True, help=N_("Write nothing, only say what would be imported."))
@option("--note", metavar="TEXT", help=N_("Why; only for a table."))
async def import_(
    context: CliContext, file: Path, kind: str | None, mapped: tuple[str, ...], dry_run: bool, note: str | None
) -> None:
    if kind is None and note is not None:
        raise Refused("A note can only be given with --kind: in a history, each change has its own.")
    if kind is None and mapped:
        raise Refused("--map is about the columns of a table: name its --kind, too.")
    with readable_file(file) as path:
        if kind is None:
            await _import_changes(context, path, dry_run)
        else:
            await import_table(context, path, TableImport(kind, parse_map(mapped), dry_run, note))


async def _import_changes(context: CliContext, path: Path, dry_run: bool) -> None:
    from core.workspace.dry_run import open_copy

    async with await context.open_workspace() as workspace:
        rehearsal = open_copy(workspace) if dry_run else nullcontext(workspace)
        with show_progress(N_("{done} of {total} changes")) as on_progress:
            async with rehearsal as target:
                done = await target.import_file(path, on_progress)
    data = {"changes": done.change_count, "facts": done.fact_count, "skipped": done.skipped_count}
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
    if done.skipped_count:
        context.print_message(ngettext("{count} was here already.", "{count} were here already.", done.skipped_count))


@verb(
    N_(
        "Write all changes into a bundle, for a device that cannot be reached, or with --kind all things of one kind "
        "into a table (CSV or JSON), which `import` reads again, edited or not; `-` writes that to stdout."
    )
)
@argument("file", type=FILE_TYPE)
@option("--kind", metavar="KIND", help=N_("Write a table of these, with a column for each property."))
@option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    help=N_("The form of a table, if the name of the file does not end in .csv or .json."),
)
async def export(context: CliContext, file: Path, kind: str | None, form: str | None) -> None:
    if kind is not None:
        await export_table(context, file, kind, form)
        return
    if form is not None:
        raise Refused("--format is about a table: name its --kind, too.")
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
    if context.json:
        context.print_json({"changes": found.checked_count, "problems": list(found.problems)})
    else:
        checked = ngettext("{count} change checked", "{count} changes checked", found.checked_count)
        context.print_message(checked + ("." if found.problems else _(", everything is as it should be.")))
        for problem in found.problems:
            context.print_line(problem)
    if found.problems and not context.json:
        context.print_message(
            _("Repaired what can be.")
            if repair
            else _("There are problems: `fieldline verify --repair` mends what can be.")
        )
    return 1 if found.problems else 0
