"""The verb watch: follow which values in use change, one line each."""

from __future__ import annotations

import asyncio
import select
import signal
import sys

from core.workspace import Workspace, feed
from core.workspace.feed import NamedEntry
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.i18n.translate import N_

READER_CHECK_S = 1.0
"""How often is looked whether anybody still reads, while nothing comes."""


@verb(
    N_(
        "Follow which values in use change, until stopped: all, those of a KIND, or those of an ENTITY. One line each,"
        " in the order in which they arrive on this device."
    )
)
@argument("of", metavar="[KIND|ENTITY]", required=False)
@option(
    "--since",
    metavar="CHANGE",
    help=N_("First what came after this change, or after this fact of one; `start` for all there is."),
)
async def watch(context: CliContext, of: str | None, since: str | None) -> None:
    async with await context.open_workspace() as workspace:
        kind, entity = await _parse_subject(workspace, of)
        cursor = await feed.find_cursor(workspace, since)
        following = asyncio.create_task(_print_feed(context, workspace, cursor, kind, entity))
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, following.cancel)
        try:
            await following
        except asyncio.CancelledError:
            if not following.cancelled():
                raise


async def _parse_subject(workspace: Workspace, text: str | None) -> tuple[str | None, bytes | None]:
    """The kind or the entity that is to be followed; raises Refused."""
    if text is None:
        return None, None
    if text in (await workspace.schema()).kinds:
        return text, None
    return None, await workspace.find(text)


async def _print_feed(
    context: CliContext, workspace: Workspace, cursor: int, kind: str | None, entity: bytes | None
) -> None:
    steps = feed.follow(workspace, cursor, kind=kind, entity=entity, idle_s=READER_CHECK_S)
    async for step in steps:
        schema = await workspace.schema()
        for each in step.entries:
            if context.json:
                context.print_json(each.as_json())
            else:
                _print_entry(context, each, Formatter(workspace, workspace.view(), schema, each.names))
        if not step.entries and _is_reader_gone():
            return


def _print_entry(context: CliContext, named: NamedEntry, formatter: Formatter) -> None:
    entry = named.entry
    prop = formatter.schema.kind(named.kind).property(entry.property)
    values = " → ".join(formatter.value_text(prop, value) for value in (entry.before, entry.after))
    who = f"{context.dates.full(entry.at_us)}  {entry.user} ({named.device_name})"
    context.print_line(f"{who}  {formatter.entity_text(entry.entity)}  {entry.property}: {values}")


def _is_reader_gone() -> bool:
    """Whether stdout is a pipe or a terminal at whose other end nobody is any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False
