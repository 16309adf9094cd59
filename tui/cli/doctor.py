"""The verb doctor: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import locale
from collections.abc import AsyncIterator, Sequence

from core.errors import FieldlineError
from core.hooks.findings import check_hooks
from core.mirror.findings import check_mirror
from core.timestamps import format_timestamp
from core.workspace import diagnostics
from core.workspace.diagnostics import Finding
from tui.cli.context import CliContext
from tui.cli.help import verb
from tui.i18n.translate import N_, _, error_text, ngettext

_CHECKS = {
    "program": N_("program"),
    "home": N_("home folder"),
    "privacy": N_("privacy"),
    "key": N_("device key"),
    "settings": N_("settings"),
    "disk": N_("disk"),
    "network": N_("discovery"),
    "port": N_("serving"),
    "cable": N_("serial ports"),
    "store": N_("store"),
    "restored": N_("own changes"),
    "membership": N_("membership"),
    "refused": N_("unknown devices"),
    "limits": N_("limits"),
    "chains": N_("chains"),
    "scopes": N_("scopes"),
    "clock": N_("clock"),
    "sync": N_("sync"),
    "hooks": N_("hooks"),
    "mirror": N_("mirror"),
    "terminal": N_("terminal"),
}
_STATES = {"good": N_("ok"), "warning": N_("warning"), "problem": N_("problem")}


@verb(N_("Say what is wrong with this installation, and how to mend it. Nothing is changed."))
async def doctor(context: CliContext) -> int:
    found = [finding async for finding in _collect_findings(context)]
    problems = sum(finding.severity == "problem" for finding in found)
    if context.json:
        context.print_json([_as_json(each) for each in found])
    else:
        context.print_table(
            [[_(_STATES[each.severity]), _(_CHECKS[each.check])] for each in found if each.message is None]
        )
        for each in found:
            if each.message is not None:
                context.print_line(
                    f"{_(_STATES[each.severity])}  {_(_CHECKS[each.check])}: {error_text(each.message)}", bold=True
                )
        context.print_message(_summary(found))
        for each in found:
            if each.check == "store" and each.message is None:
                context.print_message(_verified_text(context, each.verified_at_us))
                if each.checked_at_us is not None and each.checked_at_us != each.verified_at_us:
                    text = _("All changes and values were last checked on {date}, by `serve`.")
                    context.print_message(text.format(date=context.dates.full(each.checked_at_us)))
    return 1 if problems else 0


def _summary(found: Sequence[Finding]) -> str:
    problems = sum(finding.severity == "problem" for finding in found)
    warnings = sum(finding.severity == "warning" for finding in found)
    texts = [ngettext("{count} problem.", "{count} problems.", problems)] if problems else []
    texts += [ngettext("{count} warning.", "{count} warnings.", warnings)] if warnings else []
    return " ".join(texts) or _("Nothing is wrong.")


def _as_json(finding: Finding) -> dict[str, object]:
    message = error_text(finding.message) if finding.message else None
    data: dict[str, object] = {"check": finding.check, "state": finding.severity, "message": message}
    if finding.check == "store":
        at_us = finding.verified_at_us
        data["verified_at"] = None if at_us is None else format_timestamp(at_us)
        data["checked_at"] = None if finding.checked_at_us is None else format_timestamp(finding.checked_at_us)
    return data


def _verified_text(context: CliContext, at_us: int | None) -> str:
    if at_us is None:
        return _("All of the store was never checked here: `fieldline verify` does.")
    return _("All of the store was last found right on {date}.").format(date=context.dates.full(at_us))


async def _collect_findings(context: CliContext) -> AsyncIterator[Finding]:
    is_there = True
    async for finding in diagnostics.check_home(context.home):
        is_there = is_there and not (finding.check in ("home", "key") and finding.severity == "problem")
        yield finding
    yield _terminal()
    if not is_there:
        return
    try:
        workspace = await context.open_workspace()
    except FieldlineError as error:
        yield Finding("store", "problem", error)
        return
    async with workspace:
        async for finding in diagnostics.check_store(workspace):
            yield finding
        for finding in check_hooks(context.home, workspace.clock()):
            yield finding
        for finding in check_mirror(context.home):
            yield finding


def _terminal() -> Finding:
    encoding = locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") == "utf8":
        return Finding("terminal", "good")
    message = FieldlineError(
        "The terminal is set to {encoding}: set LANG to a language with UTF-8, such as `LANG=C.UTF-8`, or use"
        " `fieldline tui --ascii`.",
        encoding=encoding,
    )
    return Finding("terminal", "warning", message)
