"""Verbs about files, and about the state of the store: export, import, verify."""

from __future__ import annotations

from pathlib import Path

import click

from tui.cli.desk import Desk
from tui.cli.help import argument, option, verb
from tui.cli.progress import progress
from tui.i18n import N_, _, ngettext

FILE = click.Path(path_type=Path)


@verb(N_("Take over an edit history in JSON lines, or a bundle. What is here already is passed over."), "import")
@argument("file", type=FILE)
async def import_(desk: Desk, file: Path) -> None:
    async with await desk.open() as workspace:
        with progress(N_("{done} of {total} changes")) as told:
            done = await workspace.import_file(file, told)
    data = {"changes": done.changes, "facts": done.facts, "skipped": done.skipped}
    if desk.json:
        desk.document(data)
        return
    changes = ngettext("{count} change", "{count} changes", done.changes)
    facts = ngettext("{count} fact", "{count} facts", done.facts)
    desk.say(_("{changes} with {facts} taken over.").format(changes=changes, facts=facts))
    if done.skipped:
        desk.say(ngettext("{count} was here already.", "{count} were here already.", done.skipped))


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
