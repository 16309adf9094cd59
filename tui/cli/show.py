"""The verb that shows one thing: show."""

from __future__ import annotations

from core.errors import FieldlineError
from core.records import Record
from core.slots import Candidate
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter, shown_properties
from tui.cli.help import argument, verb
from tui.cli.parsing import AT_OPTION, KNOWN_AT_OPTION, parse_view
from tui.i18n.dates import with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, language


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
            text = formatter.value_text(prop, leaf.value) + (" " + _("(provisional)") if index == 0 else "")
            rows.append(
                [label if index == 0 else "", GLYPHS["conflict"], text, *_author_text(context, formatter, leaf)]
            )
    if rows:
        context.print_table(rows, shrinkable=(5, 2))


def _author_text(context: CliContext, formatter: Formatter, leaf: Candidate) -> list[str]:
    note = quote(leaf.note)
    time = with_clock_error(context.dates.dated(leaf.at_us), leaf.clock)
    return [leaf.user, time, f"{formatter.device_name(leaf.device)} {note}".rstrip()]
