"""The verb that makes things be as a file wants them: apply."""

from __future__ import annotations

from pathlib import Path

import click

from tui.cli.context import CliContext
from tui.cli.edit import NOTE_OPTION, resolved_text
from tui.cli.formatting import Formatter
from tui.cli.help import argument, verb
from tui.cli.parsing import parse_plain_value
from tui.cli.plan import DRY_RUN_OPTION, plan_json, print_plan_table, read_plan
from tui.cli.tables import readable_file
from tui.i18n.translate import N_, _, ngettext


@verb(
    N_(
        "Make things be as a file (TOML or JSON) wants them, as one change, and show what that is; `-` reads it from "
        "stdin. What the file does not name stays."
    )
)
@argument("file", type=click.Path(path_type=Path))
@NOTE_OPTION
@DRY_RUN_OPTION
async def apply(context: CliContext, file: Path, note: str | None, dry_run: bool) -> None:
    with readable_file(file) as path:
        async with await context.open_workspace(dry_run=dry_run) as workspace:
            plan = await workspace.plan_state(path, parse_plain_value)
            formatter = await Formatter.create(workspace)
            lines = await read_plan(formatter, plan.edits)
            written = await workspace.save(plan.edits, note)
    if context.json:
        change = written.hex() if written else None
        data = {"change": change, "facts": len(plan.edits), "resolved": plan.resolved}
        context.print_json({**data, "plan": plan_json(formatter, lines)})
        return
    print_plan_table(context, formatter, lines)
    facts = ngettext("{count} value", "{count} values", len(plan.edits))
    if not plan.edits:
        context.print_message(_("Nothing is different: nothing was written."))
    elif written is None:
        context.print_message(_("{facts} would be saved; nothing was written.").format(facts=facts))
    else:
        if plan.resolved:
            context.print_message(resolved_text(plan.resolved))
        context.print_message(_("{facts} saved as change {change}.").format(facts=facts, change=written.hex()[:8]))
