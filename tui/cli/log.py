"""Verbs that look back: log, blame, diff."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import click

from core.device.display_names import mask_secrets
from core.device.edit_check import find_property
from core.errors import Refused
from core.schema import KIND, RETIRED, Property, in_schema_order
from core.slots import Candidate
from core.store.indexes.holdings import Holder
from core.store.queries.differences import Difference
from core.store.queries.fact_diffs import FactDiff, without_author
from core.store.queries.log import LogEntry, LogFilter
from core.store.view import View
from core.timestamps import format_timestamp
from core.value_codec import Value, normalized
from core.values import printable
from core.workspace import Workspace
from core.workspace.holdings import read_holders
from tui.cli.context import (
    COLUMN_GAP,
    MAX_COLUMN_WIDTH,
    MIN_COLUMN_WIDTH,
    CliContext,
    pad_text,
    text_width,
    truncate_text,
)
from tui.cli.formatting import Formatter, shown_properties
from tui.cli.help import argument, option, verb
from tui.glyphs import GLYPHS
from tui.i18n.dates import with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, language, ngettext
from tui.view_models.confirmation import confirmed_text
from tui.view_models.kept_value import kept_text, reopened_text

PAGE_ENTRIES = 200
"""Changes that are read at a time: the first are printed at once, and few readings do for many."""


@verb(N_("Show who changed what, newest first: everything, or only ENTITY, or only its property PROP."))
@argument("entity", required=False)
@argument("name", metavar="[PROP]", required=False)
@option("--by", metavar="USER", help=N_("Only what this user changed."))
@option("--device", metavar="D", help=N_("Only what was changed on this device: its name, its id, or the start of it."))
@option("--since", metavar="T", help=N_("Only from this time on."))
@option("--until", metavar="T", help=N_("Only up to this time."))
@option("--grep", metavar="S", help=N_("Only what contains this text: the note, the user, a property or a value."))
@option("--limit", type=click.IntRange(min=1), metavar="N", help=N_("At most so many changes."))
async def log(
    context: CliContext,
    entity: str | None,
    name: str | None,
    by: str | None,
    device: str | None,
    since: str | None,
    until: str | None,
    grep: str | None,
    limit: int | None,
) -> None:
    async with await context.open_workspace() as workspace:
        of = None if entity is None else await workspace.find(entity)
        wanted = LogFilter(
            entity=of,
            property=None if of is None or name is None else await _find_property(workspace, of, name),
            user=by,
            device=None if device is None else await workspace.device(device),
            since_us=None if since is None else await workspace.parse_view_time(since, is_first=True),
            until_us=None if until is None else await workspace.parse_view_time(until),
            text=normalized(grep or ""),
        )
        formatter = await Formatter.create(workspace)
        if not context.json:
            await formatter.load_device_names()
        count = 0
        async for page in _read_pages(workspace.view(), wanted, limit):
            edits = [await _read_edits(workspace, entry.change) for entry in page]
            holders = await read_holders(workspace, [entry.change for entry in page]) if context.json else {}
            await formatter.load_names(
                (edit.entity for some in edits for edit in some),
                (value for some in edits for edit in some for value in (edit.old, edit.new)),
            )
            for entry, some in zip(page, edits, strict=True):
                if context.json:
                    context.print_json(_entry_json(entry, some, holders.get(entry.change, ()), formatter))
                else:
                    _print_entry(context, entry, some, formatter, only=wanted)
            count += len(page)
    if not count:
        context.print_message(_("No changes like that."))


async def _find_property(workspace: Workspace, entity: bytes, name: str) -> str:
    """The name of a property that an entity has or had, or that its kind has.

    Raises Refused.
    """
    record = await workspace.record(entity)
    if name in record.slots:
        return name
    return find_property((await workspace.schema()).kind(record.kind), name).name


async def _read_edits(workspace: Workspace, change: bytes) -> list[FactDiff]:
    return mask_secrets(await workspace.view().fact_diffs(change, None))


async def _read_pages(view: View, wanted: LogFilter, limit: int | None) -> AsyncIterator[list[LogEntry]]:
    after, left = None, limit
    while left is None or left > 0:
        page = await view.log(wanted, cursor=after, limit=PAGE_ENTRIES if left is None else min(PAGE_ENTRIES, left))
        if not page:
            return
        yield page
        after = page[-1].cursor
        left = None if left is None else left - len(page)


def _entry_json(
    entry: LogEntry, edits: list[FactDiff], holders: Sequence[Holder], formatter: Formatter
) -> dict[str, Any]:
    return {
        "change": entry.change.hex(),
        "changes": [change.hex() for change in entry.changes],
        "at": format_timestamp(entry.at_us),
        "clock": entry.clock,
        "received_at": format_timestamp(entry.received_at_us),
        "user": entry.user,
        "person": entry.person.hex(),
        "device": entry.device.hex(),
        "note": entry.note,
        "state": "good" if entry.accepted else "quarantined",
        "reached": [_holder_json(each) for each in holders],
        "edits": [_edit_json(formatter, edit.entity, edit.property, edit.old, edit.new) for edit in edits],
    }


def _holder_json(holder: Holder) -> dict[str, Any]:
    reporter = holder.reported_by
    return {"device": holder.device.hex(), "reported_by": None if reporter is None else reporter.hex()}


def _edit_json(formatter: Formatter, entity: bytes, name: str, old: Value, new: Value) -> dict[str, Any]:
    return {
        **formatter.kind_json(entity),
        "property": name,
        "old": formatter.value_json(old),
        "new": formatter.value_json(new),
    }


MAX_SHOWN_EDITS = 8
"""Rows of one change in the log."""


def _print_entry(
    context: CliContext, entry: LogEntry, edits: list[FactDiff], formatter: Formatter, only: LogFilter
) -> None:
    """A change on a line of its own, then what it did, cut short where it did much."""
    note = f"  {quote(entry.note)}" if entry.note else ""
    doubt = "" if entry.accepted else "  " + _("without effect")
    time = with_clock_error(context.dates.dated(entry.at_us), entry.clock)
    head = f"{entry.change.hex()[:8]}  {time}  {entry.user}  {formatter.device_name(entry.device)}"
    context.print_line(head + note + doubt, bold=True)
    if only.entity is not None:
        edits = [edit for edit in edits if edit.entity == only.entity and only.property in (None, edit.property)]
    visible = _visible_edits(without_author(entry, edits), formatter)
    order = {entity: index for index, entity in enumerate(dict.fromkeys(edit.entity for edit in visible))}
    visible.sort(key=lambda each: (order[each.entity], formatter.rank(each.entity, each.property)))
    _edit_rows(context, formatter, visible[:MAX_SHOWN_EDITS])
    if len(visible) > MAX_SHOWN_EDITS:
        context.print_line(
            "  " + ngettext("and {count} more value", "and {count} more values", len(visible) - MAX_SHOWN_EDITS)
        )


def _visible_edits(edits: list[FactDiff], formatter: Formatter) -> list[FactDiff]:
    """The edits that mean something to people.

    Not the first kind and key of what the same change says more about.
    """

    def plain(edit: FactDiff) -> bool:
        called = formatter.names.get(edit.entity)
        return not edit.had_value and edit.property in (
            KIND,
            formatter.schema.kind(called.kind if called else None).key,
        )

    more = {edit.entity for edit in edits if not plain(edit)}
    return [edit for edit in edits if not plain(edit) or edit.entity not in more]


def _edit_rows(
    context: CliContext, formatter: Formatter, edits: Sequence[FactDiff], widths: list[int] | None = None
) -> None:
    """Edits for people, a line each.

    What they are of, and both values, which share the room that is left. `widths` are those of the columns of the rows
    before, which these go on with.
    """
    if not edits:
        return
    kinds = {entity: name.kind for entity, name in formatter.names.items()}
    names = {edit.entity: printable("  " + formatter.entity_text(edit.entity)) for edit in edits}
    props = {
        slot: formatter.schema.property(*slot) for slot in {(kinds.get(edit.entity), edit.property) for edit in edits}
    }
    labels = {slot: printable(prop.label(language())) for slot, prop in props.items()}
    widths = [0, 0] if widths is None else widths
    for column, texts in enumerate((names.values(), labels.values())):
        widths[column] = max(widths[column], *map(text_width, texts))
    room = context.columns_left(*widths)
    heads = {entity: pad_text(name, widths[0]) for entity, name in names.items()}
    labels = {slot: pad_text(label, widths[1]) for slot, label in labels.items()}
    lines = []
    for edit in edits:
        slot = kinds.get(edit.entity), edit.property
        before = formatter.value_text(props[slot], edit.old) if edit.had_value else _("not configured")
        values = _fit_values(printable(before), printable(_after_text(formatter, props[slot], edit)), room)
        lines.append(COLUMN_GAP.join((heads[edit.entity], labels[slot], values)).rstrip())
    context.print_lines(lines)


def _after_text(formatter: Formatter, prop: Property, edit: FactDiff) -> str:
    """The new value, or why the old one stays: resolved with it, or that undone."""
    if kept := kept_text(edit):
        return kept
    more = reopened_text(edit)
    return formatter.value_text(prop, edit.new) + (f", {more}" if more else "")


def _fit_values(before: str, after: str, room: int | None) -> str:
    """`before → after`; where they do not fit, the longer one gives way first."""
    arrow = " → "
    each = MAX_COLUMN_WIDTH
    if room is not None:
        half = (room - len(arrow)) // 2
        spare = max(0, half - min(text_width(before), text_width(after)))
        each = max(MIN_COLUMN_WIDTH, half + spare)
    return truncate_text(before, each) + arrow + truncate_text(after, each)


@verb(N_("Show for each property its value, and who set it, when, on which device and why."))
@argument("entity")
async def blame(context: CliContext, entity: str) -> None:
    async with await context.open_workspace() as workspace:
        record = await workspace.record(await workspace.find(entity))
        formatter = await Formatter.create(workspace)
        await formatter.load_record_names(record)
        await formatter.load_device_names()
        slots = [(prop, record.slot(prop.name)) for prop in shown_properties(record, formatter.schema)]
        retired = record.slot(RETIRED)
        if retired.leaves and not retired.provisional:
            slots.append((formatter.schema.property(record.kind, RETIRED), retired))
        slots = [(prop, slot) for prop, slot in slots if slot.leaves]
        confirmed = (await workspace.view().confirmations([record.entity]))[record.entity]
        set_by = {
            name: next(iter(await workspace.view().confirmed_facts(leaf.fact)), leaf)
            for name, leaf in confirmed.items()
        }
    if context.json:
        context.print_json(
            [
                {
                    "property": prop.name,
                    "value": formatter.value_json(slot.value),
                    "provisional": slot.provisional,
                    **_author_json(slot.leaves[0] if slot.provisional else set_by.get(prop.name, slot.leaves[0])),
                    "confirmed": _author_json(confirmed[prop.name])
                    if prop.name in confirmed and not slot.provisional
                    else None,
                }
                for prop, slot in slots
            ]
        )
        return
    rows = []
    for prop, slot in slots:
        for index, leaf in enumerate(slot.leaves if slot.provisional else [set_by.get(prop.name, slot.leaves[0])]):
            label = prop.label(language()) if index == 0 else GLYPHS["conflict"]
            note = quote(leaf.note)
            if prop.name in confirmed and not slot.provisional:
                note = f"{confirmed_text(confirmed[prop.name], context.dates)} {note}".rstrip()
            device = formatter.device_name(leaf.device)
            value = formatter.value_text(prop, leaf.value)
            time = with_clock_error(context.dates.dated(leaf.at_us), leaf.clock)
            rows.append([label, value, leaf.user, time, device, leaf.change.hex()[:8], note])
    if rows:
        context.print_table(rows, shrinkable=(6, 1))


def _author_json(leaf: Candidate) -> dict[str, Any]:
    """Who set or confirmed a value."""
    return {
        "user": leaf.user,
        "person": leaf.person.hex(),
        "device": leaf.device.hex(),
        "at": format_timestamp(leaf.at_us),
        "clock": leaf.clock,
        "note": leaf.note,
        "change": leaf.change.hex(),
    }


@verb(N_("Show what differs between two times (or one and now), of everything or of ENTITY."))
@argument("times", metavar="T1 [T2] [ENTITY]", nargs=-1, required=True)
async def diff(context: CliContext, times: tuple[str, ...]) -> None:
    if "-h" in times:
        click.echo(click.get_current_context().get_help())
        return
    async with await context.open_workspace() as workspace:
        one, other, entity = await _parse_times(workspace, times)
        formatter = await Formatter.create(workspace, other)
        pages = _difference_pages(formatter, one, other, entity)
        if context.json:
            await context.print_json_pages(_differences_json(formatter, page) async for page in pages)
            return
        await formatter.load_device_names()
        widths = [0, 0]
        async for page in pages:
            rows = [FactDiff(b"", *each, each[2] is not None) for each in page if each[1] != KIND]
            _edit_rows(context, formatter, rows, widths)
    if not any(widths):
        context.print_message(_("Nothing differs."))


def _differences_json(formatter: Formatter, page: Sequence[Difference]) -> list[dict[str, Any]]:
    of = {entity: formatter.kind_json(entity) for entity in {each[0] for each in page}}
    value = formatter.value_json
    return [{**of[entity], "property": name, "old": value(old), "new": value(new)} for entity, name, old, new in page]


async def _difference_pages(
    formatter: Formatter, one: View, other: View, entity: bytes | None
) -> AsyncIterator[list[Difference]]:
    """Read what differs with the names in it, in the schema's order.

    Names of earlier pages are forgotten.
    """
    async for page in one.difference_pages(other, entity):
        values = [value for _entity, _name, old, new in page for value in (old, new)]
        formatter.names.clear()
        await formatter.load_names((each[0] for each in page), values)
        yield in_schema_order(
            page, lambda each: (each[0], each[1]), lambda e: formatter.names[e].kind, formatter.schema
        )


# A time such as -2h looks like an option, and like the short one for help.
diff.context_settings.update(ignore_unknown_options=True, help_option_names=["--help"])


async def _parse_times(workspace: Workspace, given: tuple[str, ...]) -> tuple[View, View, bytes | None]:
    """The two views and the entity: what is not a time at the end is the entity."""
    if len(given) > 3:
        raise Refused("Give two times and one ENTITY at most.")
    times, entity = list(given), None
    if len(given) == 3:
        entity = await workspace.find(times.pop())
    elif len(given) == 2:
        try:
            await workspace.parse_view_time(times[1])
        except Refused as no_moment:
            try:
                entity = await workspace.find(times.pop())
            except Refused as no_entity:
                raise (no_entity if ":" in given[1] and not given[1][0].isdigit() else no_moment) from None
    views = [workspace.view(await workspace.parse_view_time(text)) for text in times]
    return views[0], views[1] if len(views) == 2 else workspace.view(), entity
