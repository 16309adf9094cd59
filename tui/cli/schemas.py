"""Verbs about what can be configured: schema show, check, apply."""

from __future__ import annotations

from pathlib import Path

import click

from tui.cli.desk import Desk
from tui.cli.fleet import schema_in, schema_of
from tui.cli.help import Helped, argument, option, verb
from tui.language.i18n import N_, _, language, ngettext


class _Schema(Helped, click.Group):
    pass


@click.group(
    cls=_Schema, help=N_("Show, check or publish the fleet's schema: the kinds and what can be configured of each.")
)
def schema() -> None:
    pass


@verb(N_("Show the fleet's schema."))
async def show(desk: Desk) -> None:
    async with await desk.open() as workspace:
        found = await workspace.schema()
    if desk.json:
        desk.document({"name": found.name, "kinds": found.texts()})
        return
    for kind in found.kinds.values():
        desk.line(f"{kind.name}  {kind.label(language())}", strong=True)
        desk.table(
            [
                ["  " + prop.name, prop.type + (" …" if prop.many else ""), prop.label(language())]
                for prop in kind.properties.values()
            ]
        )
    for problem in found.problems:
        desk.say(str(problem))


@verb(N_("Check a schema file without publishing it."))
@argument("file", type=click.Path(path_type=Path))
async def check(desk: Desk, file: Path) -> None:
    found = schema_in(file)
    if desk.json:
        desk.document({"name": found.name, "kinds": list(found.kinds)})
    else:
        desk.say(
            _("{name} is a good schema with these kinds: {kinds}.").format(
                name=found.name, kinds=", ".join(found.kinds)
            )
        )


@verb(N_("Publish a schema (a built-in one or a TOML file) into the fleet. Only an admin's word counts."))
@argument("file", metavar="NAME|FILE")
@option("--note", metavar="TEXT", help=N_("Why; shown in the log."))
async def apply(desk: Desk, file: str, note: str | None) -> None:
    found = schema_of(file)
    async with await desk.open() as workspace:
        written = await workspace.publish(found, note)
    if desk.json:
        desk.document({"change": written.change.hex() if written.change else None, "facts": written.facts})
    elif written.change is None:
        desk.say(_("Nothing is different: nothing was written."))
    else:
        desk.say(ngettext("{count} kind published.", "{count} kinds published.", len(found.kinds)))


for command in (show, check, apply):
    schema.add_command(command)
