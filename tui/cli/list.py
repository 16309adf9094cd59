"""The verb that lists all of a kind, with the columns that one asks for: list."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from core import values
from core.confirmation import is_confirmed_since
from core.device.display_names import cell_text
from core.device.edit_check import creatable_kind, find_property
from core.errors import Refused
from core.schema import RETIRED, Kind, Property
from core.sort_order import sort_key
from core.store.entities import EntityValues
from core.table_file import format_csv_line
from core.value_codec import Ref
from core.values import printable
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter, shown_names
from tui.cli.help import argument, option, verb
from tui.cli.parsing import AT_OPTION, KNOWN_AT_OPTION, parse_properties, parse_view
from tui.glyphs import GLYPHS
from tui.i18n.translate import N_, _, language, ngettext

RECORDS_PER_STEP = 500
"""Things that are read at once: a long list begins at once, and is never in memory as a whole."""

_ENTITY = Property("entity", type="reference")
"""The first column of CSV."""


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What is listed: conditions, columns by name or label, and order."""

    where: tuple[str, ...]
    not_confirmed_since: str | None
    retired: bool
    columns: str | None
    all_columns: bool
    sort: str | None
    reverse: bool
    limit: int | None


@verb(N_("List everything of a kind, in the order of the names."), "list")
@argument("kind")
@option(
    "--where", multiple=True, metavar="P=V", help=N_("Only those whose property has this value; may be given again.")
)
@option(
    "--not-confirmed-since",
    "not_confirmed_since",
    metavar="T",
    help=N_("Only those of which not every value was confirmed at this time or later."),
)
@option("--retired", is_flag=True, help=N_("Those that are retired, too."))
@option("--columns", metavar="P,P…", help=N_("Show these properties, by name or label."))
@option("--all-columns", is_flag=True, help=N_("Show all properties."))
@option("--csv", "as_csv", is_flag=True, help=N_("Print CSV; all properties, unless --columns names some."))
@option("--sort", metavar="P", help=N_("In the order of this property: numbers by value, nothing last."))
@option("--reverse", is_flag=True, help=N_("In the opposite order."))
@option("--limit", type=click.IntRange(1), metavar="N", help=N_("Only the first N."))
@AT_OPTION
@KNOWN_AT_OPTION
async def list_(
    context: CliContext, kind: str, at: str | None, known_at: str | None, as_csv: bool, **given: Any
) -> None:
    options = ListOptions(**given)
    if options.columns is not None and options.all_columns:
        raise Refused("Give --columns or --all-columns, not both.")
    if as_csv and context.json:
        raise Refused("Give --csv or --json, not both.")
    async with await context.open_workspace() as workspace:
        view = await parse_view(workspace, at, known_at)
        formatter = await Formatter.create(workspace, view)
        kind = formatter.schema.kind_name(kind)
        kind_def = formatter.schema.kind(kind)
        columns = _chosen_columns(kind_def, options, all_columns=as_csv or options.all_columns)
        where = await parse_properties(workspace, kind_def, options.where)
        found = await view.entities(kind, formatter.schema, where=where, retired=options.retired)
        if (
            not found
            and not kind_def.is_known
            and not await workspace.view().entities(kind, formatter.schema, retired=True)
        ):
            creatable_kind(formatter.schema, kind)
        if options.not_confirmed_since is not None:
            since_us = await workspace.parse_view_time(options.not_confirmed_since, is_first=True)
            found = [entity async for entity in _not_confirmed_since(formatter, found, since_us)]
        if options.sort is not None:
            found = await _sorted(formatter, find_property(kind_def, options.sort), found, reverse=options.reverse)
        elif options.reverse:
            found = found[::-1]
        found = found[: options.limit]
        if context.json:
            await _print_json(_read_values(formatter, found), formatter, kind_def, columns)
        elif as_csv:
            await _print_csv(_read_values(formatter, found), formatter, columns or [])
        elif columns is None:
            await _print_overview(context, found, formatter, kind_def)
        else:
            await _print_table(context, _read_values(formatter, found), formatter, kind_def, columns)


def _chosen_columns(kind: Kind, options: ListOptions, *, all_columns: bool) -> list[Property] | None:
    """The properties that are asked for; None if the call does not say."""
    if options.columns is None:
        return list(kind.properties.values()) if all_columns else None
    try:
        named = values.split_list(options.columns)
    except ValueError:
        named = [options.columns]
    found = [find_property(kind, name) for name in named if name]
    return list({prop.name: prop for prop in found}.values())


async def _not_confirmed_since(formatter: Formatter, entities: Sequence[bytes], since_us: int) -> AsyncIterator[bytes]:
    """Those of which somebody has still to see whether they are so."""
    for first in range(0, len(entities), RECORDS_PER_STEP):
        some = entities[first : first + RECORDS_PER_STEP]
        records = await formatter.view.records_by_id(some, formatter.schema)
        confirmations = await formatter.view.confirmations(some)
        for entity in some:
            if not is_confirmed_since(records[entity], confirmations[entity], since_us):
                yield entity


