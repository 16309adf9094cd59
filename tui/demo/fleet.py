"""A made-up fleet of service centres, to look around in.

Four devices, seven weeks of history, a few conflicts.

Everything is written as people would have written it, through the same use cases, each device in a home of its own;
only the clock is set, and the devices hand each other their changes without a network between them.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import tomli_w

from core.schema import Schema
from core.schema_toml import load_builtin_schema, parse_schema
from core.service.cable_log import CableSession, add_cable_session
from core.store.store import Entropy
from core.value_codec import Ref, Value
from core.workspace import Workspace

MINUTE_US = 60_000_000
DAY_US = 24 * 60 * MINUTE_US
SEED, ENTROPY_SEED = 158_055, 242
"""The same fleet each time, for its pictures: what people choose (a seed by which the weeks leave a conflict behind, of
two who changed a card terminal); and apart from it ids and salts, so that a format
that needs other ones leaves the choices as they are.
"""
DEMO_DEVICE, DEMO_USER = "K1", "Maier"
"""The device to look at, and who works with it."""

LOCALITIES = (
    ("TSC Kiel", "241", 4, "54.3233", "10.1228"),
    ("TSC Lübeck", "242", 3, "53.8655", "10.6866"),
    ("TSC Hamburg Nord", "250", 5, "53.6304", "10.0067"),
    ("TSC Hamburg Hafen", "251", 4, "53.5322", "9.9320"),
    ("TSC Bremen", "260", 3, "53.0793", "8.8017"),
    ("TSC Hannover", "270", 4, "52.3759", "9.7320"),
)
LOCATION_GROUP = {"en": "Location", "de": "Lage"}
COORDINATES = {
    "latitude": {"en": "Latitude", "de": "Breitengrad"},
    "longitude": {"en": "Longitude", "de": "Längengrad"},
}
"""What a locality of the demo has besides what the built-in schema says, so that there is a map to look at."""
PLACES = ("Entrance right", "Entrance left", "Lane 1", "Lane 2", "Office")
PRINTERS = ("Acme LookNice 5020", "Acme LookNice 5021", "Acme LookNice 6000", "Brix 40 duplex")
NOTES = (
    "moved in",
    "toner leak",
    "replaced under warranty",
    "as agreed with the office",
    "was wrong on the label",
    None,
)


@dataclass
class DemoClock:
    """A clock that shows what it was set to (microseconds since 1970 UTC)."""

    now: int

    def __call__(self) -> int:
        return self.now

    def pass_minutes(self, minutes: int) -> None:
        """Let time pass."""
        self.now += minutes * MINUTE_US


def demo_schema() -> Schema:
    """Make the schema of the demo: the built-in one, and where a locality is."""
    built_in = load_builtin_schema("service-centre")
    texts = built_in.texts()
    locality = tomllib.loads(texts["locality"])
    locality["groups"]["location"] = LOCATION_GROUP
    locality["columns"] = ["code", "tsc_server", "subnet"]
    for name, labels in COORDINATES.items():
        locality["properties"][name] = {"type": "decimal", "group": "location", "labels": labels}
    return parse_schema({**texts, "locality": tomli_w.dumps(locality)}, built_in.name)


async def make_fleet(folder: Path, now: int) -> None:
    """Make the fleet in a folder, with its last hours just before `now`.

    The device to look at is `folder / DEMO_DEVICE`.
    """
    # Which printer stands where is no secret.
    chance, entropy = random.Random(SEED), random.Random(ENTROPY_SEED)  # noqa: S311
    clock = DemoClock(now - 49 * DAY_US)
    fleet = _Fleet(folder, clock, chance, entropy.randbytes)
    try:
        await fleet.create_fleet()
        await fleet.add_places()
        for _week in range(6):
            await fleet.simulate_week()
        clock.now = now - 5 * 60 * MINUTE_US
        await fleet.make_conflicts()
    finally:
        await fleet.close()


class _Fleet:
    """The devices while their history is written."""

    def __init__(self, folder: Path, clock: DemoClock, chance: random.Random, entropy: Entropy) -> None:
        """`chance` is what people choose by, `entropy` gives bytes for ids and salts."""
        self._folder = folder
        self._clock = clock
        self._random = chance
        self._entropy = entropy
        self._devices: dict[str, Workspace] = {}
        self._localities: dict[str, bytes] = {}
        self._places: dict[tuple[str, str], bytes] = {}

    async def close(self) -> None:
        for device in self._devices.values():
            await device.close()

    async def create_fleet(self) -> None:
        """One device founds the fleet, and lets the others in."""
        schema = demo_schema()
        admin = await Workspace.init(
            self._folder / "K1",
            user="Maier",
            fleet_name="Nord",
            schema=schema,
            device_name="K1",
            clock=self._clock,
            entropy=self._entropy,
        )
        self._devices["K1"] = admin
        for name, user in (("K2", "Müller"), ("K3", "Jones"), ("K4", "Smith")):
            device = await Workspace.join(
                self._folder / name,
                user=user,
                fleet=admin.store.fleet.hex(),
                device_name=name,
                clock=self._clock,
                entropy=self._entropy,
            )
            self._devices[name] = device
            self._clock.pass_minutes(7)
            await admin.admit(device.identity.device.hex(), "technician", name)
        await self._sync_devices("K1", "K2", "K3", "K4")

    async def add_places(self) -> None:
        """The localities and their places come in, a few a day."""
        for number, (name, code, count, north, east) in enumerate(LOCALITIES):
            who = self._devices[f"K{number % 4 + 1}"]
            subnet = f"10.{24 + number}.1.0/24"
            values: dict[str, Value] = {"code": code, "name": name, "subnet": subnet, "tsc_server": f"tsc{code}.nord"}
            values |= {"latitude": north, "longitude": east}
            self._localities[code] = (await who.create("locality", values, "new locality")).entity
            for place in PLACES[:count]:
                self._clock.pass_minutes(self._random.randint(10, 90))
                await self._add_place(who, code, place)
            self._clock.pass_minutes(self._random.randint(400, 1500))
        await self._sync_devices("K1", "K2", "K3", "K4")

    async def _add_place(self, who: Workspace, code: str, place: str) -> None:
        values: dict[str, Value] = {
            "name": place,
            "locality": Ref(self._localities[code]),
            "printer": self._random.choice(PRINTERS),
            "docking_station": f"17e9:6006 #{self._random.randrange(16**4):04X}",
        }
        if place != "Office":
            values["card_terminal"] = f"{self._random.randrange(10**8):08d}"
            values["avl_configuration"] = f"avl-{self._random.randint(1, 3)}.xml"
        self._places[code, place] = (await who.create("place", values, "moved in")).entity

    async def simulate_week(self) -> None:
        """A week: each technician corrects this and that; in the end all devices sync."""
        for _edit in range(9):
            who = self._random.choice(list(self._devices.values()))
            place = self._random.choice(list(self._places.values()))
            self._clock.pass_minutes(self._random.randint(60, 900) * 11 // 5)
            if self._random.random() < 0.7:
                wanted: dict[str, Value] = {"printer": self._random.choice(PRINTERS)}
            else:
                wanted = {"card_terminal": f"{self._random.randrange(10**8):08d}", "bea_configuration": "bea-7.xml"}
            await self._set(who, place, wanted, self._random.choice(NOTES))
        await self._sync_devices("K1", "K2", "K3", "K4")

    async def make_conflicts(self) -> None:
        """The last hours: people make unseen changes, and then two devices sync."""
        _k1, k2, k3, k4 = self._devices.values()
        right, left = self._places["241", "Entrance right"], self._places["241", "Entrance left"]
        lane = self._places["250", "Lane 1"]
        await self._set(k2, right, {"printer": "Acme LookNice 5030"}, "toner leak")
        self._clock.pass_minutes(25)
        await self._set(k3, right, {"printer": "Acme LookNice 5031"}, None)
        await self._set(k3, left, {"docking_station": "17e9:6006 #A1B2"}, "swapped the stations")
        self._clock.pass_minutes(12)
        await self._set(k4, lane, {"docking_station": "17e9:6006 #A1B2"}, None)
        await self._set(k4, lane, {"card_terminal": None}, "terminal was stolen")
        await self._set(k2, lane, {"card_terminal": "40718226"}, "new terminal")
        self._clock.pass_minutes(31)
        bremen = self._localities["260"]
        await self._set(k2, bremen, {"subnet": "10.24.0.0/16"}, "as on the switch")
        retired = self._places["270", "Lane 2"]
        await k3.retire(await k3.record(retired), "lane closed")
        self._clock.pass_minutes(3)
        await self._set(k4, retired, {"printer": "Brix 60"}, "toner ordered")
        self._clock.pass_minutes(40)
        await self._sync_devices("K2", "K1")
        self._clock.pass_minutes(55)
        await self._sync_devices("K3", "K4", "K1")
        await self._remember_cables()

    async def _remember_cables(self) -> None:
        """The device to look at was at a cable with another one now and then."""
        store, peer = self._devices["K1"].store, self._devices["K4"].identity.device
        for ago in range(12, 0, -1):
            at_us, rate = self._clock() - ago * 2 * DAY_US, self._random.randint(58_000, 112_000)
            corrected, resent = (self._random.randint(1, 4), self._random.randint(1, 9)) if ago in (4, 9) else (0, 0)
            session = CableSession(peer, at_us, 115_200, rate, self._random.randint(40, 400), resent, corrected)
            await add_cable_session(store, session)

    async def _set(self, who: Workspace, entity: bytes, wanted: Mapping[str, Value], note: str | None) -> None:
        await who.set(await who.record(entity), wanted, note)

    async def _sync_devices(self, *names: str) -> None:
        """Sync these devices in turn until the last has all, and the others its."""
        for one, other in [*pairwise(names), *pairwise(reversed(names))]:
            await self._copy_changes(self._devices[one], self._devices[other])
            self._clock.pass_minutes(1)

    async def _copy_changes(self, giver: Workspace, taker: Workspace) -> None:
        missing = await taker.store.missing(await giver.store.hashes())
        if missing:
            order = await giver.store.order(missing)
            blocks = await giver.store.blocks(order.hashes)
            await taker.store.save_blocks(blocks, source_device=giver.identity.device, link="tcp")
        if (held := await giver.store.summary()) == await taker.store.summary():
            await self._note_equal_sets(giver, taker, held.root)

    async def _note_equal_sets(self, one: Workspace, other: Workspace, root: bytes) -> None:
        """Note on both devices what a session shows that ends with equal roots."""
        for here, there in ((one, other), (other, one)):
            reported = await here.store.note_equal_sets(there.identity.device, "tcp", root)
            await there.store.note_reported_holdings(here.identity.device, reported)
