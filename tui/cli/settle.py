"""Verbs for what waits for a decision: inbox, resolve."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import Refused
from core.inbox import Matter
from core.records import Record
from core.values import printable
from core.workspace.editing import property_of
from tui.cli.desk import Desk
from tui.cli.edit import told
from tui.cli.help import argument, option, verb
from tui.cli.progress import progress
from tui.cli.typed import text_value
from tui.cli.written import Writing
from tui.language.i18n import N_, _, language, ngettext, say
from tui.language.quoting import quote

GLYPHS = {"conflict": "≠", "duplicate": "‼", "overlap": "∩", "dangling": "→", "retired-edit": "↯", "invalid": "!"}


@verb(N_("List what waits for a decision, and may wait: conflicts, and clashes between different things."))
async def inbox(desk: Desk) -> None:
    async with await desk.open() as workspace:
        with progress(N_("{done} of {total} read")) as reading:
            matters = await workspace.inbox(progress=reading)
        writing = await Writing.of(workspace)
        values = [leaf.value for matter in matters for leaf in matter.candidates]
        retired = {matter.entity for matter in matters if matter.type == "retired-edit" and not desk.json}
        records = {entity: await workspace.record(entity) for entity in retired}
        await writing.learn([e for matter in matters for e in (matter.entity, *matter.entities)], values)
        if not desk.json:
            await writing.learn_devices()
    if desk.json:
        desk.document(
            [
                {
                    "type": matter.type,
                    **writing.kind_json(matter.entity),
                    "property": matter.property,
                    "candidates": [writing.candidate_json(leaf) for leaf in matter.candidates],
                    "entities": [entity.hex() for entity in matter.entities],
                    "message": _message(matter, writing),
                }
                for matter in matters
            ]
        )
        return
    for matter in matters:
        _show(desk, matter, writing, records)
    desk.say(
        ngettext(
            "{count} matter to settle; none of them is urgent.",
            "{count} matters to settle; none of them is urgent.",
            len(matters),
        )
        if matters
        else _("Nothing to settle.")
    )


def _message(matter: Matter, writing: Writing) -> str:
    """The sentence of a matter, with the property's label in the language in use."""
    message = matter.message
    label = writing.schema.property(matter.kind, matter.property).label(language())
    if language() != "en" and "property" in message.params:
        message = type(message)(message.template, **{**message.params, "property": label})
    return printable(say(message))


def _show(desk: Desk, matter: Matter, writing: Writing, records: Mapping[bytes, Record]) -> None:
    message = _message(matter, writing)
    if matter.type == "invalid":
        message = f"{writing.entity(matter.entity)}: {message}"
    desk.line(f"{GLYPHS[matter.type]} {message}", strong=True)
    slots = records[matter.entity].slots if matter.entity in records else {}
    of = {leaf.fact: name for name, slot in slots.items() for leaf in slot.leaves}
    rows = []
    for leaf in matter.candidates:
        device = writing.device(leaf.device)
        prop = writing.schema.property(matter.kind, of.get(leaf.fact, matter.property))
        value = writing.value(prop, leaf.value)
        if of:  # what was said of something retired may be of any property
            value = f"{prop.label(language())}: {value}"
        remark = f"{device} {quote(leaf.note)}"
        rows.append(["  " + leaf.fact.hex()[:12], value, leaf.user, desk.when.dated(leaf.at), remark])
    desk.table(rows, give=(4, 1))


@verb(N_("Settle a conflict: take one of the candidates, or give another value. It is an edit like any other."))
@argument("entity")
@argument("name", metavar="PROP")
@option("--take", metavar="FACT", help=N_("The candidate to take, by the id of its fact or its first 8 digits."))
@option("--value", metavar="V", help=N_("Another value."))
@option("--note", metavar="TEXT", help=N_("Why; shown in the log."))
async def resolve(desk: Desk, entity: str, name: str, take: str | None, value: str | None, note: str | None) -> None:
    if (take is None) == (value is None):
        raise Refused("Give either --take FACT or --value V.")
    async with await desk.open() as workspace:
        record = await workspace.record(await workspace.find(entity))
        kind = (await workspace.schema()).kind(record.kind)
        if name not in record.slots:
            property_of(kind, name)
        if take is not None:
            written = await workspace.take(record, name, take, note)
        else:
            wanted = await text_value(workspace, property_of(kind, name), value or "")
            written = await workspace.set(record, {name: wanted}, note)
        await told(desk, workspace, written)
