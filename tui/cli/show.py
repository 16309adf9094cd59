"""Verbs that show what is configured: list, show."""

from __future__ import annotations

from typing import Any

from core.device.edit_check import creatable_kind
from core.errors import FieldlineError
from core.records import Record
from core.schema import Kind
from core.slots import Candidate
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter, shown_properties
from tui.cli.help import argument, option, verb
from tui.cli.parsing import parse_properties, parse_view
from tui.i18n.dates import with_clock_error
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
    context: CliContext, kind: str, where: tuple[str, ...], retired: bool, at: str | None, known_at: str | None
) -> None:
    async with await context.open_workspace() as workspace:
        view = await parse_view(workspace, at, known_at)
        formatter = await Formatter.create(workspace, view)
        schema = formatter.schema
        kind_def = schema.kind(kind)
        records = await view.records(
            kind, schema, where=await parse_properties(workspace, kind_def, where), retired=retired
        )
        if not records and not kind_def.is_known and not await workspace.view().records(kind, schema, retired=True):
            creatable_kind(schema, kind)
        await formatter.load_names(
            (r.entity for r in records), (slot.value for r in records for slot in r.slots.values())
        )
    if context.json:
        context.print_json([_record_json(record, formatter) for record in records])
        return
    _print_record_table(context, kind_def, records, formatter)


def _record_json(record: Record, formatter: Formatter) -> dict[str, Any]:
    values = {
        prop.name: formatter.value_json(record.value(prop.name))
        for prop in shown_properties(record, formatter.schema)
        if record.value(prop.name) is not None
    }
    retired = {"retired": True} if record.retired else {}
    return {**formatter.kind_json(record.entity), **retired, "values": values}


def _print_record_table(context: CliContext, kind: Kind, records: list[Record], formatter: Formatter) -> None:
    """Key, title if it says more, what is in conflict, id."""
    rows = []
    for record in records:
        name = formatter.names[record.entity]
        contested = sum(slot.provisional for slot in record.slots.values())
        told = [_("retired")] if record.retired else []
        if contested:
            told.append(ngettext("≠ {count} conflict", "≠ {count} conflicts", contested))
        title = name.title if name.title != name.key else ""
        rows.append([formatter.entity_text(record.entity), title, record.entity.hex()[:8], ", ".join(told)])
    if rows:
        context.print_table(rows, [kind.label(language()), _("Name"), _("Id"), ""], shrinkable=(1,))
    context.print_message(ngettext("{count} found.", "{count} found.", len(rows)))


@verb(N_("Show one thing. ENTITY is kind:key, an id, or the first 8 digits of one."))
@argument("entity")
@AT_OPTION
@KNOWN_AT_OPTION
async def show(context: CliContext, entity: str, at: str | None, known_at: str | None) -> None:
    async with await context.open_workspace() as workspace:
        view = await parse_view(workspace, at, known_at)
        formatter = await Formatter.create(workspace, view)
        record = await workspace.record(await workspace.find(entity, view), view)
        if view.is_past and not record.slots:
            when = context.dates.dated(await workspace.parse_view_time(at or known_at or "", as_received=at is None))
            raise _not_there_error(entity, when, known=at is None)
        await formatter.load_record_names(record)
        if not context.json:
            await formatter.load_device_names()
    if context.json:
        slots = {
            prop.name: formatter.slot_json(record.slot(prop.name))
            for prop in shown_properties(record, formatter.schema)
        }
        context.print_json({**formatter.kind_json(record.entity), "retired": record.retired, "slots": slots})
        return
    _print_record(context, record, formatter)


def _not_there_error(entity: str, when: str, known: bool) -> FieldlineError:
    if known:
        return FieldlineError("This device did not know {entity} yet at {time}.", entity=entity, time=when)
    return FieldlineError("{entity} did not exist yet at {time}.", entity=entity, time=when)


def _print_record(context: CliContext, record: Record, formatter: Formatter) -> None:
    from tui.glyphs import GLYPHS

    name = formatter.names.get(record.entity)
    title = f"{formatter.entity_text(record.entity)} ({record.entity.hex()[:8]})"
    if name is not None and name.title not in (name.key, record.entity.hex()[:8]):
        title = f"{name.title} · {title}"
    context.print_line(title + (" · " + _("retired") if record.retired else ""), bold=True)
    rows = []
    for prop in shown_properties(record, formatter.schema):
        slot = record.slot(prop.name)
        label = "  " + prop.label(language())
        if not slot.leaves:
            rows.append([label, GLYPHS["absent"], _("not configured"), "", "", ""])
            continue
        value = formatter.value_text(prop, slot.value)
        if not slot.provisional:
            state = slot.state if slot.value is None or not prop.check(slot.value) else "invalid"
            rows.append([label, GLYPHS[state], value, *_author_text(context, formatter, slot.leaves[0])])
            continue
        for index, leaf in enumerate(slot.leaves):
            told = formatter.value_text(prop, leaf.value) + (" " + _("(provisional)") if index == 0 else "")
            rows.append(
                [label if index == 0 else "", GLYPHS["conflict"], told, *_author_text(context, formatter, leaf)]
            )
    if rows:
        context.print_table(rows, shrinkable=(5, 2))


def _author_text(context: CliContext, formatter: Formatter, leaf: Candidate) -> list[str]:
    note = quote(leaf.note)
    time = with_clock_error(context.dates.dated(leaf.at_us), leaf.clock)
    return [leaf.user, time, f"{formatter.device_name(leaf.device)} {note}".rstrip()]
