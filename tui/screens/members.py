"""Members: the devices of the fleet, their roles and their status.

Admitting and revoking them.
"""

from __future__ import annotations

from textual.app import ComposeResult

from core.errors import FieldlineError
from core.membership import Member
from core.service.unknown_callers import read_callers
from core.store.queries.activity import read_author_counts
from core.store.queries.log import LogFilter
from core.workspace.device_findings import read_device_findings
from tui.command_host import command_bindings
from tui.i18n.translate import _, error_text, ngettext
from tui.layout import Line, wrap_text
from tui.screens.actions.filter import FilterActions
from tui.screens.device_changes import DeviceChanges
from tui.screens.frame import admission_text
from tui.screens.history import History
from tui.screens.list_screen import ListScreen
from tui.screens.member_actions import AdmitActions, RevokeActions
from tui.screens.pairing_actions import PairingActions
from tui.view_models.fleet_glance import (
    FleetGlance,
    busy_line,
    holds_sentences,
    people_summary_lines,
    read_glance,
)
from tui.view_models.member_details import MemberTexts, made_text, may_text, member_pane_lines
from tui.view_models.members import MemberRows, member_name, member_texts
from tui.widgets.lines import Lines

_MIN_TAIL_LINES = 6
"""Lines below the list from which there is room for who wrote how much."""


