"""Serving: answering devices that call, and calling those that hold something else, until cancelled."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import FieldlineError, Refused
from core.sync.announcing import Announced
from core.sync.calling import MOST_NAMES, Caller, Standing, yields
from core.sync.events import Event, Progress
from core.sync.links import tcp
from core.sync.links.causes import lacking, used_up
from core.sync.links.tls import Stranger
from core.workspace.doing import Doing, Report
from core.workspace.endpoint import target_of
from core.workspace.meeting import TCP, Carrier, Link, Met, allowed, meet, now
from core.workspace.ways import Happened, Port, Ways

if TYPE_CHECKING:
    from core.sync.discovery import Discovery
    from core.workspace.context import DeviceContext

PATIENCE = 5.0
"""Seconds that a device that calls waits for the end of the call that is under way the other way round."""

QUIET, IN_A_MEETING = 0.5, 15.0
"""Seconds at least between two looks at what was saved; in a meeting something is saved all the time."""

NETWORK_SECONDS = 5.0
REPORT_SECONDS = 1.0
TROUBLE_SECONDS = 10.0


class Service:
    """A device at work; `happened` is told of every meeting and every new trouble."""

    def __init__(self, workspace: DeviceContext, happened: Callable[[Happened], None]) -> None:
        self._workspace = workspace
        self._happened = happened
        self._own = workspace.identity.device
        chance = random.SystemRandom().uniform
        self.caller = Caller(workspace.store.fleet, self._own, chance)
        self._announced: dict[str, Announced] = {}
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._heard: set[str] = set()
        self._in_meeting: Counter[bytes] = Counter()
        self._met_at: dict[bytes, int] = {}
        self._last_trouble: dict[str, FieldlineError] = {}
        self._poke = asyncio.Event()
        self._news = asyncio.Event()
        self._discovery: Discovery | None = None
        self._port = 0
        self._ports: Sequence[Port] = ()
        self._at_ports: dict[str, Doing] = {}
        self._looked = 0.0
        self._said: dict[str, str] = {}

    async def run(self, ways: Ways, listening: Callable[[str, int], None]) -> None:
        """Serve until cancelled; `listening` is told where, once. Raises FieldlineError if it cannot listen."""
        for target in ways.peers:
            if not target_of(target).host:
                raise Refused("{target} is no device to call: write tcp://HOST:PORT.", target=target)
        server = tcp.Server(
            self._workspace.identity, allowed(self._workspace), self._answer, self._turned_away, self._trouble
        )
        self._ports = ways.ports
        await self._look()
        await server.start(ways.host, ways.port)
        self._port = server.port
        for target in ways.peers:
            self.caller.fixed(target, now())
        report = Report(self._workspace.home.folder)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._mishap)
        try:
            listening(server.host, server.port)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch())
                group.create_task(self._call_all(group))
                group.create_task(self._report(report))
                if ways.discovery:
                    group.create_task(self._discover(server.host))
                for port in ways.ports:
                    group.create_task(self._attend(port))
        finally:
            loop.set_exception_handler(None)
            report.close()
            if self._discovery is not None:
                await self._discovery.close()
            await server.close()

    # --- what it is doing --------------------------------------------------------------------------------------------

    def _stir(self) -> None:
        """Something is different: look whom to call, and tell who wants to know."""
        self._poke.set()
        self._news.set()

    async def _report(self, report: Report) -> None:
        while True:
            told = report.tell(self.doing())
            await asyncio.sleep(REPORT_SECONDS)
            if told:
                await self._news.wait()
            self._news.clear()

    def doing(self) -> list[Doing]:
        """How it stands with each peer and each port."""
        return [*(self._doing(each) for each in self.caller.standing()), *self._at_ports.values()]

    def _doing(self, standing: Standing) -> Doing:
        said, device = self._announced.get(standing.name), standing.device
        return Doing.of(
            standing,
            standing.name if said is None else said.target(standing.failures),
            is_meeting=device in self._in_meeting,
            met_at=self._met_at.get(device) if device else None,
            trouble=self._last_trouble.get(standing.name),
            epoch=self._workspace.clock() / 1_000_000 - now(),
        )

    # --- what this device holds --------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Notice what this and other processes save."""
        unseen = False
        while True:
            try:
                unseen |= await self._workspace.store.changed(IN_A_MEETING if unseen else None)
                if unseen and (not self._in_meeting or now() - self._looked >= IN_A_MEETING):
                    await self._look()
                    unseen = False
                await asyncio.sleep(QUIET)
            except FieldlineError as error:
                self._trouble(error)
                await asyncio.sleep(TROUBLE_SECONDS)

    async def _look_again(self) -> None:
        try:
            await self._look()
        except FieldlineError as error:
            self._trouble(error)

    async def _look(self) -> None:
        """Take note of what this device holds, and announce it."""
        self._looked = now()
        root = (await self._workspace.store.summary()).root
        membership = await self._workspace.membership()
        self.caller.here(root, lambda device: not membership.members or membership.may_connect(device), now())
        for port in self._ports:
            port.holds(root)
        if self._discovery is not None:
            self._discovery.announce(self._port, self._workspace.store.fleet, root, self._own)
        self._stir()

    # --- calling -----------------------------------------------------------------------------------------------------

    async def _call_all(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._poke.clear()
            for name in self.caller.due(now()):
                self.caller.began(name)
                call = self._calls[name] = group.create_task(self._call(name))
                call.add_done_callback(partial(self._called, name))
                self._news.set()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self.caller.wake()):
                    await self._poke.wait()

    async def _call(self, name: str) -> None:
        """Call a peer and hold a meeting; cancelled if the peer calls at the same time and has the right of way."""
        target = self._target(name)
        try:
            met = await self._meet_at(name, target)
        except FieldlineError as error:
            self.caller.failed(name, now())
            self._last_trouble[name] = error
            self._trouble(error, target)
            return
        self._said.pop(target, None)
        if met is None:
            self.caller.gave_way(name, now())
            return
        await self._note(met)
        self.caller.ended(name, now(), moved=bool(met.figures.sent or met.figures.received))

    def _hear(self, name: str, event: Event) -> None:
        if not (isinstance(event, Progress) and event.phase == "hello"):
            self._heard.add(name)

    def _called(self, name: str, call: asyncio.Task[None]) -> None:
        """A call is over, perhaps before it began."""
        if call.cancelled():
            self.caller.gave_way(name, now())
        del self._calls[name]
        self._heard.discard(name)
        if name not in {each.name for each in self.caller.standing()}:
            self._forget(name)
        self._stir()

    async def _meet_at(self, name: str, target: str) -> Met | None:
        """The meeting with a peer; None if that turns out to be a device that called meanwhile, and is to be heard."""
        workspace, place = self._workspace, target_of(target)
        said = self._announced.get(name)
        may = allowed(workspace)

        async def expected(device: bytes) -> bool:
            return (said is None or device == said.device) and await may(device)

        began = now()
        link = await tcp.connect(place.host, place.port, workspace.identity, expected)
        try:
            if said is None:
                self.caller.known(name, link.peer)
                if self.caller.is_answering(link.peer) and yields(self._own, link.peer):
                    return None
            with self._meeting(link.peer):
                met = await meet(
                    workspace, link, TCP, initiator=True, began=began, told=lambda event: self._hear(name, event)
                )
            self._happened(Happened(met.peer, met=met, target=target))
            return met
        finally:
            await link.close()

    def _target(self, name: str) -> str:
        """Where to call a peer; one with several addresses at another one after each failure."""
        said = self._announced.get(name)
        return name if said is None else said.target(self.caller.failures(name))

    # --- answering ---------------------------------------------------------------------------------------------------

    async def _answer(self, link: Link) -> None:
        """Hold a meeting with a device that called; one at a time of those that both sides call for by themselves."""
        self.caller.answering(link.peer, 1)
        try:
            if await self._has_right_of_way(link):
                await self._hold(link, TCP, initiator=False)
        finally:
            self.caller.answering(link.peer, -1)
            self._stir()

    def _calls_to(self, device: bytes) -> set[str]:
        return {each.name for each in self.caller.standing() if each.device == device and each.name in self._calls}

    async def _has_right_of_way(self, link: Link) -> bool:
        """Whether a device still wants to meet, once no call of this device to it is under way."""
        names = self._calls_to(link.peer)
        calls = [self._calls[name] for name in names]
        if not calls:
            return True
        if yields(self._own, link.peer):
            # One that the other device has answered is not in anybody's way: it waits for the end of that, too.
            for name in names - self._heard:
                self._calls[name].cancel()
        await asyncio.wait(calls, timeout=PATIENCE)
        return link.is_open

    async def _hold(self, link: Link, carrier: Carrier, *, initiator: bool) -> Met | None:
        began = self._workspace.clock()
        try:
            with self._meeting(link.peer):
                met = await meet(self._workspace, link, carrier, initiator=initiator)
            await self._note(met)
            self._happened(Happened(link.peer, met=met, link=carrier.name))
            return met
        except FieldlineError as error:
            # If they have met the other way round meanwhile, the other device has given way, and nothing is wrong.
            if not self._calls_to(link.peer) and self._met_at.get(link.peer, 0) < began:
                self._happened(Happened(link.peer, error=error, link=carrier.name))
            return None

    @contextmanager
    def _meeting(self, device: bytes) -> Iterator[None]:
        """Know that a meeting with a device is under way."""
        self._in_meeting[device] += 1
        self._news.set()
        try:
            yield
        finally:
            self._in_meeting[device] -= 1
            self._in_meeting += Counter()
            self._news.set()

    async def _attend(self, port: Port) -> None:
        """Meet whoever comes at a port."""

        def tell(state: str, trouble: FieldlineError | None = None) -> None:
            self._at_ports[port.target] = Doing(port.target, state=state, trouble=trouble)
            self._news.set()

        async def on_link(link: Link, initiator: bool) -> Met | None:
            tell("meeting")
            try:
                return await self._hold(link, port.carrier, initiator=initiator)
            finally:
                tell("serving")

        while True:
            tell("serving")
            try:
                await port.run(on_link)
            except FieldlineError as error:
                tell("failing", error)
                self._trouble(error, port.target, port.carrier.name)
            await asyncio.sleep(TROUBLE_SECONDS)

    async def _note(self, met: Met) -> None:
        """Remember what a peer holds after a meeting."""
        await self._look_again()
        if met.peer is not None:
            self._met_at[met.peer] = self._workspace.clock()
            self.caller.met(met.peer, met.root, now())

    def _mishap(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell what keeps this device from taking calls: asyncio tries again a second later."""
        error = context.get("exception")
        if error is not None and used_up(error):
            self._trouble(lacking(error))
        else:
            loop.default_exception_handler(context)

    def _turned_away(self, stranger: Stranger) -> None:
        self._tell_once(stranger.device.hex(), Happened(stranger.device, error=stranger))

    # --- discovering -------------------------------------------------------------------------------------------------

    async def _discover(self, host: str) -> None:
        """Find and be found, in whatever networks there are."""
        from core.sync.discovery import Discovery

        while True:
            self._discovery = discovery = Discovery(self._seen, self._gone, host=host)
            try:
                await discovery.start()
                break
            except FieldlineError as error:
                self._trouble(error)
                await asyncio.sleep(TROUBLE_SECONDS)
        await self._look_again()
        while True:
            await asyncio.sleep(NETWORK_SECONDS)
            if await discovery.refresh():
                self.caller.network_changed(now())
                await self._look_again()

    def _seen(self, said: Announced) -> None:
        if self.caller.announced(said, now()):
            self._announced[said.name] = said
            if len(self._announced) > 2 * MOST_NAMES:
                known = {each.name for each in self.caller.standing()}
                self._announced = {name: each for name, each in self._announced.items() if name in known}
            self._stir()

    def _gone(self, name: str) -> None:
        self.caller.gone(name)
        if name not in self._calls:
            self._forget(name)
            self._news.set()

    def _forget(self, name: str) -> None:
        self._announced.pop(name, None)
        self._last_trouble.pop(name, None)

    def _trouble(self, error: FieldlineError, target: str | None = None, link: str = TCP.name) -> None:
        self._tell_once(target or "", Happened(None, error=error, target=target, link=link))

    def _tell_once(self, where: str, trouble: Happened) -> None:
        """Tell of a trouble unless it was told before and nothing has changed there since."""
        if self._said.get(where) == str(trouble.error):
            return
        if len(self._said) >= MOST_NAMES:
            self._said.clear()
        self._said[where] = str(trouble.error)
        self._happened(trouble)


async def serve(
    workspace: DeviceContext, ways: Ways, *, listening: Callable[[str, int], None], happened: Callable[[Happened], None]
) -> None:
    """See `Workspace.serve`."""
    await Service(workspace, happened).run(ways, listening)
