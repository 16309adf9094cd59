"""A fleet that lives in virtual time: real stores, edits and sessions.

Clocks, links, crashes and people from a seed.

Devices work apart with clocks that are wrong and jump. They meet over Wi-Fi, cable and sticks, which are cut; they
crash while they sync, are put back to a backup, are revoked. Nothing here decides what a right result is: see
`check_agreement`.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.device.home import Home
from core.errors import FieldlineError
from core.hashes import digest
from core.identity import Identity
from core.member_values import NAME_PROPERTY, ROLE_PROPERTY
from core.records import Edit
from core.schema import KIND
from core.schema_toml import load_builtin_schema
from core.store import store_file
from core.store.connection import chunks
from core.store.indexes.acceptance import MembershipCache
from core.sync.events import Done, Failed
from core.sync.pump import StoreReplica, pump_session
from core.sync.session import Session
from core.workspace import Workspace, members
from core.workspace.undo import apply_plan, plan_next_undo
from tests.simulation.life import HOUR_US, Life
from tests.simulation.links import LINKS, Line, LineWriter, LinkKind

SCHEMA = load_builtin_schema("service-centre")
SECOND_US = 1_000_000
DAY_US = 24 * HOUR_US
BEGIN_US = 1_700_000_000 * SECOND_US
MAX_FIRST_SYNCS = 36
"""Of a larger fleet the others are delivered with a copy of the store that the first of them got."""
ADMITTED_AT_ONCE = 100
MAX_OPEN = 48
"""Stores at a time: the one that was not used for longest is closed until its device does something."""


@dataclass(frozen=True)
class Rates:
    """How often things happen, a device and day."""

    edits: float = 0.6
    meetings: float = 1.0
    clock_jumps: float = 0.01
    crashes: float = 0.02
    backups: float = 0.03
    restores: float = 0.003
    revocations: float = 0.0005


@dataclass
class Device:
    """A device of the fleet, whose clock is off by `offset_us`.

    `workspace` is None while nobody uses it.
    """

    number: int
    folder: Path
    identity: Identity
    chance: random.Random
    workspace: Workspace | None = None
    membership: MembershipCache = field(default_factory=MembershipCache)
    offset_us: int = 0
    is_revoked: bool = False
    backup: Path | None = None
    held: set[bytes] = field(default_factory=set)
    written: set[bytes] = field(default_factory=set)
    """What was saved on it, and is not lost."""
    root: bytes = b""
    """Of what it holds, as it said last."""


def _admission(device: Device) -> list[Edit]:
    facts = {KIND: "member", NAME_PROPERTY: f"K{device.number}", ROLE_PROPERTY: "technician"}
    return [Edit(device.identity.device, name, value) for name, value in facts.items()]


def _hurry(connection: sqlite3.Connection) -> None:
    """Durability is tried elsewhere; here it is most of the time."""
    connection.execute("PRAGMA synchronous = OFF")


class Fleet:
    """The devices, the time, and what is to happen next."""

    def __init__(self, folder: Path, seed: int, rates: Rates, max_open: int) -> None:
        self._folder = folder
        self._rng = random.Random(seed)
        self._seed = seed
        self._rates = rates
        self._max_open = max_open
        self._queue: list[tuple[int, int, Callable[[], Awaitable[None]]]] = []
        self._count = 0
        self.now_us = BEGIN_US
        self.devices: list[Device] = []
        self._open: dict[int, Device] = {}
        self._ids: dict[bytes, bytes] = {}
        """Each change's id once: a thousand devices hold it."""
        self.life = Life()

    # --- the beginning -----------------------------------------------------------------------------------------------

    async def found(self, size: int) -> None:
        """Make the devices: the first is the admin, and admits the others."""
        fleet: str | None = None
        for number in range(size):
            folder = self._folder / f"{number}"
            folder.mkdir()
            seed = digest(f"{self._seed} {number}".encode())
            identity = Identity(Ed25519PrivateKey.from_private_bytes(seed))
            (folder / "device.key").write_bytes(identity.key_pem)
            (folder / "device.key").chmod(0o600)
            device = Device(number, folder, identity, random.Random(f"{self._seed} salts {number}"))
            self.devices.append(device)
            clock, entropy = self._clock(device), device.chance.randbytes
            if fleet is None:
                opened = await Workspace.init(
                    folder,
                    user="admin",
                    fleet_name="Nord",
                    schema=SCHEMA,
                    device_name="K0",
                    clock=clock,
                    entropy=entropy,
                )
                fleet = opened.store.fleet.hex()
            else:
                opened = await Workspace.join(
                    folder, user="nobody", fleet=fleet, device_name=f"K{number}", clock=clock, entropy=entropy
                )
            await opened.close()
        admin = await self.workspace(self.devices[0])
        for device in self.devices[1:MAX_FIRST_SYNCS]:
            await admin.admit(device.identity.device.hex(), "technician", f"K{device.number}")
        for some in chunks(self.devices[MAX_FIRST_SYNCS:], ADMITTED_AT_ONCE):
            await admin.save_unchecked([edit for device in some for edit in _admission(device)])
        await self._note(self.devices[0], new=True)
        copy = self._folder / "delivered"
        for device in self.devices[1:]:
            if device.number < MAX_FIRST_SYNCS:
                await self.meet(self.devices[0], device)
                if device.number + 1 == min(size, MAX_FIRST_SYNCS):
                    await (await self.workspace(device)).backup(copy, plain=True)
            else:
                await self._put_back(device, [copy])
                await self._note(device)
            device.offset_us = self._rng.choice([0, 0, 0, *(self._rng.randint(-300, 300) * SECOND_US for _ in "123")])

        # That is how they came to be, and not what is counted.
        self.life.byte_count = 0
        self.life.happened.clear()
        self.life.watch_from(self.now_us)

    def _clock(self, device: Device) -> Callable[[], int]:
        return lambda: self.now_us + device.offset_us

    async def workspace(self, device: Device) -> Workspace:
        """Give an opened device; the one that was not used for longest is closed for it."""
        if device.workspace is None:
            user = f"Person {device.number % 7}"
            device.workspace = await Workspace.open(
                device.folder, user=user, clock=self._clock(device), entropy=device.chance.randbytes
            )
            await device.workspace.store.run(_hurry)
            # What a program that is not closed has in memory; it asks the store whether it still holds.
            device.workspace.store._membership_cache = device.membership
        self._open.pop(device.number, None)
        self._open[device.number] = device
        while len(self._open) > self._max_open:
            await self._shut(next(iter(self._open.values())))
        return device.workspace

    async def _shut(self, device: Device) -> None:
        opened, device.workspace = self._open.pop(device.number).workspace, None
        if opened is not None:
            await opened.close()

    async def close(self) -> None:
        for device in list(self._open.values()):
            await self._shut(device)

    # --- what happens ------------------------------------------------------------------------------------------------

    async def live(self, days: int) -> None:
        """Let so many days pass."""
        end_us = self.now_us + days * DAY_US
        acts: list[tuple[float, Callable[[Device], Awaitable[None]]]] = [
            (self._rates.edits, self.work),
            (self._rates.meetings, self._meet_somebody),
            (self._rates.clock_jumps, self._jump),
            (self._rates.crashes, self.crash),
            (self._rates.backups, self.back_up),
            (self._rates.restores, self.restore_backup),
            (self._rates.revocations, self.revoke),
        ]
        for device in self.devices:
            for rate, act in acts:
                self._plan_next(device, rate, act, end_us)
        while self._queue:
            self.now_us, _, due = heapq.heappop(self._queue)
            await due()
        self.now_us = end_us
        self.life.day_count += days
        self.life.end_period(end_us, {device.number for device in self.active})

    def _plan_next(self, device: Device, rate: float, act: Callable[[Device], Awaitable[None]], end_us: int) -> None:
        at_us = self.now_us + int(self._rng.expovariate(rate) * DAY_US)
        if at_us >= end_us:
            return

        async def due() -> None:
            if not device.is_revoked:
                await act(device)
                self._plan_next(device, rate, act, end_us)

        self._count += 1
        heapq.heappush(self._queue, (at_us, self._count, due))

    async def work(self, device: Device) -> None:
        """Let the person there do one thing of those that people do."""
        workspace = await self.workspace(device)
        schema = await workspace.schema()
        act = self._rng.choices(
            ["create", "set", "clear", "retire", "resolve", "restore", "undo"], [15, 60, 3, 2, 12, 3, 5]
        )[0]
        with suppress(FieldlineError):
            rows = await workspace.store.now().page("locality", schema)
            if act == "create" or not rows:
                code = f"{self._rng.randrange(400)}"
                await workspace.create("locality", {"code": code, "name": f"Site {code}"})
            elif act == "resolve":
                items = [item for item in await workspace.inbox() if item.type == "conflict"]
                if items:
                    item = self._rng.choice(items)
                    record = await workspace.record(item.entity)
                    fact = self._rng.choice(item.candidates).fact.hex()
                    await workspace.resolve_with_candidate(record, item.property, fact)
            elif act == "undo":
                await apply_plan(workspace, await plan_next_undo(workspace), None)
            else:
                await self._edit(workspace, act, self._rng.choice(rows).entity)
        self.life.happened[act] += 1
        await self._note(device, new=True)

    async def _edit(self, workspace: Workspace, act: str, entity: bytes) -> None:
        record = await workspace.record(entity)
        if act == "set":
            name = self._rng.choice(["name", "tsc_server"])
            await workspace.set(record, {name: f"{name.replace('_', '-')}{self._rng.randrange(1000)}"})
        elif act == "clear":
            await workspace.clear(record, ["name"])
        elif act == "retire":
            await workspace.retire(record)
        else:
            at_us = self.now_us - self._rng.randrange(30) * DAY_US
            await workspace.save(await workspace.plan_restore(entity, at_us))

    async def _meet_somebody(self, device: Device) -> None:
        others = [each for each in self.devices if each is not device and not each.is_revoked]
        link = self._rng.choice(LINKS)
        room = self._cut_after() if self._rng.random() < link.cut_share else None
        await self.meet(device, self._rng.choice(others), link, room)

    def _cut_after(self) -> int:
        """Draw after how many bytes a link is cut.

        As often in the first hundred as in the next thousands.
        """
        return int(2 ** self._rng.uniform(4, 13))

    async def meet(
        self, one: Device, other: Device, link: LinkKind = LINKS[0], room: int | None = None
    ) -> tuple[Done | Failed, Done | Failed]:
        """Let two devices sync; with `room` the link is cut after so many bytes."""
        line = Line(room)
        left, right = await self.workspace(one), await self.workspace(other)

        def end(here: Workspace, there: Device, number: int) -> Awaitable[Done | Failed]:
            peer = there.identity.device
            return pump_session(
                Session(here.store.fleet, peer, initiator=number == 0),
                line.readers[number],
                LineWriter(line, 1 - number),  # type: ignore[arg-type]
                StoreReplica(here.store, peer, link.name),
            )

        outcomes = await asyncio.gather(end(left, other, 0), end(right, one, 1))
        self.life.byte_count += line.bytes
        self.life.happened["cut" if line.is_cut else f"sync over {link.name}"] += 1
        began_us = self.now_us
        self.now_us += line.bytes * SECOND_US // link.rate
        await self._note(one)
        await self._note(other)
        self.now_us = began_us
        return outcomes[0], outcomes[1]

    async def _jump(self, device: Device) -> None:
        device.offset_us = self._rng.choice([0, -self.now_us, self._rng.randint(-400, 400) * DAY_US])
        self.life.happened["clock jump"] += 1

    async def crash(self, device: Device) -> None:
        """Stop a device as a kill does, in the middle of a sync.

        What its files hold then is what it goes on with.
        """
        others = [each for each in self.devices if each is not device and not each.is_revoked]
        await self.meet(device, self._rng.choice(others), LINKS[1], self._cut_after())
        kept = self._copy_store(device, "crashed")
        await self._put_back(device, kept)
        self.life.happened["crash"] += 1
        await self._note(device)

    async def back_up(self, device: Device) -> None:
        device.backup = self._folder / f"backup{device.number}"
        await (await self.workspace(device)).backup(device.backup, plain=True)
        self.life.happened["backup"] += 1

    async def restore_backup(self, device: Device) -> None:
        """Put a device back to its backup.

        What nobody else has is lost with it, and it gets back what it wrote before it goes on.
        """
        if device.backup is None:
            return
        await self._put_back(device, [device.backup])
        now = set(await (await self.workspace(device)).store.hashes())
        others = [each for each in self.devices if each is not device]
        lost = {change for change in device.held - now if not any(change in each.held for each in others)}
        self.life.lost_with_restore |= lost
        device.held, device.written = now, device.written - lost
        self.life.happened["restored backup"] += 1
        for other in others:
            if not other.is_revoked and not device.written & other.held <= device.held:
                await self.meet(device, other)

    async def revoke(self, device: Device) -> None:
        """Let the admin shut a device out, which from then on meets nobody."""
        admin = self.devices[0]
        if device is admin or sum(not each.is_revoked for each in self.devices) < 4:
            return
        opened = await self.workspace(admin)
        chain = await members.chain(opened, device.identity.device)
        last = [chain[-1].change] if chain and self._rng.random() < 0.7 else []
        await members.revoke_device(opened, device.identity.device, last)
        device.is_revoked = True
        self.life.happened["revocation"] += 1
        await self._note(admin, new=True)

    def _copy_store(self, device: Device, name: str) -> list[Path]:
        folder = self._folder / f"{name}{device.number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        files = [path for path in store_file.store_files(Home(device.folder).store)[:2] if path.exists()]
        return [Path(shutil.copy(path, folder / path.name)) for path in files]

    async def _put_back(self, device: Device, files: list[Path]) -> None:
        store = Home(device.folder).store
        if device.workspace is not None:
            await self._shut(device)
        device.membership = MembershipCache()
        for path in store_file.store_files(store):
            path.unlink(missing_ok=True)
        for path, target in zip(files, store_file.store_files(store), strict=False):
            shutil.copy(path, target)

    async def _note(self, device: Device, *, new: bool = False) -> None:
        """Keep in mind what a device has got; what it wrote itself is what is saved."""
        store = (await self.workspace(device)).store
        summary = await store.summary()
        device.root = summary.root
        if summary.count == len(device.held):
            return
        held = {self._ids.setdefault(change, change) for change in await store.hashes()}
        for change in held - device.held:
            if new:
                self.life.saved[change] = self.now_us
                device.written.add(change)
            self.life.note_reached(change, device.number, self.now_us)
        device.held = held

    # --- what must hold ----------------------------------------------------------------------------------------------

    @property
    def active(self) -> list[Device]:
        return [device for device in self.devices if not device.is_revoked]

    async def settle(self) -> None:
        """Let everybody who belongs sync with a neighbour until all hold the same."""
        for _ in range(len(self.active)):
            if len({device.root for device in self.active}) == 1:
                return
            for one, other in [*pairwise(self.active), (self.active[-1], self.active[0])]:
                await self.meet(one, other)
        raise AssertionError("they do not come to hold the same")