class Members(ListScreen):
    """The list of devices."""

    TAB = "members"
    SCOPES = ("members", "sifting", "listing")
    BINDINGS = command_bindings("members", "sifting")

    def __init__(self) -> None:
        super().__init__()
        self._is_admin = False
        self._faults: dict[bytes, list[FieldlineError]] = {}
        self._called_at_us: dict[bytes, int] = {}
        """When devices called last that are no members, by what they claim to be."""
        self._glance = FleetGlance()
        self._people: list[tuple[str, int]] = []
        """How many changes each person made; read where there is room to show it."""
        self._localities: dict[bytes, str] = {}
        """What devices are bound to, by name."""
        self._quarters: dict[bytes, list[tuple[int, int]]] = {}
        """How many changes a device made in each quarter of an hour, as far as that was read."""
        self._changes = DeviceChanges(self)
        self.filter = FilterActions(self)
        self.pairing = PairingActions(self)
        self.actions = (
            AdmitActions(self, lambda: self.member, self._find),
            RevokeActions(self, lambda: self.member),
            self.filter,
            self.pairing,
        )

    def body(self) -> ComposeResult:
        yield Lines(lambda width, _height: [self._header_line(width)], id="heads")
        yield from super().body()

    @property
    def member_rows(self) -> MemberRows | None:
        """The rows of the list."""
        source = self.lines.source
        return source if isinstance(source, MemberRows) else None

    @property
    def member(self) -> Member | None:
        """The device under the cursor."""
        return self.member_rows.member(self.lines.cursor) if self.member_rows else None

    def _find(self, device: bytes) -> Member | None:
        index = self.member_rows.index(device) if self.member_rows else None
        return self.member_rows.member(index) if self.member_rows and index is not None else None

    def breadcrumb(self) -> str:
        return _("Devices")

    def heading(self) -> tuple[Line, Line]:
        count = len(self.lines.source)
        left: Line = [(ngettext("{count} device", "{count} devices", count), "plain")] if count else []
        return left, self.filter.heading()

    async def reload_content(self) -> None:
        workspace = self.state.workspace
        membership = await workspace.membership()
        self._faults = await read_device_findings(workspace)
        me = workspace.identity.device
        self._is_admin = membership.is_admin(me)
        found = {me: Member(me, workspace.home.name(), "", "pending"), **membership.members}
        self._called_at_us = {each.device: each.at_us for each in await read_callers(workspace.store)}
        for device in self._called_at_us:
            found.setdefault(device, Member(device, "", "", "pending"))
        wanted = [member for member in found.values() if self.filter.is_match(*member_texts(member))]
        ordered = sorted(wanted, key=lambda m: (m.state == "revoked", member_name(m).casefold(), m.device))
        synced_at_us = {
            each.device: each.last_received_at_us
            for each in reversed(await workspace.store.source_stats())
            if each.device
        }
        self._localities = await self.state.breadcrumbs_of({each for member in ordered for each in member.bound_to})
        self._glance = glance = await read_glance(workspace, self.state.names.devices, self.state.dates.clock())
        for device, contact in glance.holdings.contacts.items():
            synced_at_us[device] = max(contact.at_us, synced_at_us.get(device, 0))
        self._people = await workspace.store.run(read_author_counts) if self.has_panes else []
        self._quarters.clear()
        self._changes.clear()
        state = self.state
        rows = MemberRows(ordered, synced_at_us, me, state.view, state.dates, self._faults, self.member_rows, glance)
        self.lines.show_rows(rows, cursor=rows.index(self.lines.key))
        await self._read_quarters()

    def on_line_list_moved(self) -> None:
        super().on_line_list_moved()
        if self.has_panes:
            self.run_task(self._read_quarters, group="details")

    async def _read_quarters(self) -> None:
        """Read how busy the device under the cursor was, and with what, if that is shown."""
        member = self.member
        self._changes.follow(member.device if member else None)
        if self.has_panes and member is not None and member.device not in self._quarters:
            self._quarters[member.device] = await self.state.view.count_log_quarters(LogFilter(device=member.device))
            self.redraw_details()

    # --- details -----------------------------------------------------------------------------------------------------

    def _header_line(self, width: int) -> Line:
        return [(" ", "plain"), *self.member_rows.header(width - 2)] if self.member_rows else []

    def subject(self) -> Line:
        return [(member_name(self.member), "strong")] if self.member else []

    def details(self, width: int, height: int) -> list[Line]:
        member, rows = self.member, self.member_rows
        if member is None or rows is None:
            return self.empty_lines(self.filter.no_match_text(), width) if self.filter.text else []
        if admission_text(self.state) and member.device == self.state.workspace.identity.device:
            return self.empty_lines("", width)
        if self.has_panes:
            return [[(" ", "plain"), *line] for line in self._pane_lines(member, rows, width - 2, height)]
        texts = [(error_text(each), "plain") for each in self._faults.get(member.device, ())]
        texts.append((_("Device id {id}").format(id=member.device.hex()), "plain"))
        texts += holds_sentences(self._glance, member.device, self.state.dates)[:1]
        texts += [
            (text, "plain")
            for text in (
                made_text(rows.write_stats(member.device), self.state.dates),
                may_text(member, self._called_at_us.get(member.device), self.state.dates, self._localities),
            )
            if text
        ]
        lines = [(line, role) for text, role in texts for line in wrap_text(text, width - 6)]
        return [[("   ", "plain"), line] for line in lines[:height]]

    def _pane_lines(self, member: Member, rows: MemberRows, width: int, height: int) -> list[Line]:
        dates = self.state.dates
        quarters = self._quarters.get(member.device, ())
        faults = [error_text(each) for each in self._faults.get(member.device, ())]
        texts = MemberTexts(
            faults,
            may_text(member, self._called_at_us.get(member.device), self.state.dates, self._localities),
            made_text(rows.write_stats(member.device), self.state.dates),
            lambda columns: busy_line(quarters, dates.clock(), columns),
        )
        latest = self._changes.part(member.device)
        return member_pane_lines(member, texts, self._glance, latest, dates, width, height)

    def tail(self, width: int, height: int) -> list[Line]:
        if not self.has_panes or height < _MIN_TAIL_LINES:
            return []
        return people_summary_lines(self._glance, self._people, width, height)

    def clipboard_text(self) -> str:
        """The id of the device, which its admin needs."""
        return self.member.device.hex() if self.member else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def screen_disabled_reason(self, name: str) -> str | None:
        member = self.member
        if name in ("find", "all"):
            return self.filter.disabled_reason(name)
        if name == "pair":
            return self.pairing.disabled_reason(name)
        if name == "changes_of":
            return None if member else _("There is no device on this line.")
        if not self._is_admin:
            return _("Only an admin's device can do this, and this is not one: ask an admin.")
        if name == "admit":
            return None
        if member is None:
            return _("There is no device on this line.")
        if name in ("role", "rename", "revoke") and member.state == "pending":
            return _("{device} is no member: a admits it.").format(device=member_name(member))
        if name in ("role", "rename", "revoke") and member.state == "revoked":
            return _("{device} is revoked: a lets it in again.").format(device=member_name(member))
        if name == "revoke" and member.device == self.state.workspace.identity.device:
            return _("A device cannot revoke itself: do it on another admin's device.")
        return None

    def do_changes_of(self) -> None:
        """Show the changes that this device made."""
        if member := self.member:
            self.app.switch_mode("history")
            if isinstance(screen := self.app.screen, History):
                screen.show_only(LogFilter(device=member.device), member_name(member))
