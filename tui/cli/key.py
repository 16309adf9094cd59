"""Verbs about keys: key renew."""

from __future__ import annotations

import click

from tui.cli.context import CliContext
from tui.cli.help import TranslatedCommand, option, verb
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.i18n.translate import N_, _


class _Key(TranslatedCommand, click.Group):
    pass


@click.group(cls=_Key, help=N_("Renew the key under which bundles are sealed."))
def key() -> None:
    pass


@verb(
    N_(
        "Begin a new key under which bundles are sealed from now on; `revoke` does so by itself. Only an "
        "admin may do this."
    )
)
@option("--note", metavar="TEXT", help=N_("Why."))
@DRY_RUN_OPTION
async def renew(context: CliContext, note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        written = await workspace.renew_epoch(note)
        if dry_run:
            await print_dry_run(context, workspace)
            return
    if context.json:
        context.print_json({"change": written.change.hex() if written.change else None})
    else:
        context.print_message(_("Renewed; the other devices learn of it when they sync: sync with them soon."))


key.add_command(renew)
