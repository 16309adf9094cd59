"""Members: the devices of the fleet, their roles and how they stand."""

from __future__ import annotations

from textual.app import ComposeResult

from core.membership import Member
from core.store.log import LogEntry, LogFilter
from tui.i18n import N_, _, ngettext
from tui.lines import Column, Line, columns, wrapped
from tui.screens.page import Page, bindings, rule
from tui.widgets.text import Fixed, LineList, Lines

_ROLES = {"admin": N_("admin"), "technician": N_("technician"), "reader": N_("reader")}
_STATES = {"active": ("●", N_("active")), "revoked": ("–", N_("revoked")), "pending": ("○", N_("waits to be admitted"))}


class Members(Page):
    """The list of devices."""

    PLACE = "members"
    SCOPES = ("members",)
    BINDINGS = bindings("members")
    AUTO_FOCUS = "LineList"

    def __init__(self) -> None:
        super().__init__()
        self._members: dict[bytes, Member] = {}
        self._changes = 0
        self._last: LogEntry | None = None

    def body(self) -> ComposeResult:
        yield LineList(id="list")
        yield Lines(lambda width, _height: [rule(width, self._title())], id="details-title")
        yield Lines(self._details, id="details")

    @property
    def lines(self) -> LineList:
        """The list on the screen."""
        return self.query_one("#list", LineList)

    @property
    def member(self) -> Member | None:
        """The device under the cursor."""
        key = self.lines.key
        return self._members.get(key) if isinstance(key, bytes) else None

    def where(self) -> str:
        return _("Members")

    async def update(self) -> None:
        found = (await self.desk.workspace.store.membership()).members.values()
        ordered = sorted(found, key=lambda member: (member.name.casefold(), member.device))
        self._members = {member.device: member for member in ordered}
        key = self.lines.key
        rows = [(member.device, self._row(member)) for member in ordered]
        at = next((index for index, (device, _line) in enumerate(rows) if device == key), None)
        self.lines.show(Fixed(rows), cursor=at)
        await self._read_details()

    def _row(self, member: Member) -> Line:
        glyph, state = _STATES.get(member.state, ("!", member.state))
        me = member.device == self.desk.workspace.identity.device
        return columns(
            76,
            [
                Column(member.name or member.device.hex()[:8], 24, "strong"),
                Column(_(_ROLES.get(member.role, member.role)), 12),
                Column(glyph, 1, "plain" if member.state == "active" else "attention"),
                Column(_(state), 22, "plain" if member.state == "active" else "attention"),
                Column(_("this device") if me else "", None, "dim"),
            ],
        )

    # --- details -----------------------------------------------------------------------------------------------------

    def on_line_list_moved(self) -> None:
        self.work(self._read_details, group="details")

    async def _read_details(self) -> None:
        if member := self.member:
            view, of = self.desk.view, LogFilter(device=member.device)
            self._changes = await view.log_size(of)
            self._last = next(iter(await view.log(of, limit=1)), None)
        for name in ("#details-title", "#details"):
            self.query_one(name, Lines).redraw()

    def _title(self) -> Line:
        return [(self.member.name or self.member.device.hex()[:8], "strong")] if self.member else []

    def _details(self, width: int, height: int) -> list[Line]:
        member = self.member
        if member is None:
            return []
        text = [
            _("Device id {id}").format(id=member.device.hex()),
            ngettext("It has made {count} change.", "It has made {count} changes.", self._changes),
        ]
        if self._last:
            text[-1] += " " + _("The last on {when} by {user}.").format(
                when=self.desk.when.dated(self._last.at), user=self._last.user
            )
        hint = _("`fieldline admit DEVICE_ID --role technician` on an admin's device lets another device in.")
        lines = [[("   ", "plain"), (line, "plain")] for line in text]
        return lines + [[("   ", "plain"), (line, "dim")] for line in wrapped(hint, width - 6)]
