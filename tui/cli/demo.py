"""The verb that shows what this is about: on a terminal a made-up fleet in the UI, otherwise a transcript."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from tui.cli.help import Helped
from tui.language.i18n import N_


@click.command(
    cls=Helped,
    help=N_(
        "On a terminal: open a made-up fleet with history and conflicts; nothing of it is kept. Otherwise: print what"
        " happens when two devices edit the same thing apart, meet, disagree, settle it and look back."
    ),
)
def demo() -> int:
    with tempfile.TemporaryDirectory(prefix="fieldline-demo-") as folder:
        if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
            from tui.cli.demo_story import tell

            return tell(Path(folder))
        import asyncio

        return asyncio.run(_opened(Path(folder)))


async def _opened(folder: Path) -> int:
    from core.workspace import Workspace, system_clock
    from tui.cli import demo_fleet
    from tui.cli.screens import opened

    await demo_fleet.make(folder, system_clock())
    async with await Workspace.open(folder / demo_fleet.SEEN, user=demo_fleet.USER) as workspace:
        return await opened(workspace)
