"""What the frame of every screen says.

The tabs, which time is looked at, and what needs a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.draft import count_unapplied
from tui.i18n.translate import _, format_number, ngettext
from tui.layout import Line
from tui.view_models import device_role, frame
from tui.view_models.device_role import access_label, admission_hint
from tui.view_models.frame import Tab
from tui.widgets.lines import BandLines, Lines

if TYPE_CHECKING:
    from tui.app_state import AppState
    from tui.commands import Command


def screen_tabs(state: AppState) -> list[Tab]:
    """The six screens: name, and label in the language in use."""
    inbox = _("Inbox") + (f" {len(state.inbox_items)}" if state.inbox_items else "")
    return [
        ("here", _("Here")),
        ("fleet", _("Fleet")),
        ("inbox", inbox),
        ("history", _("History")),
        ("sync", _("Sync")),
        ("members", _("Devices")),
    ]


def banner_text(state: AppState) -> str:
    """What stands instead of the tabs while the past is looked at; empty if it is not."""
    if state.viewed_at_us is None:
        return ""
    time = state.dates.full(state.viewed_at_us)
    if state.view_as_known:
        return _("AS KNOWN HERE ON {time} · read only · Esc back to now").format(time=time)
    return _("AS OF {time} · read only · Esc back to now").format(time=time)


def status_items(state: AppState) -> Line:
    """What needs a person, for the right end of the first line.

    With a separator between two.
    """
    items: Line = []
    if state.readonly:
        items.append((_("read only"), "strong"))
    if label := access_label(state.status.access):
        items.append((label, "alert"))
    if count := state.equipment_monitor.differing_count:
        items.append((ngettext("{count} differs here", "{count} differ here", count), "alert"))
    if count := count_unapplied(state.drafts):
        items.append((ngettext("{count} edit not applied", "{count} edits not applied", count), "alert"))
    if progress := state.inbox_loader.progress:
        done, total = map(format_number, progress)
        items.append((_("looking through {done} of {total}").format(done=done, total=total), "dim"))
    elif state.inbox_items:
        items.append((ngettext("{count} to resolve", "{count} to resolve", len(state.inbox_items)), "alert"))
    elif state.inbox_loader.is_known and not items:
        items.append((_("nothing to resolve"), "dim"))
    items += [(port.name, "strong") for port in state.cable_monitor.plugged]
    if state.status.synced_at is not None:
        items.append((_("synced {when}").format(when=state.dates.short(state.status.synced_at)), "dim"))
    line: Line = []
    for item in items:
        line += [(" · ", "dim"), item] if line else [item]
    return line


def status_line(state: AppState, width: int, breadcrumb: str) -> Line:
    """The first line: fleet and device, where we are, and what needs a person."""
    names = (state.status.fleet, state.status.device) if state.loaded.is_set() else ("", "")
    return frame.status_line(width, *names, breadcrumb, state.status_items())


def admission_text(state: AppState) -> str:
    """What to do on a device that waits to be admitted, which has nothing to show.

    Else empty.
    """
    return admission_hint(state.workspace.identity.device) if state.status.access == "waits" else ""


def write_refusal(state: AppState, command: Command) -> str | None:
    """Return why a command cannot act now that would write; None if it can."""
    if command.writes and state.viewed_at_us is not None:
        return _("This is the past and stays as it is: Esc goes back to now.")
    if command.writes and state.readonly:
        return _(state.READ_ONLY_REASON)
    return device_role.write_refusal(state.status.access) if command.writes else None


class TabLine(BandLines):
    """The tabs of the six screens, which can be clicked.

    A banner while the past is looked at.
    """

    def __init__(self, state: AppState, tab: str, *, id: str) -> None:
        super().__init__(self._draw_tabs, id=id)
        self._state = state
        self._tab = tab

    def _draw_tabs(self, width: int, _height: int) -> list[Line]:
        banner = banner_text(self._state)
        line = frame.banner_line(width, banner) if banner else frame.tab_line(screen_tabs(self._state), self._tab)
        return [line]

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        event.stop()
        if not banner_text(self._state) and (name := frame.tab_at(event.column, screen_tabs(self._state))):
            self._state.action_command(name)