async def _sorted(formatter: Formatter, prop: Property, entities: Sequence[bytes], *, reverse: bool) -> list[bytes]:
    """Entities in the order of a property; those without a value are last, either way."""
    found = {
        entity: value
        for entity, value in (await formatter.view.values(prop.name, entities)).items()
        if value is not None
    }
    await formatter.load_names(values=found.values())

    def key(entity: bytes) -> Any:
        return sort_key(prop.type, found[entity], formatter.value_text(prop, found[entity]))

    with_value = sorted((entity for entity in entities if entity in found), key=key, reverse=reverse)
    return with_value + [entity for entity in entities if entity not in found]


async def _read_values(formatter: Formatter, entities: Sequence[bytes]) -> AsyncIterator[tuple[bytes, EntityValues]]:
    """Read values step by step, in this order, and all names in them."""
    for first in range(0, len(entities), RECORDS_PER_STEP):
        some = entities[first : first + RECORDS_PER_STEP]
        found = await formatter.view.entity_values(some)
        await formatter.load_names(some, (value for each in found.values() for value in each.values.values()))
        for entity in some:
            yield entity, found[entity]


Listed = AsyncIterator[tuple[bytes, EntityValues]]


async def _print_json(listed: Listed, formatter: Formatter, kind: Kind, columns: Sequence[Property] | None) -> None:
    """One JSON list, an item at a time."""
    click.echo("[", nl=False)
    separator = ""
    async for entity, found in listed:
        click.echo(separator + json.dumps(_entity_json(entity, found, formatter, kind, columns)), nl=False)
        separator = ", "
    click.echo("]")


def _entity_json(
    entity: bytes, found: EntityValues, formatter: Formatter, kind: Kind, columns: Sequence[Property] | None
) -> dict[str, Any]:
    """An entity as JSON: what has a value or, of columns that were asked for, all."""
    values = found.values
    if columns is None:
        shown = shown_names(kind, entity, values, found.provisional)
        listed = {name: formatter.value_json(values[name]) for name in shown if values.get(name) is not None}
    else:
        listed = {prop.name: formatter.value_json(values.get(prop.name)) for prop in columns}
    retired = {"retired": True} if values.get(RETIRED) is True else {}
    return {**formatter.kind_json(entity), **retired, "values": listed}


async def _print_csv(listed: Listed, formatter: Formatter, columns: Sequence[Property]) -> None:
    """A head of names, and a line for each.

    On a terminal nothing in it can act on that.
    """
    safe = printable if sys.stdout.isatty() else str
    click.echo(format_csv_line([_ENTITY.name, *(prop.name for prop in columns)]), nl=False)
    async for entity, found in listed:
        stated = [(prop, found.values.get(prop.name)) for prop in columns]
        cells = [cell_text(prop, value, formatter.names) for prop, value in [(_ENTITY, Ref(entity)), *stated]]
        click.echo(format_csv_line(map(safe, cells)), nl=False)


async def _print_overview(context: CliContext, entities: Sequence[bytes], formatter: Formatter, kind: Kind) -> None:
    """Print the title if it says more than the key, the id and what is in conflict."""
    rows = []
    for first in range(0, len(entities), RECORDS_PER_STEP):
        some = entities[first : first + RECORDS_PER_STEP]
        await formatter.load_names(some)
        retired = await formatter.view.retired(some)
        conflicts = await formatter.view.conflict_counts(some)
        rows += [
            _overview_row(entity, formatter, is_retired=entity in retired, conflict_count=conflicts.get(entity, 0))
            for entity in some
        ]
    _print_rows(context, rows, [kind.label(language()), _("Name"), _("Id"), ""], [1])


def _overview_row(entity: bytes, formatter: Formatter, *, is_retired: bool, conflict_count: int) -> list[str]:
    name = formatter.names[entity]
    marks = [_("retired")] if is_retired else []
    if conflict_count:
        marks.append(ngettext("≠ {count} conflict", "≠ {count} conflicts", conflict_count))
    title = name.title if name.title != name.key else ""
    return [formatter.entity_text(entity), title, entity.hex()[:8], ", ".join(marks)]


async def _print_table(
    context: CliContext, listed: Listed, formatter: Formatter, kind: Kind, columns: Sequence[Property]
) -> None:
    """Print the columns that were asked for."""
    rows = [
        [formatter.entity_text(entity), *(_column_text(found, prop, formatter) for prop in columns)]
        async for entity, found in listed
    ]
    head = [kind.label(language()), *(prop.label(language()) for prop in columns)]
    _print_rows(context, rows, head, list(range(len(columns), 0, -1)))


def _print_rows(context: CliContext, rows: list[list[str]], head: list[str], shrinkable: list[int]) -> None:
    if rows:
        context.print_table(rows, head, shrinkable=shrinkable)
    context.print_message(ngettext("{count} found.", "{count} found.", len(rows)))


def _column_text(found: EntityValues, prop: Property, formatter: Formatter) -> str:
    value = found.values.get(prop.name)
    text = "" if value is None else formatter.value_text(prop, value)
    return f"{GLYPHS['conflict']} {text}".rstrip() if prop.name in found.provisional else text
