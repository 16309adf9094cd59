"""Verbs about what can be configured: schema show, check, apply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli.context import CliContext
from tui.cli.fleet import load_schema, read_schema_file
from tui.cli.help import TranslatedCommand, argument, option, verb
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.i18n.translate import N_, _, error_text, language, ngettext

if TYPE_CHECKING:
    from core.schema import Kind, Property, Schema


class _Schema(TranslatedCommand, click.Group):
    pass


@click.group(
    cls=_Schema, help=N_("Show, check or publish the fleet's schema: the kinds and what can be configured of each.")
)
def schema() -> None:
    pass


@verb(N_("Show the fleet's schema."))
async def show(context: CliContext) -> None:
    async with await context.open_workspace() as workspace:
        found = await workspace.schema()
    if context.json:
        context.print_json(_schema_json(found))
        return
    for kind in found.kinds.values():
        context.print_line(f"{kind.name}  {kind.label(language())}", bold=True)
        context.print_table(
            [
                ["  " + prop.name, prop.type + (" …" if prop.many else ""), prop.label(language()), _rules_text(prop)]
                for prop in kind.properties.values()
            ],
            shrinkable=(3,),
        )
    for problem in found.problems:
        context.print_message(str(problem))


def _rules_text(prop: Property) -> str:
    """What a value of a property has to keep to, besides its type."""
    rules = [
        (_("required"), prop.required),
        (_("unique"), prop.unique),
        (_("no overlap"), prop.no_overlap),
        (_("like {example}").format(example=prop.example), bool(prop.pattern and prop.example)),
        (prop.refers_to or "", bool(prop.refers_to)),
        ("|".join(prop.choices), bool(prop.choices)),
    ]
    return ", ".join(text for text, holds in rules if holds)


def _schema_json(schema: Schema) -> dict[str, Any]:
    """A schema as JSON: docs/schemas/schema-show.json."""
    return {
        "name": schema.name,
        "kinds": {name: _kind_json(kind) for name, kind in schema.kinds.items()},
        "problems": [error_text(problem) for problem in schema.problems],
    }


def _kind_json(kind: Kind) -> dict[str, Any]:
    return {
        "key": kind.key,
        "within": kind.within,
        "title": kind.title,
        "parent": kind.parent,
        "order": kind.order,
        "labels": dict(kind.labels),
        "plurals": dict(kind.plurals),
        "groups": {name: dict(labels) for name, labels in kind.groups.items()},
        "properties": {name: _property_json(prop) for name, prop in kind.properties.items()},
    }


def _property_json(prop: Property) -> dict[str, Any]:
    return {
        "type": prop.type,
        "many": prop.many,
        "required": prop.required,
        "unique": prop.unique,
        "no_overlap": prop.no_overlap,
        "pattern": prop.pattern,
        "example": prop.example,
        "choices": list(prop.choices),
        "refers_to": prop.refers_to,
        "group": prop.group,
        "labels": dict(prop.labels),
        "help": dict(prop.help),
    }


@verb(N_("Check a schema file without publishing it."))
@argument("file", type=click.Path(path_type=Path))
async def check(context: CliContext, file: Path) -> None:
    found = read_schema_file(file)
    if context.json:
        context.print_json({"name": found.name, "kinds": list(found.kinds)})
    else:
        context.print_message(
            _("{name} is a good schema with these kinds: {kinds}.").format(
                name=found.name, kinds=", ".join(found.kinds)
            )
        )


@verb(N_("Publish a schema (a built-in one or a TOML file) into the fleet. Only an admin may do this."))
@argument("file", metavar="NAME|FILE")
@option("--note", metavar="TEXT", help=N_("Why; shown in the log."))
@DRY_RUN_OPTION
async def apply(context: CliContext, file: str, note: str | None, dry_run: bool) -> None:
    found = load_schema(file)
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        written = await workspace.publish(found, note)
        if dry_run:
            await print_dry_run(context, workspace)
            return
    if context.json:
        context.print_json({"change": written.change.hex() if written.change else None, "facts": written.fact_count})
    elif written.change is None:
        context.print_message(_("Nothing is different: nothing was written."))
    else:
        context.print_message(ngettext("{count} kind published.", "{count} kinds published.", len(found.kinds)))


for command in (show, check, apply):
    schema.add_command(command)
