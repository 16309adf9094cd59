"""Verbs for what needs a decision: inbox, resolve, accept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from core.device.edit_check import editable_property
from core.errors import FieldlineError, Refused
from core.inbox import InboxItem
from core.records import Record
from core.slots import Candidate
from core.values import printable
from core.workspace.device_findings import read_notices
from tui.cli.context import CliContext
from tui.cli.edit import print_written
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.cli.parsing import parse_text_value
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.cli.progress import show_progress
from tui.glyphs import GLYPHS
from tui.i18n.dates import with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, error_text, language, ngettext

ITEMS_PER_PAGE = 500
"""Items that are made into JSON at once."""


@verb(N_("List what needs a decision; nothing of it is urgent: conflicts, and clashes between different things."))
@option("--accepted", is_flag=True, help=N_("List what somebody accepted as it is, instead."))
async def inbox(context: CliContext, accepted: bool) -> None:
    async with await context.open_workspace() as workspace:
        with show_progress(N_("{done} of {total} read")) as on_progress:
            items = await workspace.inbox(on_progress=on_progress, accepted=accepted)
        formatter = await Formatter.create(workspace)
        values = [leaf.value for item in items for leaf in item.candidates]
        retired = {item.entity for item in items if item.type == "retired-edit" and not context.json}
        records = {entity: await workspace.record(entity) for entity in retired}
        await formatter.load_names([e for item in items for e in (item.entity, *item.entities)], values)
        notices: Sequence[FieldlineError] = ()
        if not context.json:
            await formatter.load_device_names()
            notices = (await read_notices(workspace)).all
    if context.json:
        await context.print_json_pages(_pages_json(items, formatter))
        return
    dated = lru_cache(context.dates.dated)
    context.print_lines(line for item in items for line in _item_lines(context, item, formatter, records, dated))
    if accepted:
        context.print_message(
            ngettext("{count} item accepted as it is.", "{count} items accepted as they are.", len(items))
        )
        return
    context.print_message(
        ngettext(
            "{count} item to resolve; none of them is urgent.",
            "{count} items to resolve; none of them is urgent.",
            len(items),
        )
        if items
        else _("Nothing to resolve.")
    )
    for notice in notices:
        context.print_message(error_text(notice))
    if any(item.type != "conflict" for item in items):
        context.print_message(_("`fieldline accept ID` accepts one as it is, by the 8 digits behind it."))


async def _pages_json(items: Sequence[InboxItem], formatter: Formatter) -> AsyncIterator[list[dict[str, Any]]]:
    """Items as JSON, some at a time: many are never text as a whole."""
    for first in range(0, len(items), ITEMS_PER_PAGE):
        yield [_item_json(item, formatter) for item in items[first : first + ITEMS_PER_PAGE]]


def _item_json(item: InboxItem, formatter: Formatter) -> dict[str, Any]:
    return {
        "id": item.id.hex(),
        "type": item.type,
        **formatter.kind_json(item.entity),
        "property": item.property,
        "candidates": [
            {**formatter.kind_json(entity), **formatter.candidate_json(leaf)}
            for entity, leaf in zip(_candidate_entities(item), item.candidates, strict=True)
        ],
        "entities": [entity.hex() for entity in item.entities],
        "message": _item_message(item, formatter),
        **({"accepted": formatter.candidate_json(item.acceptance)} if item.acceptance else {}),
    }


def _candidate_entities(item: InboxItem) -> Sequence[bytes]:
    """The entity that each candidate is of.

    In a clash of several entities each has one, else it is the item's.
    """
    if len(item.entities) > 1 and len(item.entities) == len(item.candidates):
        return item.entities
    return [item.entity] * len(item.candidates)


def _item_message(item: InboxItem, formatter: Formatter) -> str:
    """The sentence of an item, with the property's label in the language in use."""
    message = item.message
    label = formatter.schema.property(item.kind, item.property).label(language())
    if language() != "en" and "property" in message.params:
        message = type(message)(message.template, **{**message.params, "property": label})
    return printable(error_text(message))


