"""Sync: what this device holds, and when it last met which other one."""

from __future__ import annotations

from textual.app import ComposeResult

from core.store.store import Summary
from tui.i18n import N_, _, ngettext
from tui.lines import Column, Line, columns, wrapped
from tui.screens.page import Page
from tui.widgets.text import Lines

_LINKS = {"tcp": N_("network"), "serial": N_("cable"), "bundle": N_("file"), "import": N_("import"), "own": N_("here")}


class Sync(Page):
    """The last meetings."""

    PLACE = "sync"
    SCOPES = ("sync",)

    def __init__(self) -> None:
        super().__init__()
        self._summary: Summary | None = None
        self._meetings: list[Line] = []

    def body(self) -> ComposeResult:
        yield Lines(self._lines, id="whole")

    def where(self) -> str:
        return _("Sync")

    async def update(self) -> None:
        store = self.desk.workspace.store
        self._summary = await store.summary()
        self._met = await store.meetings()

    def _lines(self, width: int, height: int) -> list[Line]:
        if self._summary is None:
            return []
        indent = ("   ", "plain")
        lines: list[Line] = [
            [],
            [
                indent,
                (
                    ngettext(
                        "This device holds {count} change.", "This device holds {count} changes.", self._summary.count
                    ),
                    "strong",
                ),
            ],
            [
                indent,
                (
                    _("Fingerprint {root}: a device that shows the same has the same changes.").format(
                        root=self._summary.root.hex()[:12]
                    ),
                    "plain",
                ),
            ],
            [],
        ]
        desk = self.desk
        for meeting in self._met:
            name = desk.names.device(meeting.device) if meeting.device else _("a file")
            lines.append(
                [
                    indent,
                    *columns(
                        min(width - 6, 90),
                        [
                            Column(name, 16, "strong"),
                            Column(_(_LINKS.get(meeting.link, meeting.link)), 10),
                            Column(_("last brought something {when}").format(when=desk.when.dated(meeting.at)), None),
                            Column(
                                ngettext("{count} change", "{count} changes", meeting.changes), 16, "dim", right=True
                            ),
                        ],
                    ),
                ]
            )
        if not self._met:
            lines.append([indent, (_("No other device has brought anything yet."), "plain")])
        lines.append([])
        hint = _(
            "To meet another device now: `fieldline serve` there, `fieldline sync tcp://HOST:PORT` here, or carry a "
            "file with `fieldline export` and `fieldline import`. What they bring appears here by itself. Starting a "
            "meeting from this screen, with its progress, comes with the cable."
        )
        lines += [[indent, (text, "dim")] for text in wrapped(hint, width - 6)]
        return lines
