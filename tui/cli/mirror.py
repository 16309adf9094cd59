"""The verb for the head office: mirror."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from core.errors import FieldlineError, Refused
from core.mirror.findings import NOT_INSTALLED
from core.timestamps import format_timestamp
from tui.cli.context import CliContext
from tui.cli.help import argument, option, verb
from tui.cli.mirror_events import result_json
from tui.cli.progress import show_progress
from tui.i18n.translate import N_, _, error_text, format_number

if TYPE_CHECKING:
    from core.mirror.comparison import Difference
    from core.mirror.mirror import Mirror, MirrorResult
    from core.workspace import Workspace

MAX_DIFFERENCES, MAX_DIFFERENCES_SHOWN = 10_000, 20
"""A check ends at the first, since a mirror that differs so much is of something else."""


@verb(
    N_(
        "Mirror all that this device knows into PostgreSQL, and go on until stopped. DSN is postgresql://USER@HOST/DATABASE;"
        " a password is best kept in a password file."
    )
)
@argument("dsn")
@option("--once", is_flag=True, help=N_("Bring the mirror up to date, and end."))
@option("--check", is_flag=True, help=N_("Write nothing, but compare the mirror with this device."))
async def mirror(context: CliContext, dsn: str, once: bool, check: bool) -> int | None:
    if once and check:
        raise Refused("Give either --once or --check.")
    async with await context.open_workspace() as workspace:
        if check:
            return await _check(context, workspace, dsn)
        if once:
            async with await _load_mirror().open(workspace, workspace.inbox, dsn) as opened:
                _print_result(context, await opened.update())
            return None
        await _follow(context, workspace, dsn)
    return None


def _load_mirror() -> type[Mirror]:
    """Import the mirror; raises FieldlineError where psycopg is not installed."""
    try:
        from core.mirror.mirror import Mirror
    except ImportError:
        raise NOT_INSTALLED from None
    return Mirror


async def _follow(context: CliContext, workspace: Workspace, dsn: str) -> None:
    """Mirror whatever comes; wait for a database that was there and is gone."""
    _load_mirror()
    from core.mirror.database import MirrorUnreachable
    from core.mirror.follower import MIN_RETRY_S, follow

    is_reached = False

    def on_result(result: MirrorResult) -> None:
        nonlocal is_reached
        if result.change_count or not is_reached:
            _print_result(context, result)
        is_reached = True

    def on_error(error: FieldlineError, wait_s: float) -> bool:
        if not is_reached or not isinstance(error, MirrorUnreachable):
            return False
        if wait_s == MIN_RETRY_S:
            context.print_message(error_text(error))
        return True

    await follow(workspace, workspace.inbox, dsn, on_result=on_result, on_error=on_error)


def _print_result(context: CliContext, result: MirrorResult) -> None:
    if context.json:
        context.print_json(result_json(result))
        return
    context.print_message(
        _("Mirrored: {changes} changes, {facts} values.").format(
            changes=format_number(result.change_count), facts=format_number(result.fact_count)
        )
    )


async def _check(context: CliContext, workspace: Workspace, dsn: str) -> int:
    mirror_type = _load_mirror()
    from core.mirror.comparison import compare

    found: list[Difference] = []
    async with await mirror_type.open(workspace, workspace.inbox, dsn) as opened:
        root = (await workspace.store.summary()).root
        if await opened.root() != root:
            raise FieldlineError("The mirror is behind this device: run `fieldline mirror --once` first.")
        with show_progress(N_("{done} of {total} compared")) as on_progress:
            async with aclosing(compare(opened, workspace, await workspace.inbox(), on_progress)) as differences:
                async for each in differences:
                    found.append(each)
                    if len(found) == MAX_DIFFERENCES:
                        break
        if found and (await workspace.store.summary()).root != root:
            raise FieldlineError("This device has got changes meanwhile: mirror them, and check once more.")
    _print_differences(context, root, found)
    return 1 if found else 0


def _print_differences(context: CliContext, root: bytes, found: list[Difference]) -> None:
    if context.json:
        context.print_json({"root": root.hex(), "differences": [_difference_json(each) for each in found]})
        return
    for each in found[:MAX_DIFFERENCES_SHOWN]:
        when = "" if each.at_us is None else f" {format_timestamp(each.at_us)}"
        context.print_line(f"{each.table}{when} {each.entity.hex()} {each.property}: {each.mirrored} ≠ {each.stored}")
    if not found:
        context.print_message(_("The mirror says what this device says."))
    elif len(found) == MAX_DIFFERENCES:
        text = _("The mirror differs in {count} rows or more: the check ended there.")
        context.print_message(text.format(count=format_number(len(found))))
    else:
        context.print_message(_("The mirror differs in {count} rows.").format(count=format_number(len(found))))


def _difference_json(each: Difference) -> dict[str, str | None]:
    return {
        "table": each.table,
        "at": None if each.at_us is None else format_timestamp(each.at_us),
        "entity": each.entity.hex(),
        "property": each.property,
        "mirror": None if each.mirrored is None else str(each.mirrored),
        "store": None if each.stored is None else str(each.stored),
    }
