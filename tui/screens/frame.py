"""What the frame of every screen says: the tabs, which time is looked at, and what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.draft import count_unapplied
from tui.i18n.translate import _, format_number, ngettext
from tui.layout import Line
from tui.view_models.device_role import access_label
from tui.view_models.frame import Tab

if TYPE_CHECKING:
    from tui.app_state import AppState


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
    """What needs a person, for the right end of the first line; with a separator between two."""
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
