"""The completion scripts of shells."""

from __future__ import annotations

import click

from tui.cli.help import TranslatedCommand
from tui.i18n.translate import N_

COMPLETE_VARIABLE = "_FIELDLINE_COMPLETE"


@click.command(
    cls=TranslatedCommand,
    help=N_('Print the completion script of a shell; for bash: eval "$(fieldline completion bash)".'),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    from click.shell_completion import get_completion_class

    if made := get_completion_class(shell):
        script = made(ctx.find_root().command, {}, "fieldline", COMPLETE_VARIABLE)
        click.echo(script.source_template % script.source_vars())
