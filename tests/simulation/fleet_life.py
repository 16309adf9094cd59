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
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.errors import FieldlineError
from core.hashes import digest
from core.identity import Identity
from core.schema_toml import load_builtin_schema
from core.store import store_file
from core.sync.events import Done, Failed
from core.sync.pump import StoreReplica, pump_session
from core.sync.session import Session
from core.workspace import Workspace, members
from core.workspace.undo import apply_plan, plan_next_undo

SCHEMA = load_builtin_schema("service-centre")
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
BEGIN_US = 1_700_000_000 * SECOND_US
REPORT_SHARES = (0.5, 0.95, 1.0)
MISHAPS = ("cut", "clock jump", "crash", "restored backup")
MAX_FIRST_SYNCS = 36
"""Of a larger fleet the others are delivered with a copy of the store that the first of them got."""


@dataclass(frozen=True)
class LinkKind:
    """A way to sync: bytes in a second, and how often it is cut before its end."""

    name: str
    rate: int
    cut_share: float


LINKS = (LinkKind("Wi-Fi", 500_000, 0.1), LinkKind("cable", 11_000, 0.2), LinkKind("stick", 5_000_000, 0.05))


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


class CutError(ConnectionResetError):
    """The link is cut."""


class _Line:
    """What joins two ends; cut in both directions once so many bytes went over it."""

    def __init__(self, room: int | None) -> None:
        self.readers = asyncio.StreamReader(), asyncio.StreamReader()
        self.bytes = 0
        self._room = room

    @property
    def is_cut(self) -> bool:
        return self._room is not None and self.bytes >= self._room

    def carry(self, data: bytes, to: int) -> None:
        if self.is_cut:
            return
        self.readers[to].feed_data(data if self._room is None else data[: self._room - self.bytes])
        self.bytes += len(data)
        if self.is_cut:
            for reader in self.readers:
                reader.feed_eof()


class _Writer:
    """The sending end of a line in memory.

    What `pump_session` needs of an asyncio.StreamWriter.
    """

    def __init__(self, line: _Line, to: int) -> None:
        self._line = line
        self._to = to

    def write(self, data: bytes) -> None:
        self._line.carry(data, self._to)

    async def drain(self) -> None:
        if self._line.is_cut:
            raise CutError
        await asyncio.sleep(0)


@dataclass
class Device:
    """A device of the fleet.

    Its clock is off by `offset_us`; None while it is not yet opened.
    """

    number: int
    folder: Path
    identity: Identity
    workspace: Workspace
    offset_us: int = 0
    is_revoked: bool = False
    backup: Path | None = None
    held: set[bytes] = field(default_factory=set)
    written: set[bytes] = field(default_factory=set)
    """What was saved on it, and is not lost."""


@dataclass
class Life:
    """What is counted: what happened, what was saved by whom when, who had it when."""

    happened: Counter[str] = field(default_factory=Counter)
    saved: dict[bytes, int] = field(default_factory=dict)
    lost_with_restore: set[bytes] = field(default_factory=set)
    reached: dict[bytes, dict[int, int]] = field(default_factory=dict)
    bytes: int = 0
    day_count: int = 0

    @property
    def mishaps(self) -> Counter[str]:
        """How often what went wrong."""
        return Counter({name: self.happened[name] for name in (*MISHAPS, "revocation")})

    def spread_hours(self, fleet_size: int) -> dict[float, list[float]]:
        """Give for each share the sorted hours until so many devices held a change."""
        found: dict[float, list[float]] = {share: [] for share in REPORT_SHARES}
        for change, saved_us in self.saved.items():
            times = sorted(self.reached.get(change, {}).values())
            for share in REPORT_SHARES:
                needed = max(1, round(share * fleet_size))
                if len(times) >= needed:
                    found[share].append((times[needed - 1] - saved_us) / HOUR_US)
        return {share: sorted(hours) for share, hours in found.items()}


