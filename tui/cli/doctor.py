"""The verb that says what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import locale
from collections.abc import AsyncIterator

from core.errors import FieldlineError
from core.workspace import checkup
from core.workspace.checkup import Finding
from tui.cli.desk import Desk
from tui.cli.help import verb
from tui.language.i18n import N_, _, ngettext, say

_CHECKS = {
    "home": N_("home folder"),
    "privacy": N_("privacy"),
    "key": N_("device key"),
    "settings": N_("settings"),
    "disk": N_("disk"),
    "network": N_("discovery"),
    "port": N_("serving"),
    "cable": N_("serial ports"),
    "store": N_("store"),
    "membership": N_("membership"),
    "clock": N_("clock"),
    "sync": N_("sync"),
    "terminal": N_("terminal"),
}
_STATES = {"good": N_("good"), "warning": N_("look"), "problem": N_("wrong")}


@verb(N_("Say what is wrong with this installation, and how to mend it. Nothing is changed."))
async def doctor(desk: Desk) -> int:
    found = [finding async for finding in _findings(desk)]
    problems = sum(finding.state == "problem" for finding in found)
    if desk.json:
        desk.document(
            [
                {"check": each.check, "state": each.state, "message": say(each.message) if each.message else None}
                for each in found
            ]
        )
    else:
        desk.table([[_(_STATES[each.state]), _(_CHECKS[each.check])] for each in found if each.message is None])
        for each in found:
            if each.message is not None:
                desk.line(f"{_(_STATES[each.state])}  {_(_CHECKS[each.check])}: {say(each.message)}", strong=True)
        desk.say(ngettext("{count} problem.", "{count} problems.", problems) if problems else _("Nothing is wrong."))
    return 1 if problems else 0


async def _findings(desk: Desk) -> AsyncIterator[Finding]:
    is_there = True
    async for finding in checkup.home_checks(desk.home):
        is_there = is_there and not (finding.check in ("home", "key") and finding.state == "problem")
        yield finding
    yield _terminal()
    if not is_there:
        return
    try:
        workspace = await desk.open()
    except FieldlineError as error:
        yield Finding("store", "problem", error)
        return
    async with workspace:
        async for finding in checkup.store_checks(workspace):
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
