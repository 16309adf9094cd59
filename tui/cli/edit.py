"""Verbs that change what is configured: new, set, clear, retire.

Each makes one change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from core.device.edit_check import creatable_kind
from core.errors import FieldlineError, Refused
from core.records import Edit, Record, diff_edits, make_edit
from core.schema import RETIRED, Kind
from core.value_codec import Value
from core.workspace import EditResult, Workspace
from core.workspace.revisions import read_subtree
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.cli.parsing import parse_properties
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.i18n.translate import N_, _, ngettext

NOTE_OPTION = option("--note", metavar="TEXT", help=N_("Why; shown in the log."))


@verb(N_("Add something of a kind. Write properties as NAME=VALUE or NAME:=JSON, a reference as ENTITY."))
@argument("kind")
@argument("values", nargs=-1, metavar="P=V...")
@NOTE_OPTION
@DRY_RUN_OPTION
async def new(context: CliContext, kind: str, values: tuple[str, ...], note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        definition = creatable_kind(await workspace.schema(), kind)
        wanted = await parse_properties(workspace, definition, values)
        written = await workspace.create(definition.name, wanted, note)
        await print_written(context, workspace, written, stated=wanted)


@verb(
    N_(
        "Configure properties: of ENTITY, or with --kind of everything of a kind that --where names, as one change. "
        "What is so already is not written again; a conflict is resolved by it."
    ),
    "set",
)
@argument("words", nargs=-1, required=True, metavar="[ENTITY] P=V...")
@option("--kind", metavar="KIND", help=N_("Everything of this kind that --where names, in place of ENTITY."))
@option("--where", multiple=True, metavar="P=V", help=N_("Only those of --kind with this value; may be given again."))
@option("--all", "everything", is_flag=True, help=N_("Everything of --kind, without --where."))
@option("--no-resolve", is_flag=True, help=N_("Refuse to change a property that is in conflict."))
@NOTE_OPTION
@DRY_RUN_OPTION
async def set_(
    context: CliContext,
    words: tuple[str, ...],
    kind: str | None,
    where: tuple[str, ...],
    everything: bool,
    no_resolve: bool,
    note: str | None,
    dry_run: bool,
) -> None:
    if kind is None and (where or everything):
        raise Refused("--where and --all are about a kind: name it with --kind.")
    if kind is not None and bool(where) == everything:
        raise Refused("Say which of the kind: give --where P=V, or --all for everything of it.")
    if kind is None and len(words) == 1:
        raise Refused("Give ENTITY and what to set of it: ENTITY P=V.")
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        if kind is not None:
            kind = creatable_kind(await workspace.schema(), kind).name
            chosen = await _records_where(workspace, kind, where)
            await _set_many(context, workspace, chosen, await _values_of_kind(workspace, kind, words), note, no_resolve)
            return
        record = await workspace.record(await workspace.find(words[0]))
        wanted = await _values_of_kind(workspace, record.kind, words[1:])
        edits = _set_edits(record, wanted)
        contested = _contested([record], [edits], no_resolve)
        change = await workspace.save(edits, note)
        written = EditResult(change, record.entity, len(edits))
        await print_written(context, workspace, written, resolved=contested, stated=wanted)


async def _records_where(workspace: Workspace, kind: str, where: Sequence[str]) -> list[Record]:
    schema = await workspace.schema()
    conditions = await parse_properties(workspace, creatable_kind(schema, kind), where)
    return await workspace.view().records(kind, schema, where=conditions)


async def _values_of_kind(workspace: Workspace, kind: str | None, words: Sequence[str]) -> dict[str, Value]:
    return await parse_properties(workspace, (await workspace.schema()).kind(kind), words)


def _set_edits(record: Record, wanted: Mapping[str, Value]) -> list[Edit]:
    """The edits to what is wanted.

    That what is in use is not retired is not stated again: it would be a value more.
    """
    edits = diff_edits(record, wanted)
    in_use = not record.slot(RETIRED).leaves
    return [edit for edit in edits if not (edit.property == RETIRED and edit.value is False and in_use)]


def _contested(records: Sequence[Record], edits: Sequence[Sequence[Edit]], refuse: bool) -> int:
    """How many conflicts these edits resolve.

    Raises FieldlineError if that is to be refused.
    """
    found = [
        edit.property
        for record, of_record in zip(records, edits, strict=True)
        for edit in of_record
        if record.slot(edit.property).provisional
    ]
    if found and refuse:
        raise FieldlineError(
            "In conflict, so nothing was written: {properties}. `fieldline inbox` shows the values.",
            properties=", ".join(dict.fromkeys(found)),
        )
    return len(found)


async def _set_many(
    context: CliContext,
    workspace: Workspace,
    records: Sequence[Record],
    wanted: Mapping[str, Value],
    note: str | None,
    no_resolve: bool,
) -> None:
    """Set the same of many things, as one change."""
    by_record = [_set_edits(record, wanted) for record in records]
    resolved = _contested(records, by_record, no_resolve)
    edits = [edit for of_record in by_record for edit in of_record]
    change = await workspace.save(edits, note)
    differing = [record.entity.hex() for record, of_record in zip(records, by_record, strict=True) if of_record]
    if resolved and workspace.planned is None:
        context.print_message(resolved_text(resolved))
    if workspace.planned is not None:
        await print_dry_run(context, workspace, found=len(records), entities=differing, resolved=resolved)
    elif context.json:
        data = {"change": change.hex() if change else None, "facts": len(edits), "found": len(records)}
        context.print_json({**data, "entities": differing, "resolved": resolved})
    elif not records:
        context.print_message(_("Nothing is like that: nothing was written."))
    elif change is None:
        context.print_message(_("Nothing is different: nothing was written."))
    else:
        facts = ngettext("{count} value", "{count} values", len(edits))
        template = _("{facts} of {differing} of {found} things saved as change {change}.")
        context.print_message(
            template.format(facts=facts, differing=len(differing), found=len(records), change=change.hex()[:8])
        )


@verb(N_("Unset properties."))
@argument("entity")
@argument("properties", nargs=-1, required=True, metavar="P...")
@NOTE_OPTION
@DRY_RUN_OPTION
async def clear(context: CliContext, entity: str, properties: tuple[str, ...], note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        record = await workspace.record(await workspace.find(entity))
        written = await workspace.clear(record, properties, note)
        kind = (await workspace.schema()).kind(record.kind)
        names = {prop.name for name in properties for prop in kind.find_properties(name)} | set(properties)
        resolved = sum(record.slot(name).provisional for name in names)
        await print_written(context, workspace, written, resolved=resolved if written.fact_count else 0)


@verb(N_("Retire something. What is known of it stays, and it can be put back in use."))
@argument("entity")
@NOTE_OPTION
@DRY_RUN_OPTION
async def retire(context: CliContext, entity: str, note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        record = await workspace.record(await workspace.find(entity))
        below = await read_subtree(record.entity, workspace.view(), await workspace.schema(), retired=False)
        written = await workspace.retire(record, note)
        if written.fact_count and len(below) > 1:
            context.print_message(
                ngettext(
                    "{count} thing below it stays in use: retire it, too, or move it.",
                    "{count} things below it stay in use: retire them, too, or move them.",
                    len(below) - 1,
                )
            )
        await print_written(context, workspace, written)


def resolved_text(count: int) -> str:
    """The sentence about conflicts that an edit resolved."""
    return ngettext("{count} conflict was resolved by it.", "{count} conflicts were resolved by it.", count)


async def print_written(
    context: CliContext,
    workspace: Workspace,
    written: EditResult,
    *,
    resolved: int | None = None,
    stated: Collection[str] = (),
) -> None:
    """Print what was written or in a dry run would be.

    Args:
        context, workspace: Where to print, and the device.
        written: What came of it.
        resolved: How many conflicts it resolved, where it may; None: that is not said.
        stated: The properties whose clashes with other things are told.
    """
    more: dict[str, Any] = {} if resolved is None else {"resolved": resolved}
    if written.fact_count:
        await _print_clashes(context, workspace, written.entity, stated)
    if workspace.planned is not None:
        await print_dry_run(context, workspace, entity=written.entity.hex(), **more)
        return
    change = written.change.hex() if written.change else None
    if resolved:
        context.print_message(resolved_text(resolved))
    if context.json:
        context.print_json({"change": change, "entity": written.entity.hex(), "facts": written.fact_count, **more})
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


async def _print_clashes(context: CliContext, workspace: Workspace, entity: bytes, stated: Collection[str]) -> None:
    """Report what these values clash with, as forms do before saving."""
    schema, record = await workspace.schema(), await workspace.record(entity)
    kind = schema.kind(record.kind)
    clashable = [name for name in stated if _may_clash(kind, name)]
    if not clashable:
        return
    from tui.view_models.save_warnings import edit_clashes

    edits = workspace.planned
    if edits is None:
        edits = [make_edit(record, name, record.value(name)) for name in clashable]
    clashing = await edit_clashes(workspace.view(), schema, edits)
    for text in clashing:
        context.print_message(text)
    if clashing:
        context.print_message(_("That is an item in the inbox."))


def _may_clash(kind: Kind, name: str) -> bool:
    """Whether a value can be one too many, or refer to something retired."""
    prop = kind.property(name)
    return prop.unique or prop.no_overlap or prop.refers_to is not None or name in (kind.key, kind.within)
