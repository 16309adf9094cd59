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
from tui.i18n.translate import N_, _

READER_CHECK_S = 1.0
"""How often is looked whether anybody still reads, while nothing comes."""
SLOW_READER_S = 0.05
"""How often is looked whether a reader who is behind takes more."""
READER_GONE = select.POLLERR | select.POLLHUP


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
    schema = await workspace.schema()
    if (kind := schema.kind_name(text)) in schema.kinds:
        return kind, None
    return None, await workspace.find(text)


async def _print_feed(
    context: CliContext, workspace: Workspace, cursor: int, kind: str | None, entity: bytes | None
) -> None:
    steps = feed.follow(workspace, cursor, kind=kind, entity=entity, idle_s=READER_CHECK_S)
    async for step in steps:
        schema = await workspace.schema()
        for each in step.entries:
            if not await _is_reader_ready():
                return
            if context.json:
                context.print_json(each.as_json())
            else:
                _print_entry(context, each, Formatter(workspace, workspace.view(), schema, each.names))
        if not step.entries and _stdout_events() & READER_GONE:
            return


def _print_entry(context: CliContext, named: NamedEntry, formatter: Formatter) -> None:
    entry = named.entry
    prop = formatter.schema.kind(named.kind).property(entry.property)
    values = " → ".join(formatter.value_text(prop, value) for value in (entry.before, entry.after))
    who = f"{context.dates.full(entry.at_us)}  {entry.user} ({named.device_name})"
    why = "  " + _("(a device was revoked or let in)") if named.is_effect else ""
    context.print_line(f"{who}  {formatter.entity_text(entry.entity)}  {entry.property}: {values}{why}")


async def _is_reader_ready() -> bool:
    """Wait until stdout takes a line, so that a signal is heeded meanwhile.

    False if nobody is at its other end.
    """
    while not (events := _stdout_events()) & (READER_GONE | select.POLLOUT):  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(SLOW_READER_S)
    return not events & READER_GONE


def _stdout_events() -> int:
    """What poll(2) tells of stdout; that it takes more where it is no descriptor."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return next((events for _, events in poll.poll(0)), 0)
    except (OSError, ValueError):
        return select.POLLOUT
