"""Verbs that change what is configured: new, set, clear, retire. Each makes one change."""

from __future__ import annotations

from core.workspace import Workspace, Written
from core.workspace.editing import kind_to_make
from tui.cli.desk import Desk
from tui.cli.help import argument, option, verb
from tui.cli.typed import wanted
from tui.cli.written import Writing
from tui.language.i18n import N_, _, ngettext

NOTE = option("--note", metavar="TEXT", help=N_("Why; shown in the log."))


@verb(N_("Add something of a kind. Write properties as NAME=VALUE or NAME:=JSON, a reference as ENTITY."))
@argument("kind")
@argument("values", nargs=-1, metavar="P=V...")
@NOTE
async def new(desk: Desk, kind: str, values: tuple[str, ...], note: str | None) -> None:
    async with await desk.open() as workspace:
        definition = kind_to_make(await workspace.schema(), kind)
        written = await workspace.create(kind, await wanted(workspace, definition, values), note)
        await told(desk, workspace, written)


@verb(N_("Configure properties. What is so already is not written again; a conflict is settled by it."), "set")
@argument("entity")
@argument("values", nargs=-1, required=True, metavar="P=V...")
@NOTE
async def set_(desk: Desk, entity: str, values: tuple[str, ...], note: str | None) -> None:
    async with await desk.open() as workspace:
        record = await workspace.record(await workspace.find(entity))
        kind = (await workspace.schema()).kind(record.kind)
        written = await workspace.set(record, await wanted(workspace, kind, values), note)
        await told(desk, workspace, written)


@verb(N_("Say that properties are no longer used."))
@argument("entity")
@argument("properties", nargs=-1, required=True, metavar="P...")
@NOTE
async def clear(desk: Desk, entity: str, properties: tuple[str, ...], note: str | None) -> None:
    async with await desk.open() as workspace:
        record = await workspace.record(await workspace.find(entity))
        await told(desk, workspace, await workspace.clear(record, properties, note))


@verb(N_("Take something out of use. What is known of it stays, and it can be brought back."))
@argument("entity")
@NOTE
async def retire(desk: Desk, entity: str, note: str | None) -> None:
    async with await desk.open() as workspace:
        record = await workspace.record(await workspace.find(entity))
        await told(desk, workspace, await workspace.retire(record, note))


async def told(desk: Desk, workspace: Workspace, written: Written) -> None:
    """Say what was written."""
    change = written.change.hex() if written.change else None
    if desk.json:
        desk.document({"change": change, "entity": written.entity.hex(), "facts": written.facts})
        return
    if change is None:
        desk.say(_("Nothing is different: nothing was written."))
        return
    writing = await Writing.of(workspace)
    await writing.learn([written.entity])
    desk.say(
        _("{entity}: {facts} saved as change {change}.").format(
            entity=writing.entity(written.entity),
            facts=ngettext("{count} fact", "{count} facts", written.facts),
            change=change[:8],
        )
    )
