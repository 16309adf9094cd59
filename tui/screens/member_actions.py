"""Change who belongs to the fleet.

Admit a device, give it a role or a name, revoke it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from core.device import input_validation
from core.errors import Refused
from core.member_values import ROLES as ALL_ROLES
from core.member_values import Cut, Mark
from core.membership import Member
from core.store.indexes.member_facts import ChainEntry, kept_changes
from core.workspace.members import chain, mark, revoke_device
from tui.dialogs.base import ChoiceDialog, ConfirmDialog, PromptDialog
from tui.i18n.quotes import quote
from tui.i18n.translate import _, ngettext
from tui.layout import Column, Line, layout_columns
from tui.screens.actions.save import ask_save
from tui.screens.base import BaseScreen, ScreenActions
from tui.view_models.member_details import ROLE_DESCRIPTIONS
from tui.view_models.members import ROLE_LABELS, member_name

_ROW_COLUMNS = 66
"""Columns of a row in a dialog, on the smallest terminal."""
_NO_CHANGE = "none"
"""Chosen instead of a last change: nothing of a device keeps its effect."""
_ALL_BRANCHES = "all"
"""Chosen instead of a last change: all that is here of a chain that forks keeps its effect."""


def role_rows() -> list[tuple[str, Line]]:
    """The roles to choose from, the most frequent first."""
    return [
        (
            role,
            layout_columns(
                _ROW_COLUMNS,
                [Column(_(ROLE_LABELS[role]), 12, "strong"), Column(_(ROLE_DESCRIPTIONS[role]), None)],
            ),
        )
        for role in ("technician", *(r for r in ALL_ROLES if r != "technician"))
    ]


class AdmitActions(ScreenActions):
    """Admit devices, and change their roles and names."""

    def __init__(
        self, screen: BaseScreen, selected: Callable[[], Member | None], find: Callable[[bytes], Member | None]
    ) -> None:
        """`selected` gives the device under the cursor, `find` one of the list.

        None if there is none.
        """
        super().__init__(screen)
        self._selected = selected
        self._find = find

    def do_admit(self) -> None:
        """Ask for id, role and name of a device, explain it, then admit it."""
        member = self._selected()
        known = member.device.hex() if member and member.state != "active" else ""
        help_text = _("32 hex digits: the device shows them on its own Devices screen and with `fieldline status`.")
        dialog = PromptDialog(_("Admit which device?"), known, help_text, self._check_id)
        self.screen.open_dialog(dialog, self._admit_device)

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
        member = self._find(device)
        name = member.name if member else ""

        def named(role: str, answer: str | None) -> None:
            if answer is not None:
                self._confirm(Member(device, answer.strip(), role, "pending"), _("Admit {device} as {role}?"), "admit")

        def chosen(role: object) -> None:
            if isinstance(role, str):
                self.screen.open_dialog(
                    PromptDialog(_("What is it called?"), name, "", self._check_name), partial(named, role)
                )

        self.screen.open_dialog(ChoiceDialog(_("What may it do?"), role_rows()), chosen)

    async def _check_name(self, text: str) -> None:
        input_validation.check_name(text)

    def do_role(self) -> None:
        """Give the device another role."""
        if member := self._selected():

            def chosen(role: object) -> None:
                if isinstance(role, str):
                    new = Member(member.device, member.name, role, member.state)
                    self._confirm(new, _("Make {device} a device with the role {role}?"), "role")

            title = _("What may {device} do?").format(device=member_name(member))
            self.screen.open_dialog(ChoiceDialog(title, role_rows()), chosen)

    def do_rename(self) -> None:
        """Give the device another name."""
        if member := self._selected():

            def named(name: str | None) -> None:
                if name is not None:
                    new = Member(member.device, name.strip(), member.role, member.state)
                    self._confirm(new, _("Call it {device}?"), "rename")

            title = _("What shall {device} be called?").format(device=member_name(member))
            self.screen.open_dialog(PromptDialog(title, member.name, "", self._check_name), named)

    def _confirm(self, member: Member, question: str, what: str) -> None:
        """Say what it means before it is written."""
        title = question.format(device=member.name, role=_(ROLE_LABELS.get(member.role, member.role)))
        text = _("The others learn of it when they sync.")
        if what != "rename":
            text = f"{_(ROLE_DESCRIPTIONS.get(member.role, ''))} {text}"

        def answered(yes: bool | None) -> None:
            if yes:
                self.screen.run_task(partial(self._write_member, member))

        self.screen.open_dialog(ConfirmDialog(title, text, _("do it")), answered)

    async def _write_member(self, member: Member) -> None:
        written = await self.state.workspace.admit(member.device.hex(), member.role, member.name)
        await _report_written(self.screen, written.change is not None)


class RevokeActions(ScreenActions):
    """Revoke a device from one of its changes on."""

    def __init__(self, screen: BaseScreen, selected: Callable[[], Member | None]) -> None:
        """`selected` gives the device under the cursor."""
        super().__init__(screen)
        self._selected = selected

    async def do_revoke(self) -> None:
        """Ask for the last change in effect, show the loss, then revoke the device."""
        member = self._selected()
        if member is None:
            return
        found = await chain(self.state.workspace, member.device)
        ends = await mark(self.state.workspace, member.device)
        rows: list[tuple[bytes | str, Line]] = [(each.change, self._last_row(each, len(found))) for each in found]
        rows.append((_NO_CHANGE, [(_("none of its changes"), "plain")]))
        if len(ends) > 1:
            rows.insert(0, (_ALL_BRANCHES, [(_("the latest of all branches of its chain"), "plain")]))

        def chosen(answer: object) -> None:
            if answer is not None:
                last = tuple(Cut(each.position, each.change) for each in found if each.change == answer)
                self._plan_revoke(member, found, ends if answer == _ALL_BRANCHES else last)

        title = _("Revoke {device}: which of its changes is the last that you trust?").format(
            device=member_name(member)
        )
        self.screen.open_dialog(ChoiceDialog(title, rows), chosen)

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

    def _plan_revoke(self, member: Member, found: list[ChainEntry], last: Mark) -> None:
        kept = kept_changes(found, last)
        lost = [each for each in found if each.change not in kept]
        rows = [self._change_row(each, "") for each in lost]
        rows = rows or [[(_("None of its changes that are here loses its effect."), "plain")]]
        warnings = [
            ngettext(
                "It may not sync any more. {count} change is quarantined: kept, relayed, and without effect.",
                "It may not sync any more. {count} changes are quarantined: kept, relayed, and without effect.",
                len(lost),
            ),
            _("What it wrote later and is not here yet has no effect either."),
        ]
        if member.role == "admin":
            warnings.append(_("It is an admin: whom it let in or shut out later is undone, too."))

        title = _("Revoke {device}: these changes lose their effect").format(device=member_name(member))
        revoke = partial(self._revoke_device, member.device, last)
        ask_save(self.screen, title, rows, warnings, revoke)

    async def _revoke_device(self, device: bytes, last: Mark, note: str) -> None:
        written = await revoke_device(self.state.workspace, device, [cut.change for cut in last], note or None)
        await _report_written(self.screen, written.change is not None)


async def _report_written(screen: BaseScreen, is_changed: bool) -> None:
    """Show the devices again, and say whether anything was written."""
    await screen.state.reload_state()
    await screen.reload_content()
    screen.redraw()
    screen.show_message(
        _("Saved; the others learn of it when they sync.")
        if is_changed
        else _("It is like that already: nothing was written.")
    )
