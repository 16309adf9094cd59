"""Verbs that change what is configured: new, set, clear, retire. Each makes one change."""

from __future__ import annotations

from core.device.edit_check import creatable_kind
from core.workspace import EditResult, Workspace
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.cli.parsing import parse_properties
from tui.i18n.translate import N_, _, ngettext

NOTE_OPTION = option("--note", metavar="TEXT", help=N_("Why; shown in the log."))


@verb(N_("Add something of a kind. Write properties as NAME=VALUE or NAME:=JSON, a reference as ENTITY."))
@argument("kind")
@argument("values", nargs=-1, metavar="P=V...")
@NOTE_OPTION
async def new(context: CliContext, kind: str, values: tuple[str, ...], note: str | None) -> None:
    async with await context.open_workspace() as workspace:
        definition = creatable_kind(await workspace.schema(), kind)
        written = await workspace.create(kind, await parse_properties(workspace, definition, values), note)
        await print_written(context, workspace, written)


@verb(N_("Configure properties. What is so already is not written again; a conflict is resolved by it."), "set")
@argument("entity")
@argument("values", nargs=-1, required=True, metavar="P=V...")
@NOTE_OPTION
async def set_(context: CliContext, entity: str, values: tuple[str, ...], note: str | None) -> None:
    async with await context.open_workspace() as workspace:
        record = await workspace.record(await workspace.find(entity))
        kind = (await workspace.schema()).kind(record.kind)
        written = await workspace.set(record, await parse_properties(workspace, kind, values), note)
        await print_written(context, workspace, written)


@verb(N_("Unset properties."))
@argument("entity")
@argument("properties", nargs=-1, required=True, metavar="P...")
@NOTE_OPTION
async def clear(context: CliContext, entity: str, properties: tuple[str, ...], note: str | None) -> None:
    async with await context.open_workspace() as workspace:
        record = await workspace.record(await workspace.find(entity))
        await print_written(context, workspace, await workspace.clear(record, properties, note))


@verb(N_("Retire something. What is known of it stays, and it can be put back in use."))
@argument("entity")
@NOTE_OPTION
async def retire(context: CliContext, entity: str, note: str | None) -> None:
    async with await context.open_workspace() as workspace:
        record = await workspace.record(await workspace.find(entity))
        await print_written(context, workspace, await workspace.retire(record, note))


async def print_written(context: CliContext, workspace: Workspace, written: EditResult) -> None:
    """Print what was written."""
    change = written.change.hex() if written.change else None
    if context.json:
        context.print_json({"change": change, "entity": written.entity.hex(), "facts": written.fact_count})
        return
    if change is None:
        context.print_message(_("Nothing is different: nothing was written."))
        return
    formatter = await Formatter.create(workspace)
    await formatter.load_names([written.entity])
    context.print_message(
        _("{entity}: {facts} saved as change {change}.").format(
            entity=formatter.entity_text(written.entity),
            facts=ngettext("{count} value", "{count} values", written.fact_count),
            change=change[:8],
        )
    )
