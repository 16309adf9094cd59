"""Members: the devices of the fleet, their roles and how they stand; letting them in and shutting them out."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult

from core.device import input_validation
from core.errors import Refused
from core.membership import ROLES as ALL_ROLES
from core.membership import Member
from core.store.indexes.member_facts import ChainEntry
from core.store.queries.log import LogFilter
from core.workspace.members import chain, readmit_device, revoke_device
from tui.command_host import command_bindings
from tui.dialogs.base import ChoiceDialog, ConfirmDialog, PromptDialog, SaveDialog
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, ngettext
from tui.layout import Column, Line, layout_columns, wrap_text
from tui.screens.actions.filter import FilterActions
from tui.screens.history import History
from tui.view_models.members import ROLE_LABELS, MemberRows, member_name, member_texts
from tui.widgets.lines import Lines

_ROLE_DESCRIPTIONS = {
    "admin": N_("It may read, write, admit devices and revoke them."),
    "technician": N_("It may read and write, but admit no devices."),
    "reader": N_("It may read and sync; nothing written on it counts."),
}
_ROW_COLUMNS = 66
"""Columns of a row in a dialog."""
_NO_CHANGE = "none"
"""Chosen instead of a last change: nothing of a device keeps its effect."""


class Members(FilterActions):
    """The list of devices."""

    TAB = "members"
    SCOPES = ("members", "sifting", "listing")
    BINDINGS = command_bindings("members")

    def __init__(self) -> None:
        super().__init__()
        self._is_admin = False

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

    def breadcrumb(self) -> str:
        return _("Devices")

    def heading(self) -> tuple[Line, Line]:
        count = len(self.lines.source)
        left: Line = [(ngettext("{count} device", "{count} devices", count), "plain")] if count else []
        return left, self.filter_line()

    async def reload_content(self) -> None:
        workspace = self.state.workspace
        membership = await workspace.membership()
        me = workspace.identity.device
        self._is_admin = membership.is_admin(me)
        found = dict(membership.members)
        found.setdefault(me, Member(me, workspace.home.name(), "", "pending"))
        wanted = [member for member in found.values() if self.is_match(*member_texts(member))]
        ordered = sorted(wanted, key=lambda m: (m.state == "revoked", member_name(m).casefold(), m.device))
        met = {
            meeting.device: meeting.last_received_at_us
            for meeting in reversed(await workspace.store.source_stats())
            if meeting.device
        }
        rows = MemberRows(ordered, met, me, self.state.view, self.state.dates, self.member_rows)
        self.lines.show_rows(rows, cursor=rows.index(self.lines.key))

    # --- details -----------------------------------------------------------------------------------------------------

    def _header_line(self, width: int) -> Line:
        return [(" ", "plain"), *self.member_rows.header(width - 2)] if self.member_rows else []

    def subject(self) -> Line:
        return [(member_name(self.member), "strong")] if self.member else []

    def details(self, width: int, height: int) -> list[Line]:
        member, rows = self.member, self.member_rows
        if member is None or rows is None:
            return self.empty_lines(self.no_match_text(), width) if self.filter_text else []
        if self.admission_hint() and member.device == self.state.workspace.identity.device:
            return self.empty_lines("", width)
        said = [_("Device id {id}").format(id=member.device.hex())]
        if wrote := rows.write_stats(member.device):
            said.append(ngettext("It has made {count} change.", "It has made {count} changes.", wrote.changes))
            if wrote.at is not None:
                when = self.state.dates.dated(wrote.at)
                said[-1] += " " + _("The last on {when} by {user}.").format(when=when, user=wrote.user)
        if member.state == "pending":
            said.append(
                _("It has no effect and no access before an admin admits it: a admits it on an admin's device.")
            )
        elif member.state == "revoked":
            said.append(_("It is shut out: what it wrote after the last change that was accepted has no effect."))
        else:
            said.append(_(_ROLE_DESCRIPTIONS.get(member.role, "")))
        lines = [line for text in said for line in wrap_text(text, width - 6)]
        return [[("   ", "plain"), (line, "plain")] for line in lines[:height]]

    def clipboard_text(self) -> str:
        """The id of the device, which its admin needs."""
        return self.member.device.hex() if self.member else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def screen_disabled_reason(self, name: str) -> str | None:
        member = self.member
        if name == "changes_of":
            return None if member else _("There is no device on this line.")
        if not self._is_admin:
            return _("Only an admin's device can do this, and this is not one: ask an admin.")
        if name == "admit":
            return None
        if member is None:
            return _("There is no device on this line.")
        if name in ("role", "rename", "revoke") and member.state == "revoked":
            return _("{device} is revoked: a lets it in again.").format(device=member_name(member))
        if name == "revoke" and member.device == self.state.workspace.identity.device:
            return _("A device cannot revoke itself: do it on another admin's device.")
        return None

    def do_changes_of(self) -> None:
        """The changes that this device made."""
        if member := self.member:
            self.app.switch_mode("history")
            if isinstance(page := self.app.screen, History):
                page.show_only(LogFilter(device=member.device), member_name(member))

    # --- letting in, roles and names ---------------------------------------------------------------------------------

    def do_admit(self) -> None:
        """Ask for the device's id, its role and its name, then say what it means and let it in."""
        member = self.member
        known = member.device.hex() if member and member.state != "active" else ""
        help_text = _("32 hex digits: the device shows them on its own Devices screen and with `fieldline status`.")
        self.open_dialog(PromptDialog(_("Admit which device?"), known, help_text, self._check_id), self._admit_device)

    async def _check_id(self, text: str) -> None:
        device = input_validation.parse_id(
            text.strip(), Refused("{text} is not the id of a device: it has 32 hex digits.", text=text.strip())
        )
        member = (await self.state.workspace.membership()).members.get(device)
        if member and member.state == "active":
            raise Refused("{device} is a member already: r changes its role, n its name.", device=member_name(member))

    def _admit_device(self, text: str | None) -> None:
        if text is None:
            return
        device = bytes.fromhex(text.strip())
        index = self.member_rows.index(device) if self.member_rows else None
        member = self.member_rows.member(index) if self.member_rows and index is not None else None
        name = member.name if member else ""

        def named(role: str, answer: str | None) -> None:
            if answer is not None:
                self._confirm(Member(device, answer.strip(), role, "pending"), _("Admit {device} as {role}?"), "admit")

        def chosen(role: object) -> None:
            if isinstance(role, str):
                self.open_dialog(
                    PromptDialog(_("What is it called?"), name, "", self._check_name), partial(named, role)
                )

        self.open_dialog(ChoiceDialog(_("What may it do?"), self._role_rows()), chosen)

    async def _check_name(self, text: str) -> None:
        input_validation.check_name(text)

    def _role_rows(self) -> list[tuple[str, Line]]:
        return [
            (
                role,
                layout_columns(
                    _ROW_COLUMNS,
                    [Column(_(ROLE_LABELS[role]), 12, "strong"), Column(_(_ROLE_DESCRIPTIONS[role]), None)],
                ),
            )
            for role in ("technician", *(r for r in ALL_ROLES if r != "technician"))
        ]

    def do_role(self) -> None:
        """Give the device another role."""
        if member := self.member:

            def chosen(role: object) -> None:
                if isinstance(role, str):
                    new = Member(member.device, member.name, role, member.state)
                    self._confirm(new, _("Make {device} a device with the role {role}?"), "role")

            title = _("What may {device} do?").format(device=member_name(member))
            self.open_dialog(ChoiceDialog(title, self._role_rows()), chosen)

    def do_rename(self) -> None:
        """Give the device another name."""
        if member := self.member:

            def named(name: str | None) -> None:
                if name is not None:
                    new = Member(member.device, name.strip(), member.role, member.state)
                    self._confirm(new, _("Call it {device}?"), "rename")

            title = _("What shall {device} be called?").format(device=member_name(member))
            self.open_dialog(PromptDialog(title, member.name, "", self._check_name), named)

    def _confirm(self, member: Member, question: str, what: str) -> None:
        """Say what it means before it is written."""
        known = self.member_rows is not None and self.member_rows.index(member.device) is not None
        title = question.format(device=member.name, role=_(ROLE_LABELS.get(member.role, member.role)))
        text = _("The others learn of it when they sync.")
        if what != "rename":
            text = f"{_(_ROLE_DESCRIPTIONS.get(member.role, ''))} {text}"
        again = what == "admit" and known

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_task(partial(self._write_member, member, again), group="save")

        self.open_dialog(ConfirmDialog(title, text, _("do it")), answered)

    async def _write_member(self, member: Member, again: bool) -> None:
        workspace = self.state.workspace
        if again:
            written = await readmit_device(workspace, member.device, member.role, member.name)
        else:
            written = await workspace.admit(member.device.hex(), member.role, member.name)
        await self._report_written(written.change is not None)

    async def _report_written(self, something: bool) -> None:
        await self.state.reload_state()
        await self.reload_content()
        self.redraw()
        self.show_message(
            _("Saved; the others learn of it when they sync.")
            if something
            else _("It is like that already: nothing was written.")
        )

    # --- shutting out ------------------------------------------------------------------------------------------------

    async def do_revoke(self) -> None:
        """Ask for the last change that keeps its effect, show what loses it, then shut the device out."""
        member = self.member
        if member is None:
            return
        found = await chain(self.state.workspace, member.device)
        rows: list[tuple[bytes | str, Line]] = [(each.change, self._last_row(each, len(found))) for each in found]
        rows.append((_NO_CHANGE, [(_("none of its changes"), "plain")]))

        def chosen(answer: object) -> None:
            if answer is not None:
                self._plan_revoke(member, found, answer if isinstance(answer, bytes) else None)

        title = _("Revoke {device}: which of its changes is the last that you trust?").format(
            device=member_name(member)
        )
        self.open_dialog(ChoiceDialog(title, rows), chosen)

    def _last_row(self, each: ChainEntry, total: int) -> Line:
        lost = total - each.kept_count
        after = ngettext("{count} after it", "{count} after it", lost) if lost else _("the latest")
        return self._change_row(each, after)

    def _change_row(self, each: ChainEntry, after: str) -> Line:
        return layout_columns(
            _ROW_COLUMNS,
            [
                Column(self.state.dates.dated(each.at_us), 17),
                Column(each.user, 12),
                Column(quote(each.note), None, "dim"),
                Column(after, 14 if after else 0, "dim", right=True),
            ],
        )

    def _plan_revoke(self, member: Member, found: list[ChainEntry], last: bytes | None) -> None:
        kept = next((each.kept_count for each in found if each.change == last), 0)
        lost = [each for each in found if each.kept_count > kept]
        rows = [self._change_row(each, "") for each in lost]
        rows = rows or [[(_("None of its changes that are here loses its effect."), "plain")]]
        remarks = [
            ngettext(
                "It may not sync any more. {count} change is quarantined: kept, relayed, and without effect.",
                "It may not sync any more. {count} changes are quarantined: kept, relayed, and without effect.",
                len(lost),
            ),
            _("What it wrote later and is not here yet has no effect either."),
        ]
        if member.role == "admin":
            remarks.append(_("It is an admin: whom it let in or shut out later is undone, too."))

        def answered(note: str | None) -> None:
            if note is not None:
                self.run_task(partial(self._revoke_device, member.device, last, note), group="save")

        title = _("Revoke {device}: these changes lose their effect").format(device=member_name(member))
        self.open_dialog(SaveDialog(title, rows, remarks), answered)

    async def _revoke_device(self, device: bytes, last: bytes | None, note: str) -> None:
        written = await revoke_device(self.state.workspace, device, last, note or None)
        await self._report_written(written.change is not None)
