"""Verbs for what waits for a decision: inbox, resolve."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import Refused
from core.inbox import InboxItem
from core.records import Record
from core.values import printable
from core.workspace.edit import editable_property
from tui.cli.context import CliContext
from tui.cli.edit import print_written
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.cli.parsing import parse_text_value
from tui.cli.progress import show_progress
from tui.i18n.dates import with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, error_text, language, ngettext

MESSAGE_GLYPHS = {
    "conflict": "≠",
    "duplicate": "‼",
    "overlap": "∩",
    "dangling": "→",
    "retired-edit": "↯",
    "invalid": "!",
}


@verb(N_("List what needs a decision; nothing of it is urgent: conflicts, and clashes between different things."))
async def inbox(desk: CliContext) -> None:
    async with await desk.open_workspace() as workspace:
        with show_progress(N_("{done} of {total} read")) as reading:
            matters = await workspace.inbox(on_progress=reading)
        writing = await Formatter.create(workspace)
        values = [leaf.value for matter in matters for leaf in matter.candidates]
        retired = {matter.entity for matter in matters if matter.type == "retired-edit" and not desk.json}
        records = {entity: await workspace.record(entity) for entity in retired}
        await writing.load_names([e for matter in matters for e in (matter.entity, *matter.entities)], values)
        if not desk.json:
            await writing.load_device_names()
    if desk.json:
        desk.print_json(
            [
                {
                    "type": matter.type,
                    **writing.kind_json(matter.entity),
                    "property": matter.property,
                    "candidates": [writing.candidate_json(leaf) for leaf in matter.candidates],
                    "entities": [entity.hex() for entity in matter.entities],
                    "message": _item_message(matter, writing),
                }
                for matter in matters
            ]
        )
        return
    for matter in matters:
        _print_item(desk, matter, writing, records)
    desk.print_message(
        ngettext(
            "{count} item to resolve; none of them is urgent.",
            "{count} items to resolve; none of them is urgent.",
            len(matters),
        )
        if matters
        else _("Nothing to resolve.")
    )


def _item_message(matter: InboxItem, writing: Formatter) -> str:
    """The sentence of a matter, with the property's label in the language in use."""
    message = matter.message
    label = writing.schema.property(matter.kind, matter.property).label(language())
    if language() != "en" and "property" in message.params:
        message = type(message)(message.template, **{**message.params, "property": label})
    return printable(error_text(message))


def _print_item(desk: CliContext, matter: InboxItem, writing: Formatter, records: Mapping[bytes, Record]) -> None:
    message = _item_message(matter, writing)
    if matter.type == "invalid":
        message = f"{writing.entity_text(matter.entity)}: {message}"
    desk.print_line(f"{MESSAGE_GLYPHS[matter.type]} {message}", bold=True)
    slots = records[matter.entity].slots if matter.entity in records else {}
    of = {leaf.fact: name for name, slot in slots.items() for leaf in slot.leaves}
    rows = []
    for leaf in matter.candidates:
        device = writing.device_name(leaf.device)
        prop = writing.schema.property(matter.kind, of.get(leaf.fact, matter.property))
        value = writing.value_text(prop, leaf.value)
        if of:  # what was said of something retired may be of any property
            value = f"{prop.label(language())}: {value}"
        remark = f"{device} {quote(leaf.note)}"
        rows.append(
            [
                "  " + leaf.fact.hex()[:12],
                value,
                leaf.user,
                with_clock_error(desk.dates.dated(leaf.at_us), leaf.clock),
                remark,
            ]
        )
    desk.print_table(rows, shrinkable=(4, 1))


@verb(N_("Resolve a conflict: take one of the candidates, or give another value. It is an edit like any other."))
@argument("entity")
@argument("name", metavar="PROP")
@option("--take", metavar="FACT", help=N_("The candidate to take, by the id of its fact or its first 8 digits."))
@option("--value", metavar="V", help=N_("Another value."))
@option("--note", metavar="TEXT", help=N_("Why; shown in the log."))
async def resolve(
    desk: CliContext, entity: str, name: str, take: str | None, value: str | None, note: str | None
) -> None:
    if (take is None) == (value is None):
        raise Refused("Give either --take FACT or --value V.")
    async with await desk.open_workspace() as workspace:
        record = await workspace.record(await workspace.find(entity))
        kind = (await workspace.schema()).kind(record.kind)
        if name not in record.slots:
            editable_property(kind, name)
        if take is not None:
            written = await workspace.resolve_with_candidate(record, name, take, note)
        else:
            wanted = await parse_text_value(workspace, editable_property(kind, name), value or "")
            written = await workspace.set(record, {name: wanted}, note)
        await print_written(desk, workspace, written)
