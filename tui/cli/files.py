"""Verbs about files, and about the state of the store: export, import, verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.changes import Value
from core.errors import Refused
from core.schema import Property
from core.workspace import Workspace
from tui.cli.desk import Desk
from tui.cli.help import argument, option, verb
from tui.cli.progress import progress
from tui.cli.typed import json_value, text_value
from tui.language.i18n import N_, _, ngettext

if TYPE_CHECKING:
    from core.store.writing import Imported

FILE = click.Path(path_type=Path)


@verb(
    N_(
        "Take over an edit history in JSON lines, a bundle, or with --kind a table (CSV or JSON) of things of one kind."
        " What is here already is passed over."
    ),
    "import",
)
@argument("file", type=FILE)
@option("--kind", metavar="KIND", help=N_("The file is a table of these: a column for each property, with a head."))
@option("--dry-run", is_flag=True, help=N_("Write nothing, only say what would be taken over."))
@option("--note", metavar="TEXT", help=N_("Why; only for a table."))
async def import_(desk: Desk, file: Path, kind: str | None, dry_run: bool, note: str | None) -> None:
    from core.workspace import rehearsal

    if note is not None and kind is None:
        raise Refused("A note can only be given with --kind: in a history, each change has its own.")
    async with await desk.open() as workspace:
        if dry_run:
            async with rehearsal.copy(workspace) as other:
                done = await _taken(other, file, kind, note)
        else:
            done = await _taken(workspace, file, kind, note)
    data = {"changes": done.changes, "facts": done.facts, "skipped": done.skipped}
    if desk.json:
        desk.document(data)
        return
    changes = ngettext("{count} change", "{count} changes", done.changes)
    facts = ngettext("{count} fact", "{count} facts", done.facts)
    if dry_run:
        desk.say(
            _("{changes} with {facts} would be taken over; nothing was written.").format(changes=changes, facts=facts)
        )
    else:
        desk.say(_("{changes} with {facts} taken over.").format(changes=changes, facts=facts))
    if done.skipped:
        desk.say(ngettext("{count} was here already.", "{count} were here already.", done.skipped))


async def _taken(workspace: Workspace, file: Path, kind: str | None, note: str | None) -> Imported:
    if kind is None:
        with progress(N_("{done} of {total} changes")) as told:
            return await workspace.import_file(file, told)

    known: dict[tuple[str, str], Value] = {}

    async def value_of(prop: Property, said: object) -> Value:
        place = prop.name, json.dumps(said)
        if place not in known:
            if isinstance(said, str):
                known[place] = await text_value(workspace, prop, said)
            else:
                known[place] = await json_value(workspace, prop, place[1])
        return known[place]

    with progress(N_("{done} of {total} rows")) as told:
        return await workspace.import_table(file, kind, value_of, note, told)


@verb(N_("Write all changes into a bundle, for a device that cannot be met."))
@argument("file", type=FILE)
async def export(desk: Desk, file: Path) -> None:
    async with await desk.open() as workspace:
        with progress(N_("{done} of {total} changes")) as told:
            done = await workspace.export_file(file, told)
    if desk.json:
        desk.document({"changes": done.changes, "facts": done.facts, "skipped": done.skipped})
    else:
        changes = ngettext("{count} change", "{count} changes", done.changes)
        desk.say(_("{changes} written to {path}.").format(changes=changes, path=file))


@verb(N_("Copy the store into one file, as it is now, while it is in use. This device's key is not in it."))
@argument("file", type=FILE)
async def backup(desk: Desk, file: Path) -> None:
    async with await desk.open() as workspace:
        with progress(N_("{done} of {total} pages")) as told:
            count = await workspace.backup(file, told)
    if desk.json:
        desk.document({"file": str(file), "changes": count})
    else:
        changes = ngettext("{count} change", "{count} changes", count)
        desk.say(_("{changes} copied to {path}.").format(changes=changes, path=file))


@verb(N_("Check every change, its signature, and everything that is derived from the changes."))
@option("--repair", is_flag=True, help=N_("Rebuild what is derived and wrong."))
async def verify(desk: Desk, repair: bool) -> int:
    async with await desk.open() as workspace:
        with progress(N_("{done} of {total} changes")) as told:
            found = await workspace.verify(repair=repair, progress=told)
    if desk.json:
        desk.document({"changes": found.changes, "problems": list(found.problems)})
    else:
        checked = ngettext("{count} change checked", "{count} changes checked", found.changes)
        desk.say(checked + ("." if found.problems else _(", everything is as it should be.")))
        for problem in found.problems:
            desk.line(problem)
    if found.problems and not desk.json:
        desk.say(
            _("Repaired what can be.")
            if repair
            else _("There are problems: `fieldline verify --repair` mends what can be.")
        )
    return 1 if found.problems else 0
