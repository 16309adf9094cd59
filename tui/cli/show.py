"""Verbs that show what is configured: list, show."""

from __future__ import annotations

from typing import Any

from core.errors import FieldlineError
from core.records import Record
from core.schema import Kind
from core.slots import Candidate
from core.workspace.edit import unknown_kind_error
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter, shown_properties
from tui.cli.help import argument, option, verb
from tui.cli.parsing import parse_properties, parse_view
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, language, ngettext

AT_OPTION = option("--at", metavar="T", help=N_("As everything was at this time."))
KNOWN_AT_OPTION = option("--known-at", metavar="T", help=N_("As this device knew it at this time."))


@verb(N_("List everything of a kind, in the order of the names."), "list")
@argument("kind")
@option(
    "--where", multiple=True, metavar="P=V", help=N_("Only those whose property has this value; may be given again.")
)
@option("--retired", is_flag=True, help=N_("Those that are retired, too."))
@AT_OPTION
@KNOWN_AT_OPTION
async def list_(
    desk: CliContext, kind: str, where: tuple[str, ...], retired: bool, at: str | None, known_at: str | None
) -> None:
    async with await desk.open_workspace() as workspace:
        view = await parse_view(workspace, at, known_at)
        writing = await Formatter.create(workspace, view)
        schema = writing.schema
        kind_def = schema.kind(kind)
        records = await view.records(
            kind, schema, where=await parse_properties(workspace, kind_def, where), retired=retired
        )
        if not records and not kind_def.is_known and not await workspace.view().records(kind, schema, retired=True):
            raise unknown_kind_error(schema, kind)
        await writing.load_names(
            (r.entity for r in records), (slot.value for r in records for slot in r.slots.values())
        )
    if desk.json:
        desk.print_json([_record_json(record, writing) for record in records])
        return
    _print_record_table(desk, kind_def, records, writing)


def _record_json(record: Record, writing: Formatter) -> dict[str, Any]:
    values = {
        prop.name: writing.value_json(record.value(prop.name))
        for prop in shown_properties(record, writing.schema)
        if record.value(prop.name) is not None
    }
    retired = {"retired": True} if record.retired else {}
    return {**writing.kind_json(record.entity), **retired, "values": values}


def _print_record_table(desk: CliContext, kind: Kind, records: list[Record], writing: Formatter) -> None:
    """Key, title if it says more, what is in conflict, id."""
    rows = []
    for record in records:
        name = writing.names[record.entity]
        contested = sum(slot.provisional for slot in record.slots.values())
        told = [_("retired")] if record.retired else []
        if contested:
            told.append(ngettext("≠ {count} conflict", "≠ {count} conflicts", contested))
        title = name.title if name.title != name.key else ""
        rows.append([writing.entity_text(record.entity), title, record.entity.hex()[:8], ", ".join(told)])
    if rows:
        desk.print_table(rows, [kind.label(language()), _("Name"), _("Id"), ""], shrinkable=(1,))
    desk.print_message(ngettext("{count} found.", "{count} found.", len(rows)))


@verb(N_("Show one thing. ENTITY is kind:key, an id, or the first 8 digits of one."))
@argument("entity")
@AT_OPTION
@KNOWN_AT_OPTION
async def show(desk: CliContext, entity: str, at: str | None, known_at: str | None) -> None:
    async with await desk.open_workspace() as workspace:
        view = await parse_view(workspace, at, known_at)
        writing = await Formatter.create(workspace, view)
        record = await workspace.record(await workspace.find(entity, view), view)
        if view.is_past and not record.slots:
            when = desk.dates.dated(await workspace.parse_view_time(at or known_at or "", as_received=at is None))
            raise _not_there_error(entity, when, known=at is None)
        await writing.load_record_names(record)
        if not desk.json:
            await writing.load_device_names()
    if desk.json:
        slots = {
            prop.name: writing.slot_json(record.slot(prop.name)) for prop in shown_properties(record, writing.schema)
        }
        desk.print_json({**writing.kind_json(record.entity), "retired": record.retired, "slots": slots})
        return
    _print_record(desk, record, writing)


def _not_there_error(entity: str, when: str, known: bool) -> FieldlineError:
    if known:
        return FieldlineError("This device did not know {entity} yet at {time}.", entity=entity, time=when)
    return FieldlineError("{entity} did not exist yet at {time}.", entity=entity, time=when)


def _print_record(desk: CliContext, record: Record, writing: Formatter) -> None:
    name = writing.names.get(record.entity)
    title = f"{writing.entity_text(record.entity)} ({record.entity.hex()[:8]})"
    if name is not None and name.title not in (name.key, record.entity.hex()[:8]):
        title = f"{name.title} · {title}"
    desk.print_line(title + (" · " + _("retired") if record.retired else ""), bold=True)
    rows = []
    for prop in shown_properties(record, writing.schema):
        slot = record.slot(prop.name)
        label = "  " + prop.label(language())
        if not slot.leaves:
            rows.append([label, "○", _("not configured"), "", "", ""])
            continue
        value = writing.value_text(prop, slot.value)
        if not slot.provisional:
            glyph = "–" if slot.value is None else "!" if prop.check(slot.value) else "●"
            rows.append([label, glyph, value, *_author_text(desk, writing, slot.leaves[0])])
            continue
        for place, leaf in enumerate(slot.leaves):
            told = writing.value_text(prop, leaf.value) + (" " + _("(provisional)") if place == 0 else "")
            rows.append([label if place == 0 else "", "≠", told, *_author_text(desk, writing, leaf)])
    if rows:
        desk.print_table(rows, shrinkable=(5, 2))


def _author_text(desk: CliContext, writing: Formatter, leaf: Candidate) -> list[str]:
    note = quote(leaf.note)
    return [leaf.user, desk.dates.dated(leaf.at_us), f"{writing.device_name(leaf.device)} {note}".rstrip()]