class Fleet:
    """The devices, the time, and what is to happen next."""

    def __init__(self, folder: Path, seed: int, rates: Rates) -> None:
        self._folder = folder
        self._rng = random.Random(seed)
        self._seed = seed
        self._rates = rates
        self._queue: list[tuple[int, int, Callable[[], Awaitable[None]]]] = []
        self._count = 0
        self.now_us = BEGIN_US
        self.devices: list[Device] = []
        self.life = Life()

    # --- the beginning -----------------------------------------------------------------------------------------------

    async def found(self, size: int) -> None:
        """Make the devices: the first is the admin, and admits the others."""
        for number in range(size):
            folder = self._folder / f"{number}"
            folder.mkdir()
            seed = digest(f"{self._seed} {number}".encode())
            identity = Identity(Ed25519PrivateKey.from_private_bytes(seed))
            (folder / "device.key").write_bytes(identity.key_pem)
            (folder / "device.key").chmod(0o600)
            if number == 0:
                workspace = await Workspace.init(
                    folder, user="admin", fleet_name="Nord", schema=SCHEMA, device_name="K0", **self._chance(0)
                )
            else:
                fleet = self.devices[0].workspace.store.fleet.hex()
                waiting = await Workspace.join(
                    folder, user="nobody", fleet=fleet, device_name=f"K{number}", clock=self._clock(number)
                )
                await waiting.close()
                workspace = await self._open(folder, number)
            self.devices.append(Device(number, folder, identity, workspace))
        for device in self.devices[1:]:
            await self.devices[0].workspace.admit(device.identity.device.hex(), "technician", f"K{device.number}")
        for device in self.devices:
            await self._hurry(device)
            await self._note(device, new=device.number == 0)
        copy = self._folder / "delivered"
        for device in self.devices[1:]:
            if device.number < MAX_FIRST_SYNCS:
                await self.meet(self.devices[0], device)
                if device.number + 1 == min(size, MAX_FIRST_SYNCS):
                    await device.workspace.backup(copy, plain=True)
            else:
                await self._put_back(device, [copy])
                await self._note(device)
            device.offset_us = self._rng.choice([0, 0, 0, *(self._rng.randint(-300, 300) * SECOND_US for _ in "123")])

    def _clock(self, number: int) -> Callable[[], int]:
        return lambda: self.now_us + (self.devices[number].offset_us if number < len(self.devices) else 0)

    def _chance(self, number: int) -> dict[str, Callable[..., object]]:
        rng = random.Random(f"{self._seed} salts {number} {self._count}")
        return {"clock": self._clock(number), "entropy": rng.randbytes}

    async def _open(self, folder: Path, number: int) -> Workspace:
        return await Workspace.open(folder, user=f"Person {number % 7}", **self._chance(number))

    async def _hurry(self, device: Device) -> None:
        """Durability is tried elsewhere; here it is most of the time."""
        await device.workspace.store.run(lambda connection: connection.execute("PRAGMA synchronous = OFF") and None)

    async def close(self) -> None:
        for device in self.devices:
            await device.workspace.close()

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
        workspace = device.workspace
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
        line = _Line(room)
        fleet = one.workspace.store.fleet

        def end(here: Device, there: Device, number: int) -> Awaitable[Done | Failed]:
            peer = there.identity.device
            return pump_session(
                Session(fleet, peer, initiator=number == 0),
                line.readers[number],
                _Writer(line, 1 - number),  # type: ignore[arg-type]
                StoreReplica(here.workspace.store, peer, link.name),
            )

        outcomes = await asyncio.gather(end(one, other, 0), end(other, one, 1))
        self.life.bytes += line.bytes
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
        await device.workspace.backup(device.backup, plain=True)
        self.life.happened["backup"] += 1

    async def restore_backup(self, device: Device) -> None:
        """Put a device back to its backup.

        What nobody else has is lost with it, and it gets back what it wrote before it goes on.
        """
        if device.backup is None:
            return
        elsewhere = set().union(*(each.held for each in self.devices if each is not device))
        await self._put_back(device, [device.backup])
        now = set(await device.workspace.store.hashes())
        lost = device.held - now - elsewhere
        self.life.lost_with_restore |= lost
        device.held, device.written = now, device.written - lost
        self.life.happened["restored backup"] += 1
        for other in self.devices:
            if other is not device and not other.is_revoked and not device.written & other.held <= device.held:
                await self.meet(device, other)

    async def revoke(self, device: Device) -> None:
        """Let the admin shut a device out, which from then on meets nobody."""
        admin = self.devices[0]
        if device is admin or sum(not each.is_revoked for each in self.devices) < 4:
            return
        chain = await members.chain(admin.workspace, device.identity.device)
        last = [chain[-1].change] if chain and self._rng.random() < 0.7 else []
        await members.revoke_device(admin.workspace, device.identity.device, last)
        device.is_revoked = True
        self.life.happened["revocation"] += 1
        await self._note(admin, new=True)

    def _copy_store(self, device: Device, name: str) -> list[Path]:
        folder = self._folder / f"{name}{device.number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        files = [path for path in store_file.store_files(device.workspace.home.store)[:2] if path.exists()]
        return [Path(shutil.copy(path, folder / path.name)) for path in files]

    async def _put_back(self, device: Device, files: list[Path]) -> None:
        store = device.workspace.home.store
        await device.workspace.close()
        for path in store_file.store_files(store):
            path.unlink(missing_ok=True)
        for path, target in zip(files, store_file.store_files(store), strict=False):
            shutil.copy(path, target)
        self._count += 1
        device.workspace = await self._open(device.folder, device.number)
        await self._hurry(device)

    async def _note(self, device: Device, *, new: bool = False) -> None:
        """Keep in mind what a device has got; what it wrote itself is what is saved."""
        if (await device.workspace.store.summary()).count == len(device.held):
            return
        held = set(await device.workspace.store.hashes())
        for change in held - device.held:
            if new:
                self.life.saved[change] = self.now_us
                device.written.add(change)
            self.life.reached.setdefault(change, {}).setdefault(device.number, self.now_us)
        device.held = held

    # --- what must hold ----------------------------------------------------------------------------------------------

    @property
    def active(self) -> list[Device]:
        return [device for device in self.devices if not device.is_revoked]

    async def settle(self) -> None:
        """Let everybody who belongs sync with a neighbour until all hold the same."""
        for _ in range(len(self.active)):
            roots = {(await device.workspace.store.summary()).root for device in self.active}
            if len(roots) == 1:
                return
            for one, other in [*pairwise(self.active), (self.active[-1], self.active[0])]:
                await self.meet(one, other)
        raise AssertionError("they do not come to hold the same")
