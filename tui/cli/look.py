"""Verbs that show what is configured: list, show."""

from __future__ import annotations

from typing import Any

from core.errors import Refused
from core.records import Record
from core.schema import Kind
from core.slots import Candidate
from core.values import quoted
from tui.cli.desk import Desk
from tui.cli.help import argument, option, verb
from tui.cli.typed import view_of, wanted
from tui.cli.written import Writing, shown_properties
from tui.language.i18n import N_, _, language, ngettext
from tui.language.quoting import quote

AT = option("--at", metavar="T", help=N_("As everything was at this moment."))
KNOWN_AT = option("--known-at", metavar="T", help=N_("As this device knew it at this moment."))


@verb(N_("List everything of a kind, in the order of the names."), "list")
@argument("kind")
@option(
    "--where", multiple=True, metavar="P=V", help=N_("Only those whose property has this value; may be given again.")
)
@option("--retired", is_flag=True, help=N_("Those that are retired, too."))
@AT
@KNOWN_AT
async def list_(
    desk: Desk, kind: str, where: tuple[str, ...], retired: bool, at: str | None, known_at: str | None
) -> None:
    async with await desk.open() as workspace:
        view = await view_of(workspace, at, known_at)
        writing = await Writing.of(workspace, view)
        schema = writing.schema
        kind_def = schema.kind(kind)
        records = await view.records(kind, schema, where=await wanted(workspace, kind_def, where), retired=retired)
        if not records and not kind_def.known and not await workspace.view().records(kind, schema, retired=True):
            raise Refused(
                "There is no kind {kind}: there are {kinds}.", kind=quoted(kind), kinds=", ".join(schema.kinds)
            )
        await writing.learn((r.entity for r in records), (slot.value for r in records for slot in r.slots.values()))
    if desk.json:
        desk.document([_listed(record, writing) for record in records])
        return
    _list_table(desk, kind_def, records, writing)


def _listed(record: Record, writing: Writing) -> dict[str, Any]:
    values = {
        prop.name: writing.json(record.value(prop.name))
        for prop in shown_properties(record, writing.schema)
        if record.value(prop.name) is not None
    }
    retired = {"retired": True} if record.retired else {}
    return {**writing.kind_json(record.entity), **retired, "values": values}


def _list_table(desk: Desk, kind: Kind, records: list[Record], writing: Writing) -> None:
    """Key, title if it says more, what is in conflict, id."""
    rows = []
    for record in records:
        name = writing.names[record.entity]
        contested = sum(slot.provisional for slot in record.slots.values())
        told = [_("retired")] if record.retired else []
        if contested:
            told.append(ngettext("≠ {count} conflict", "≠ {count} conflicts", contested))
        title = name.title if name.title != name.key else ""
        rows.append([writing.entity(record.entity), title, record.entity.hex()[:8], ", ".join(told)])
    if rows:
        desk.table(rows, [kind.label(language()), _("Name"), _("Id"), ""], give=(1,))
    desk.say(ngettext("{count} found.", "{count} found.", len(rows)))


@verb(N_("Show one thing. ENTITY is kind:key, an id, or the first 8 digits of one."))
@argument("entity")
@AT
@KNOWN_AT
async def show(desk: Desk, entity: str, at: str | None, known_at: str | None) -> None:
    async with await desk.open() as workspace:
        view = await view_of(workspace, at, known_at)
        writing = await Writing.of(workspace, view)
        record = await workspace.record(await workspace.find(entity, view), view)
        await writing.learn_record(record)
        if not desk.json:
            await writing.learn_devices()
    if desk.json:
        slots = {
            prop.name: writing.slot_json(record.slot(prop.name)) for prop in shown_properties(record, writing.schema)
        }
        desk.document({**writing.kind_json(record.entity), "retired": record.retired, "slots": slots})
        return
    _show(desk, record, writing)


def _show(desk: Desk, record: Record, writing: Writing) -> None:
    name = writing.names.get(record.entity)
    title = f"{writing.entity(record.entity)} ({record.entity.hex()[:8]})"
    if name is not None and name.title not in (name.key, record.entity.hex()[:8]):
        title = f"{name.title} · {title}"
    desk.line(title + (" · " + _("retired") if record.retired else ""), strong=True)
    rows = []
    for prop in shown_properties(record, writing.schema):
        slot = record.slot(prop.name)
        label = "  " + prop.label(language())
        if not slot.leaves:
            rows.append([label, "○", _("not configured"), "", "", ""])
            continue
        value = writing.value(prop, slot.value)
        if not slot.provisional:
            glyph = "–" if slot.value is None else "!" if prop.check(slot.value) else "●"
            rows.append([label, glyph, value, *_who(desk, writing, slot.leaves[0])])
            continue
        for place, leaf in enumerate(slot.leaves):
            told = writing.value(prop, leaf.value) + (" " + _("(provisional)") if place == 0 else "")
            rows.append([label if place == 0 else "", "≠", told, *_who(desk, writing, leaf)])
    if rows:
        desk.table(rows, give=(5, 2))


def _who(desk: Desk, writing: Writing, leaf: Candidate) -> list[str]:
    note = quote(leaf.note)
    return [leaf.user, desk.when.dated(leaf.at), f"{writing.device(leaf.device)} {note}".rstrip()]