def _item_lines(
    context: CliContext,
    item: InboxItem,
    formatter: Formatter,
    records: Mapping[bytes, Record],
    dated: Callable[[int], str],
) -> list[str]:
    """An item for people: what it is, and its candidates below."""
    message = _item_message(item, formatter)
    if item.type == "invalid":
        message = f"{formatter.entity_text(item.entity)}: {message}"
    # A conflict is resolved by its entity and property; only what may be accepted is named by an id.
    end = "" if item.type == "conflict" else f"  {item.id.hex()[:8]}"
    lines = [context.line(f"{GLYPHS[item.type]} {message}{end}", bold=True)]
    if item.acceptance is not None:
        lines.append(context.line(f"  {_acceptance_text(context, item.acceptance)}"))
    slots = records[item.entity].slots if item.entity in records else {}
    of = {leaf.fact: name for name, slot in slots.items() for leaf in slot.leaves}
    rows = []
    for leaf in item.candidates:
        device = formatter.device_name(leaf.device)
        prop = formatter.schema.property(item.kind, of.get(leaf.fact, item.property))
        value = formatter.value_text(prop, leaf.value)
        if of:  # a value of something retired may be of any property
            value = f"{prop.label(language())}: {value}"
        remark = f"{device} {quote(leaf.note)}"
        time = with_clock_error(dated(leaf.at_us), leaf.clock)
        rows.append(["  " + leaf.fact.hex()[:12], value, leaf.user, time, remark])
    return [*lines, *context.table_lines(rows, shrinkable=(4, 1))]


def _acceptance_text(context: CliContext, leaf: Candidate) -> str:
    """Who accepted an item, when and why."""
    time = with_clock_error(context.dates.dated(leaf.at_us), leaf.clock)
    text = _("accepted as it is by {user}, {time}").format(user=printable(leaf.user), time=time)
    return f"{text} {quote(leaf.note)}".rstrip()


@verb(
    N_(
        "Accept clashes as they are: they leave the inbox, and come back when one of their values changes. It is an"
        " edit like any other."
    )
)
@argument("items", metavar="ITEM...", nargs=-1, required=True)
@option("--undo", is_flag=True, help=N_("Put accepted items back into the inbox."))
@option("--note", metavar="TEXT", help=N_("Why; shown in the log."))
@DRY_RUN_OPTION
async def accept(context: CliContext, items: tuple[str, ...], undo: bool, note: str | None, dry_run: bool) -> None:
    from core.workspace.acceptance import accept_items, find_items, withdraw_acceptance

    async with await context.open_workspace(dry_run=dry_run) as workspace:
        with show_progress(N_("{done} of {total} read")) as on_progress:
            open_items = await workspace.inbox(on_progress=on_progress)
        accepted = await workspace.inbox(accepted=True)
        found = find_items([*open_items, *accepted], items)
        wanted = [item for item in found if (item.acceptance is None) != undo]
        save = withdraw_acceptance if undo else accept_items
        change = await save(workspace, wanted, note)
        if workspace.planned is not None:
            await print_dry_run(context, workspace)
            return
    if context.json:
        context.print_json({"change": change.hex() if change else None})
    elif change is None:
        context.print_message(_("Nothing is different: nothing was written."))
    elif undo:
        text = ngettext("{count} item is back in the inbox.", "{count} items are back in the inbox.", len(wanted))
        context.print_message(text)
    else:
        text = ngettext("{count} item accepted as it is.", "{count} items accepted as they are.", len(wanted))
        context.print_message(text)


@verb(N_("Resolve a conflict: take one of the candidates, or give another value. It is an edit like any other."))
@argument("entity")
@argument("name", metavar="PROP")
@option("--take", metavar="FACT", help=N_("The candidate to take, by the id of its fact or its first 8 digits."))
@option("--value", metavar="V", help=N_("Another value."))
@option("--note", metavar="TEXT", help=N_("Why; shown in the log."))
@DRY_RUN_OPTION
async def resolve(
    context: CliContext, entity: str, name: str, take: str | None, value: str | None, note: str | None, dry_run: bool
) -> None:
    if (take is None) == (value is None):
        raise Refused("Give either --take FACT or --value V.")
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        record = await workspace.record(await workspace.find(entity))
        kind = (await workspace.schema()).kind(record.kind)
        if name not in record.slots:
            name = editable_property(kind, name).name
        if take is not None:
            written = await workspace.resolve_with_candidate(record, name, take, note)
        else:
            wanted = await parse_text_value(workspace, editable_property(kind, name), value or "")
            written = await workspace.set(record, {name: wanted}, note)
        await print_written(context, workspace, written, stated=[name])
