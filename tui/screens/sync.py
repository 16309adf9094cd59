"""Sync: whom this device has met and can meet now, meeting them from here, and how far that is."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.worker import Worker, WorkerCancelled, WorkerFailed, WorkType

from core.errors import FieldlineError
from core.store.results import Summary
from core.sync.events import Event, Progress
from tui.command_host import bindings
from tui.language.i18n import N_, _, ngettext, number, say
from tui.rows.cables import waiting_lines
from tui.rows.lines import Line, wrapped
from tui.rows.meetings import Meter, Seen, link_of, meter_lines, seen, seen_line, size
from tui.rows.standing import standing_text, standing_word
from tui.screens.dialogs import Ask
from tui.screens.sifting import Sifting
from tui.widgets.text import Fixed, Lines

# What carries a meeting is imported where one begins: it takes time and memory, and few who look here meet anybody.
if TYPE_CHECKING:
    from core.workspace.arriving import Arriving
    from core.workspace.cables import Standing
    from core.workspace.meeting import Met
    from core.workspace.peers import Peer

TARGETS = "tui.sync.targets"
"""Where this device keeps, for itself, at which address it met which device."""
_SERVED = N_("`fieldline serve` on this device syncs with the other end by itself.")
_MOST_TARGETS = 200
_MOST_OUTCOMES = 20
_REDRAW_SECONDS = 1.0
_LOOK_SECONDS = 2.0
_LEAVE_SECONDS = 1.0


class Sync(Sifting):
    """Devices, ports and files, and the meeting that is under way."""

    PLACE = "sync"
    SCOPES = ("sync", "sifting", "listing")
    BINDINGS = bindings("sync")

    def __init__(self) -> None:
        super().__init__()
        self._summary: Summary | None = None
        self._seen: list[Seen] = []
        self._targets: dict[bytes, str] = {}
        self._asked = "tcp://"
        self.meter: Meter | None = None
        self._meeting: Worker[None] | None = None
        self._looking: Worker[None] | None = None
        self._ticking: Timer | None = None
        self._outcomes: list[tuple[str, str]] = []
        self._there: list[Peer] = []
        self._stands = ""
        self._arriving: Arriving | None = None

    @property
    def current(self) -> Seen | None:
        """The line under the cursor."""
        return next((each for each in self._seen if each.key == self.lines.key), None)

    @property
    def meeting(self) -> bool:
        """Whether a meeting is under way."""
        return self._meeting is not None and not self._meeting.is_finished

    def where(self) -> str:
        return _("Sync")

    def heading(self) -> tuple[Line, Line]:
        if self._summary is None:
            return [], []
        held = ngettext("this device holds {count} change", "this device holds {count} changes", self._summary.count)
        right: Line = [(f"{held} · {self._summary.root.hex()[:8]}", "dim")]
        return [(_("Devices and files"), "plain")], self.filter_line() or right

    async def update(self) -> None:
        store = self.desk.workspace.store
        self._summary = await store.summary()
        self._targets = _read_targets(await store.get_meta(TARGETS))
        met = await store.meetings()
        self._arriving = await self.desk.workspace.arriving()
        every = seen(met, self._there, self._targets, self.desk.names.devices)
        if (meter := self.meter) and not any(self._is_met(each) for each in every):
            # As a cable that was pulled meanwhile.
            every.insert(0, Seen(meter.target, meter.name, link_of(meter.target), meter.target, now=True))
        self._seen = [each for each in every if self.mentioned(each.name, each.target, each.key)]
        self._show()

    def _show(self) -> None:
        key, offered = self.lines.key, self.desk.cables.offered
        if any(each.key == offered for each in self._seen):
            key, self.desk.cables.offered = offered, ""
        width = self.lines.size.width - 2
        self._stands = self._standing()
        rows = [
            (each.key, seen_line(each, width, self.desk.when, self._stands if self._is_met(each) else ""))
            for each in self._seen
        ]
        self.lines.show(Fixed(rows), cursor=next((i for i, row in enumerate(rows) if row[0] == key), None))

    def on_resize(self) -> None:
        self._show()

    def on_mount(self) -> None:
        if self.desk.options.discovery:
            work: WorkType[None] = self._look_out
            self._looking = self.run_worker(work, group="watch")

    async def on_unmount(self) -> None:
        # One has a peer to say goodbye to, the other sockets to close.
        for worker in (self._meeting, self._looking):
            if worker is not None and not worker.is_finished:
                worker.cancel()
                with suppress(WorkerCancelled, WorkerFailed, TimeoutError):
                    async with asyncio.timeout(_LEAVE_SECONDS):
                        await worker.wait()

    async def _look_out(self) -> None:
        """Look while this screen is shown what announces itself in the network, and what is plugged in."""
        from core.workspace.peers import lookout

        async with lookout(self.desk.workspace, self._no_lookout) as out:
            while True:
                if self.is_current:
                    try:
                        there = await out.peers()
                    except FieldlineError as error:
                        self._no_lookout(error)
                        return
                    if there != self._there:
                        self._there = there
                        self.news()
                await asyncio.sleep(_LOOK_SECONDS)

    def _no_lookout(self, error: FieldlineError) -> None:
        self._note(say(error))
        self.redraw()

    # --- details -----------------------------------------------------------------------------------------------------

    def subject(self) -> Line:
        if self.meter is not None:
            who = self.meter.name
            if (cable := self._cable()) and cable.peer:
                device = self.desk.names.device(cable.peer)
                who = _("{device} at {port}").format(device=device, port=who)
            return [(_("Meeting {who}").format(who=who), "strong")]
        return [(self.current.name, "strong")] if self.current else []

    def details(self, width: int, height: int) -> list[Line]:
        indent = ("   ", "plain")
        if self.meter is not None:
            cable, stands = self._cable(), self._standing()
            if stands == "waiting":
                lines = waiting_lines(width - 6)
            else:
                told, halted = (standing_text(cable) if cable else ""), stands != "meeting"
                lines = meter_lines(self.meter, width - 6, height, told, halted)
            return [[indent, *line] for line in lines[:height]]
        said: list[tuple[str, str]] = [(self.beginning(), "attention")]
        if coming := self._arriving:
            template = _("{count} of {total} changes are still to come from {device}. Meet it again to go on.")
            who = self.desk.names.device(coming.peer)
            missing, total = number(coming.missing), number(coming.total)
            said.append((template.format(count=missing, total=total, device=who), "attention"))
        if each := self.current:
            said += self._about(each)
        elif self.sought:
            said.append((self.nobody(), "plain"))
        else:
            said.append(
                (
                    _(
                        "No other device has brought anything yet. On the other device run `fieldline serve`, then "
                        "press m here and type tcp:// and its address; or press b and carry a folder on a stick."
                    ),
                    "plain",
                )
            )
        said += [(f"{when}  {what}", "dim") for when, what in reversed(self._outcomes)]
        broken = [(line, role) for text, role in said for line in wrapped(text, width - 6)]
        return [[indent, line] for line in broken[:height]]

    def _about(self, each: Seen) -> list[tuple[str, str]]:
        """What there is to say of a line, and in which role."""
        said = []
        if each.trouble is not None:
            said.append((say(each.trouble), "attention"))
        if each.next_try is not None:
            said.append((_("Next try {when}.").format(when=self.desk.when.short(each.next_try)), "plain"))
        if self._is_served(each.target):
            said.append((_(_SERVED), "plain"))
        elif each.now and each.link == "serial":
            said.append(
                (
                    _(
                        "Press Enter to sync with the device at the other end. It has to do the same, or run "
                        "`fieldline serve --serial`."
                    ),
                    "plain",
                )
            )
            if last := self._last_at(each.target):
                said.append((_("Met here last: {device}.").format(device=last), "plain"))
        elif each.target:
            there = _("It can be met at {target}: Enter.") if each.now else _("It was met at {target}: Enter again.")
            said.append((there.format(target=each.target), "plain"))
        elif each.link == "bundle":
            said.append((_("Changes that came as a file; b meets a file or a folder on a stick."), "plain"))
        else:
            said.append((_("It called this device; from here, m asks for its address."), "plain"))
        return said

    def _cable(self) -> Standing | None:
        """How the cable that is in use stands."""
        if self.meter is None or link_of(self.meter.target) != "serial":
            return None
        from core.workspace import cables

        return cables.standing(self.meter.target)

    def _standing(self) -> str:
        """How the meeting stands, for its line."""
        cable = self._cable()
        return "meeting" if cable is None else standing_word(cable)

    def _is_met(self, each: Seen) -> bool:
        """Whether the meeting that is under way from here is with this line; that over a cable is with its port."""
        if self.meter is None or each.target != self.meter.target:
            return False
        return each.key == each.target or each.link != "serial"

    def _is_served(self, target: str) -> bool:
        """Whether the process that serves on this device has the port of this target."""
        port = target.partition("?")[0]
        there = (each for each in self._there if each.state in ("serving", "meeting"))
        return link_of(target) == "serial" and port in {each.target.partition("?")[0] for each in there}

    def _last_at(self, target: str) -> str:
        """The device that was met at this target last."""
        return next((self.desk.names.device(device) for device, at in self._targets.items() if at == target), "")

    def copied(self) -> str:
        """Where it is to be met."""
        return self.current.target if self.current else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    def cannot(self, name: str) -> str | None:
        if name == "stop":
            return None if self.meeting else _("No meeting is under way.")
        if self.meeting:
            return _("A meeting is under way: x stops it, and what has come stays.")
        if name == "meet":
            if self.current is not None and self._is_served(self.current.target):
                return _(_SERVED)
            if self.current is None:
                return _("Nobody is on this line: m asks for an address.")
            if not self.current.target:
                return _("Where {device} is to be met is not known: m asks for its address.").format(
                    device=self.current.name
                )
        return None

    def do_meet(self) -> None:
        """Meet what is on this line."""
        if (each := self.current) and each.target:
            self._begin(each.target, each.name)

    def do_meet_at(self) -> None:
        """Ask for an address and meet the device there."""
        help_text = _("tcp://HOST:PORT, where `fieldline serve` runs; without a port it is {port}.").format(port=7420)
        self.app.push_screen(Ask(_("Meet whom?"), self._asked, help_text, self._check, _("meet")), self._answered)

    def do_stick(self) -> None:
        """Ask for a folder or file and meet it."""
        help_text = _("A folder on a stick, or a file: this device takes what is new there and adds what is missing.")
        text = self._asked if self._asked.startswith("bundle:") else "bundle://"
        self.app.push_screen(
            Ask(_("Meet which folder or file?"), text, help_text, self._check, _("meet")), self._answered
        )

    async def _check(self, text: str) -> None:
        from core.workspace.endpoint import target_of

        target_of(text.strip())

    def _answered(self, text: str | None) -> None:
        if text is not None:
            self._asked = text.strip()
            self._begin(self._asked, self._asked)

    def do_stop(self) -> None:
        """Stop the meeting; what has come stays."""
        if self._meeting is not None:
            self._meeting.cancel()

    # --- a meeting ---------------------------------------------------------------------------------------------------

    def _begin(self, target: str, name: str) -> None:
        if link_of(target) == "serial":
            # Who is there is seen when there is somebody.
            name = target.partition("?")[0].rpartition("/")[2]
        self.meter = Meter(target, name)
        self.desk.cables.meeting = target
        self._ticking = self.set_interval(_REDRAW_SECONDS, self._tick)
        work: WorkType[None] = partial(self._meet, target, name)
        self._meeting = self.run_worker(work, group="meeting", exclusive=True)
        self._show()
        self.redraw()

    def _tick(self) -> None:
        """Show how far it is, at most once a second: the line may be slow."""
        if self._standing() != self._stands:
            self._show()
            self.redraw()
        self.query_one("#details", Lines).redraw()

    async def _meet(self, target: str, name: str) -> None:
        outcome, failed = "", True
        try:
            met = await self.desk.workspace.sync(target, told=self._hear)
            outcome, failed = await self._told(met, target), False
        except FieldlineError as error:
            outcome = say(error)
        except asyncio.CancelledError:
            outcome = _("Stopped: what had come is saved. Meet again to go on.")
            raise
        finally:
            self._ended(name, outcome, failed)
        await self.update()
        self.redraw()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Progress) and self.meter is not None:
            self.meter.hear(event, asyncio.get_running_loop().time())

    async def _told(self, met: Met, target: str) -> str:
        """What came of it, in a sentence; where a device was met is remembered."""
        figures = met.figures
        who = target
        if met.peer is not None:
            who = self.desk.names.device(met.peer)
            if link_of(target) != "bundle":
                kept = {met.peer: target, **{d: t for d, t in self._targets.items() if d != met.peer}}
                await self.desk.workspace.store.put_meta(TARGETS, _targets_written(kept))
        sentence = _("Met {who}: {received} received, {sent} sent, {bytes}.").format(
            who=who,
            received=number(figures.received),
            sent=number(figures.sent),
            bytes=size(figures.bytes_in + figures.bytes_out),
        )
        for path in met.unreadable:
            sentence += " " + _("{path} is damaged and was left as it is.").format(path=path)
        return sentence

    def _ended(self, name: str, outcome: str, failed: bool) -> None:
        if self._ticking is not None:
            self._ticking.stop()
        self.meter = self._meeting = self._ticking = None
        self.desk.cables.meeting = ""
        self._note(outcome)
        # It may have ended because the program does.
        if self.query("#list"):
            self._show()
            self.redraw()
            self.message(outcome, attention=failed)

    def _note(self, outcome: str) -> None:
        when = self.desk.when.short(self.desk.when.clock())
        self._outcomes = [*self._outcomes, (when, outcome)][-_MOST_OUTCOMES:]


def _read_targets(kept: bytes | None) -> dict[bytes, str]:
    """Where devices were met; what cannot be read is as if it were not there."""
    try:
        data = json.loads(bytes(kept)) if kept is not None else {}
        return {bytes.fromhex(device): str(target) for device, target in data.items()}
    except (ValueError, AttributeError):
        return {}


def _targets_written(targets: dict[bytes, str]) -> bytes:
    some = list(targets.items())[:_MOST_TARGETS]
    return json.dumps({device.hex(): target for device, target in some}).encode()
