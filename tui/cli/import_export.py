"""Verbs about files, and about the state of the store: export, import, verify."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import Refused
from core.store.store_file import fill_pages_after
from core.workspace import Workspace
from tui.cli.context import CliContext
from tui.cli.help import argument, option, verb
from tui.cli.progress import show_progress
from tui.cli.tables import TableImport, export_table, import_table, parse_map, readable_file
from tui.i18n.translate import N_, _, error_text, ngettext

if TYPE_CHECKING:
    from core.membership import Membership
    from core.store.queries.chain_faults import ChainFault
    from core.store.types import OnProgress, Verification

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
        if done.change_count and not dry_run:
            # Here, where it is seen how far it is, and not in whatever is asked next.
            with show_progress(N_("{done} of {total} read")) as on_progress:
                await workspace.lazy_inbox(on_progress=on_progress)
            await workspace.store.run(partial(fill_pages_after, added=done.change_count))
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
                "{count} change was refused: `fieldline doctor` says why.",
                "{count} changes were refused: `fieldline doctor` says why.",
                done.refused_count,
            )
        )
    if done.skipped_count:
        context.print_message(ngettext("{count} was here already.", "{count} were here already.", done.skipped_count))


@verb(
    N_(
        "Write all changes into a bundle, which devices of the fleet can read, or with --kind all things of one kind "
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
@option("--plain", is_flag=True, help=N_("Do not seal the bundle: whoever holds it can read it."))
async def export(context: CliContext, file: Path, kind: str | None, form: str | None, plain: bool) -> None:
    if kind is not None and plain:
        raise Refused("--plain is about a bundle: a table is never sealed.")
    if kind is not None:
        await export_table(context, file, kind, form)
        return
    if form is not None:
        raise Refused("--format is about a table: name its --kind, too.")
    async with await context.open_workspace() as workspace:
        with show_progress(N_("{done} of {total} changes")) as on_progress:
            done = await workspace.export_file(file, on_progress, plain=plain)
    if context.json:
        context.print_json({"changes": done.change_count, "facts": done.fact_count, "skipped": done.skipped_count})
    else:
        changes = ngettext("{count} change", "{count} changes", done.change_count)
        context.print_message(_("{changes} written to {path}.").format(changes=changes, path=file))
    if done.skipped_count:
        from tui.view_models.peers import left_out_text

        context.print_message(left_out_text(done.skipped_count))


@verb(
    N_(
        "Copy the store into one file, as it is now, while it is in use: sealed, so that nobody but the "
        "fleet can read it. This device's key is not in it."
    )
)
@argument("file", type=FILE_TYPE)
@option(
    "--with-key",
    is_flag=True,
    help=N_("Copy this device's key, too, into a file beside it: whoever has it is this device."),
)
@option("--plain", is_flag=True, help=N_("Not sealed: whoever has the file can read it."))
async def backup(context: CliContext, file: Path, with_key: bool, plain: bool) -> None:
    from core.identity import copy_key

    async with await context.open_workspace() as workspace:
        with show_progress(N_("{done} of {total} pages")) as on_progress:
            count = await workspace.backup(file, on_progress, plain=plain)
        key_file = file.with_name(f"{file.name}.key") if with_key else None
        if key_file is not None:
            copy_key(workspace.home.key, key_file)
            text = _("The key of this device is in {path}: whoever has it is this device.")
            context.print_message(text.format(path=key_file))
    if context.json:
        key = {} if key_file is None else {"key": str(key_file)}
        context.print_json({"file": str(file), "changes": count, **key})
    else:
        changes = ngettext("{count} change", "{count} changes", count)
        context.print_message(_("{changes} copied to {path}.").format(changes=changes, path=file))


@verb(
    N_(
        "Put a copy that `backup` made in the place of the store, which is kept beside it. Refused while other programs"
        " use the store."
    ),
    name="restore-store",
)
@argument("file", type=FILE_TYPE)
@option(
    "--key",
    metavar="KEY_FILE",
    type=click.Path(path_type=Path),
    help=N_("Open a sealed copy with this device key: the one that `backup --with-key` copied."),
)
@option(
    "--recovery-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=N_("Open a sealed copy with the recovery key in this file."),
)
async def restore_store(context: CliContext, file: Path, key: Path | None, recovery_file: Path | None) -> None:
    from core.device.home import Home
    from core.identity import Identity, load_identity
    from core.workspace import store_restore
    from tui.cli.passphrase import read_passphrase
    from tui.cli.recovery import read_recovery_key

    def opener() -> Identity:
        if recovery_file is not None:
            return Identity(read_recovery_key(recovery_file, context.passphrase_file))
        return load_identity(key or Home(context.home).key, lambda: read_passphrase(context.passphrase_file))

    with show_progress(N_("{done} of {total} pages")) as on_progress:
        done = await store_restore.restore_store(context.home, file, on_progress, opener)
    if context.json:
        kept = str(done.kept_file) if done.kept_file else None
        context.print_json({"changes": done.change_count, "kept": kept})
        return
    changes = ngettext("{count} change", "{count} changes", done.change_count)
    context.print_message(_("Restored: the store holds {changes}.").format(changes=changes))
    if done.kept_file:
        context.print_message(_("The old store is kept at {path}.").format(path=done.kept_file))
    context.print_message(
        _(
            "Sync before anybody writes here: what was changed here since the copy was made comes back from the other"
            " devices."
        )
    )


@verb(N_("Check every change, its signature, and everything that is derived from the changes."))
@option("--repair", is_flag=True, help=N_("Build the store anew from its changes if anything is wrong."))
async def verify(context: CliContext, repair: bool) -> int:
    from core.workspace.chain_report import fault_json, fault_message
    from core.workspace.diagnostics import MAX_CHAIN_FAULTS

    with show_progress(N_("{done} of {total} changes")) as on_progress:
        found, faults, membership = await _verify(context, repair, on_progress)
    if context.json:
        data: dict[str, object] = {
            "changes": found.checked_count,
            "problems": [error_text(each) for each in found.problems],
        }
        if repair:
            kept = str(found.kept_file) if found.kept_file else None
            data |= {"repaired": [error_text(each) for each in found.repaired], "kept": kept}
        if faults:
            data["chains"] = [fault_json(fault) for fault in faults]
        context.print_json(data)
        return 1 if found.problems else 0
    checked = ngettext("{count} change checked", "{count} changes checked", found.checked_count)
    is_good = not found.problems and not found.repaired
    context.print_message(checked + (_(", everything is as it should be.") if is_good else "."))
    for each in (*found.repaired, *found.problems):
        context.print_line(error_text(each))
    # Of a fork the store is not to blame, and repair mends nothing.
    if membership is not None:
        for fault in faults[:MAX_CHAIN_FAULTS]:
            context.print_line(error_text(fault_message(fault, membership)))
    if found.repaired:
        context.print_message(_("Repaired: the store was built anew from its changes."))
    if found.kept_file:
        context.print_message(_("What could not be restored is kept in {path}.").format(path=found.kept_file))
    elif found.problems:
        context.print_message(_("There are problems: `fieldline verify --repair` mends them."))
    return 1 if found.problems else 0


async def _verify(
    context: CliContext, repair: bool, on_progress: OnProgress
) -> tuple[Verification, list[ChainFault], Membership | None]:
    """Verify the store, and read what is wrong with the chains.

    Where it cannot be opened, it is only repaired.
    """
    from core.store.connection import StoreDamaged
    from core.store.queries.chain_faults import read_chain_faults

    try:
        workspace = await context.open_workspace()
    except StoreDamaged:
        if not repair:
            raise
        return await Workspace.repair(context.home, on_progress), [], None
    async with workspace:
        found = await workspace.verify(repair=repair, on_progress=on_progress)
        return found, await workspace.store.run(read_chain_faults), await workspace.membership()
