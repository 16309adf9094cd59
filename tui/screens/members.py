"""Members: the devices of the fleet, their roles and how they stand; letting them in and shutting them out."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult

from core.errors import Refused
from core.membership import ROLES as ALL_ROLES
from core.membership import Member
from core.store.chains import Chained
from core.store.log import LogFilter
from core.workspace import checking
from core.workspace.members import chain, readmit, revoke
from tui.command_host import bindings
from tui.language.i18n import N_, _, ngettext
from tui.language.quoting import quote
from tui.rows.lines import Column, Line, columns, wrapped
from tui.rows.memberrows import ROLES, MemberRows, called, told
from tui.screens.dialogs import Ask, Choose, Confirm, Save
from tui.screens.history import History
from tui.screens.sifting import Sifting
from tui.widgets.text import Lines

_MAY = {
    "admin": N_("It may read, write, admit devices and revoke them."),
    "technician": N_("It may read and write, but admit no devices."),
    "reader": N_("It may read and sync; nothing written on it counts."),
}
_INSIDE = 66
"""Columns of a row in a dialog."""
_NONE = "none"
"""Chosen instead of a last change: nothing of a device keeps its effect."""


class Members(Sifting):
    """The list of devices."""

    PLACE = "members"
    SCOPES = ("members", "sifting", "listing")
    BINDINGS = bindings("members")

    def __init__(self) -> None:
        super().__init__()
        self._admin = False

    def body(self) -> ComposeResult:
        yield Lines(lambda width, _height: [self._heads(width)], id="heads")
        yield from super().body()

    @property
    def rows(self) -> MemberRows | None:
        """The rows of the list."""
        source = self.lines.source
        return source if isinstance(source, MemberRows) else None

    @property
    def member(self) -> Member | None:
        """The device under the cursor."""
        return self.rows.member(self.lines.cursor) if self.rows else None

    def where(self) -> str:
        return _("Members")

    def heading(self) -> tuple[Line, Line]:
        count = len(self.lines.source)
        left: Line = [(ngettext("{count} device", "{count} devices", count), "plain")] if count else []
        return left, self.filter_line()

    async def update(self) -> None:
        workspace = self.desk.workspace
        membership = await workspace.membership()
        me = workspace.identity.device
        self._admin = membership.is_admin(me)
        found = dict(membership.members)
        found.setdefault(me, Member(me, workspace.home.name(), "", "pending"))
        wanted = [member for member in found.values() if self.mentioned(*told(member))]
        ordered = sorted(wanted, key=lambda m: (m.state == "revoked", called(m).casefold(), m.device))
        met = {meeting.device: meeting.at for meeting in reversed(await workspace.store.meetings()) if meeting.device}
        rows = MemberRows(ordered, met, me, self.desk.view, self.desk.when, self.rows)
        self.lines.show(rows, cursor=rows.index(self.lines.key))

    # --- details -----------------------------------------------------------------------------------------------------

    def _heads(self, width: int) -> Line:
        return [(" ", "plain"), *self.rows.heads(width - 2)] if self.rows else []

    def subject(self) -> Line:
        return [(called(self.member), "strong")] if self.member else []

    def details(self, width: int, height: int) -> list[Line]:
        member, rows = self.member, self.rows
        if member is None or rows is None:
            return self.empty(self.nobody(), width) if self.sought else []
        if self.beginning() and member.device == self.desk.workspace.identity.device:
            return self.empty("", width)
        said = [_("Device id {id}").format(id=member.device.hex())]
        if wrote := rows.wrote(member.device):
            said.append(ngettext("It has made {count} change.", "It has made {count} changes.", wrote.changes))
            if wrote.at is not None:
                when = self.desk.when.dated(wrote.at)
                said[-1] += " " + _("The last on {when} by {user}.").format(when=when, user=wrote.user)
        if member.state == "pending":
            said.append(
                _("It has no effect and no access before an admin admits it: a admits it on an admin's device.")
            )
        elif member.state == "revoked":
            said.append(_("It is shut out: what it wrote after the last change that was accepted has no effect."))
        else:
            said.append(_(_MAY.get(member.role, "")))
        lines = [line for text in said for line in wrapped(text, width - 6)]
        return [[("   ", "plain"), (line, "plain")] for line in lines[:height]]

    def copied(self) -> str:
        """The id of the device, which its admin needs."""
        return self.member.device.hex() if self.member else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def cannot(self, name: str) -> str | None:
        member = self.member
        if name == "changes_of":
            return None if member else _("There is no device on this line.")
        if not self._admin:
            return _("Only an admin's device can do this, and this one is none: ask an admin.")
        if name == "admit":
            return None
        if member is None:
            return _("There is no device on this line.")
        if name in ("role", "rename", "revoke") and member.state == "revoked":
            return _("{device} is revoked: a lets it in again.").format(device=called(member))
        if name == "revoke" and member.device == self.desk.workspace.identity.device:
            return _("A device cannot revoke itself: do it on another admin's device.")
        return None

    def do_changes_of(self) -> None:
        """The changes that this device made."""
        if member := self.member:
            self.app.switch_mode("history")
            if isinstance(page := self.app.screen, History):
                page.only(LogFilter(device=member.device), called(member))

    # --- letting in, roles and names ---------------------------------------------------------------------------------

    def do_admit(self) -> None:
        """Ask for the device's id, its role and its name, then say what it means and let it in."""
        member = self.member
        known = member.device.hex() if member and member.state != "active" else ""
        help_text = _("32 hex digits: the device shows them on its own Members page and with `fieldline status`.")
        self.ask(Ask(_("Admit which device?"), known, help_text, self._check_id), self._admit)

    async def _check_id(self, text: str) -> None:
        device = checking.id_of(
            text.strip(), Refused("{text} is not the id of a device: it has 32 hex digits.", text=text.strip())
        )
        member = (await self.desk.workspace.membership()).members.get(device)
        if member and member.state == "active":
            raise Refused("{device} is a member already: r changes its role, n its name.", device=called(member))

    def _admit(self, text: str | None) -> None:
        if text is None:
            return
        device = bytes.fromhex(text.strip())
        index = self.rows.index(device) if self.rows else None
        member = self.rows.member(index) if self.rows and index is not None else None
        name = member.name if member else ""

        def named(role: str, answer: str | None) -> None:
            if answer is not None:
                self._confirm(Member(device, answer.strip(), role, "pending"), _("Admit {device} as {role}?"), "admit")

        def chosen(role: object) -> None:
            if isinstance(role, str):
                self.ask(Ask(_("What is it called?"), name, "", self._check_name), partial(named, role))

        self.ask(Choose(_("What may it do?"), self._role_rows()), chosen)

    async def _check_name(self, text: str) -> None:
        checking.name(text)

    def _role_rows(self) -> list[tuple[str, Line]]:
        return [
            (role, columns(_INSIDE, [Column(_(ROLES[role]), 12, "strong"), Column(_(_MAY[role]), None)]))
            for role in ("technician", *(r for r in ALL_ROLES if r != "technician"))
        ]

    def do_role(self) -> None:
        """Give the device another role."""
        if member := self.member:

            def chosen(role: object) -> None:
                if isinstance(role, str):
                    new = Member(member.device, member.name, role, member.state)
                    self._confirm(new, _("Make {device} a device with the role {role}?"), "role")

            title = _("What may {device} do?").format(device=called(member))
            self.ask(Choose(title, self._role_rows()), chosen)

    def do_rename(self) -> None:
        """Give the device another name."""
        if member := self.member:

            def named(name: str | None) -> None:
                if name is not None:
                    new = Member(member.device, name.strip(), member.role, member.state)
                    self._confirm(new, _("Call it {device}?"), "rename")

            title = _("What shall {device} be called?").format(device=called(member))
            self.ask(Ask(title, member.name, "", self._check_name), named)

    def _confirm(self, member: Member, question: str, what: str) -> None:
        """Say what it means before it is written."""
        known = self.rows is not None and self.rows.index(member.device) is not None
        title = question.format(device=member.name, role=_(ROLES.get(member.role, member.role)))
        text = _("The others learn of it when they sync.")
        if what != "rename":
            text = f"{_(_MAY.get(member.role, ''))} {text}"
        again = what == "admit" and known

        def answered(yes: bool | None) -> None:
            if yes:
                self.work(partial(self._write, member, again), group="save")

        self.ask(Confirm(title, text, _("do it")), answered)

    async def _write(self, member: Member, again: bool) -> None:
        workspace = self.desk.workspace
        if again:
            written = await readmit(workspace, member.device, member.role, member.name)
        else:
            written = await workspace.admit(member.device.hex(), member.role, member.name)
        await self._written(written.change is not None)

    async def _written(self, something: bool) -> None:
        await self.desk.reload()
        await self.update()
        self.redraw()
        self.message(
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
        found = await chain(self.desk.workspace, member.device)
        rows: list[tuple[bytes | str, Line]] = [(each.change, self._last_row(each, len(found))) for each in found]
        rows.append((_NONE, [(_("none of its changes"), "plain")]))

        def chosen(answer: object) -> None:
            if answer is not None:
                self._plan(member, found, answer if isinstance(answer, bytes) else None)

        title = _("Revoke {device}: which of its changes is the last that you trust?").format(device=called(member))
        self.ask(Choose(title, rows), chosen)

    def _last_row(self, each: Chained, total: int) -> Line:
        lost = total - each.kept
        after = ngettext("{count} after it", "{count} after it", lost) if lost else _("the latest")
        return self._change_row(each, after)

    def _change_row(self, each: Chained, after: str) -> Line:
        return columns(
            _INSIDE,
            [
                Column(self.desk.when.dated(each.at), 17),
                Column(each.user, 12),
                Column(quote(each.note), None, "dim"),
                Column(after, 14 if after else 0, "dim", right=True),
            ],
        )

    def _plan(self, member: Member, found: list[Chained], last: bytes | None) -> None:
        kept = next((each.kept for each in found if each.change == last), 0)
        lost = [each for each in found if each.kept > kept]
        rows = [self._change_row(each, "") for each in lost]
        rows = rows or [[(_("None of its changes that are here loses its effect."), "plain")]]
        remarks = [
            ngettext(
                "It may not sync any more. {count} change is quarantined: kept, relayed, and without effect.",
                "It may not sync any more. {count} changes are quarantined: kept, relayed, and without effect.",
                len(lost),
            ),
            _("What it wrote later and has not brought here yet has no effect either."),
        ]
        if member.role == "admin":
            remarks.append(_("It is an admin: whom it let in or shut out later is undone, too."))

        def answered(note: str | None) -> None:
            if note is not None:
                self.work(partial(self._revoke, member.device, last, note), group="save")

        title = _("Revoke {device}: these changes lose their effect").format(device=called(member))
        self.ask(Save(title, rows, remarks), answered)

    async def _revoke(self, device: bytes, last: bytes | None, note: str) -> None:
        written = await revoke(self.desk.workspace, device, last, note or None)
        await self._written(written.change is not None)
