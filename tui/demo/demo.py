"""The verb demo: on a terminal a made-up fleet in the UI, otherwise a transcript."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from tui.cli.help import TranslatedCommand
from tui.i18n.translate import N_


@click.command(
    cls=TranslatedCommand,
    help=N_(
        "On a terminal: open a made-up fleet with history and conflicts; nothing of it is kept. "
        "Otherwise: print what happens when two devices edit the same thing apart, sync, "
        "disagree, resolve it and look back."
    ),
)
def demo() -> int:
    with tempfile.TemporaryDirectory(prefix="fieldline-demo-") as folder:
        if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
            from tui.demo.story import print_story

            return print_story(Path(folder))
        import asyncio

        return asyncio.run(_run_demo(Path(folder)))


async def _run_demo(folder: Path) -> int:
    from core.workspace import Workspace, system_clock
    from tui.cli.tui import run_app
    from tui.demo import fleet

    await fleet.make_fleet(folder, system_clock())
    async with await Workspace.open(folder / fleet.DEMO_DEVICE, user=fleet.DEMO_USER) as workspace:
        return await run_app(workspace)
