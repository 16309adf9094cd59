"""Pairing over real sockets.

What is written on both devices, and what is not, whatever the other side does.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.device.home import Home
from core.device.pairing_tries import FREE_TRIES, TRIES_FILE
from core.errors import FieldlineError
from core.identity import load_identity
from core.schema_toml import load_builtin_schema
from core.service.pairing_runner import Admission
from core.sync.links import tcp
from core.sync.links.greeting import Purpose
from core.sync.links.tls import NotAdmitted, TlsLink
from core.sync.pairing.protocol import Comparison, PairingFailed, PairingProtocol
from core.workspace import Workspace
from core.workspace.pairing import Pairing, PairResult
from tests.support.deadlines import deadline
from tests.support.linked_sessions import OTHER, THIRD
from tests.support.pairing_sides import hello, shown
from tests.support.polling import POLL_INTERVAL_S, wait_until

LOOPBACK = "127.0.0.1"


class Person:
    """Somebody who answers: by a fixed word, or whatever `answer` makes of the digits."""

    def __init__(
        self,
        is_same: bool = True,
        admission: Admission | None = None,
        answer: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.is_same = is_same
        self.admission = admission
        self.answer = answer
        self.seen: list[Comparison] = []

    async def compare(self, comparison: Comparison) -> bool:
        self.seen.append(comparison)
        return self.is_same if self.answer is None else await self.answer()

    async def choose_admission(self, peer: bytes, peer_name: str) -> Admission | None:
        return self.admission


class Window:
    """An open window: where it listens, what it came to, and whom it turned away."""

    def __init__(self) -> None:
        self.port = 0
        self.is_up = asyncio.Event()
        self.rejected: list[FieldlineError] = []
        self.task: asyncio.Task[PairResult]

    def on_listening(self, host: str, port: int) -> None:
        self.port = port
        self.is_up.set()

    @property
    def endpoint(self) -> str:
        return f"tcp://{LOOPBACK}:{self.port}"


def side(folder: Path, context: Workspace | None, person: Person, window: Window | None = None) -> Pairing:
    rejected = [] if window is None else window.rejected
    return Pairing(folder, context, person, user="Maier", name="K3", on_rejected=rejected.append)


@asynccontextmanager
async def opened(folder: Path, context: Workspace | None, person: Person) -> AsyncIterator[Window]:
    """A device that is open for pairing."""
    window = Window()
    window.task = asyncio.create_task(side(folder, context, person, window).listen(LOOPBACK, 0, window.on_listening))
    up = asyncio.create_task(window.is_up.wait())
    try:
        async with deadline():
            await asyncio.wait([window.task, up], return_when=asyncio.FIRST_COMPLETED)
            yield window
    finally:
        for task in (up, window.task):
            task.cancel()
        await asyncio.gather(up, window.task, return_exceptions=True)


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Workspace]:
    schema = load_builtin_schema("service-centre")
    async with await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="Nord", schema=schema, device_name="K1"
    ) as workspace:
        await workspace.create("locality", {"code": "241"})
        yield workspace


async def root(workspace: Workspace) -> bytes:
    return (await workspace.store.summary()).root


ADMISSION = Admission("technician", "Van")


@pytest.mark.parametrize("admin_listens", [True, False])
@pytest.mark.parametrize("has_joined", [False, True])
async def test_a_device_is_admitted_and_has_everything(
    admin: Workspace, tmp_path: Path, admin_listens: bool, has_joined: bool
) -> None:
    folder, context = tmp_path / "K3", None
    if has_joined:
        context = await Workspace.join(folder, user="Jones", fleet=admin.store.fleet.hex(), device_name="K3")
    persons = Person(admission=ADMISSION), Person()
    ends = [(admin.home.folder, admin, persons[0]), (folder, context, persons[1])]
    listening, dialing = ends if admin_listens else ends[::-1]
    async with opened(*listening) as window:
        results = await asyncio.gather(side(*dialing).dial(window.endpoint), window.task)
    if context is not None:
        await context.close()
    device = load_identity(folder / "device.key").device
    for result in results:
        assert (result.device, result.role, result.name) == (device, "technician", "Van")
        assert (result.fleet, result.fleet_name, result.sync_error) == (admin.store.fleet, "Nord", None)
    assert persons[0].seen[0].digits == persons[1].seen[0].digits
    assert [person.seen[0].peer_name for person in persons] == ["K3", "K1"]
    member = (await admin.membership()).members[device]
    assert (member.name, member.role, member.state) == ("Van", "technician", "active")
    async with await Workspace.open(folder, user="Jones") as joined:
        assert await root(joined) == await root(admin)
        assert (await joined.membership()).may_write(device)
    assert (folder / "device.key").stat().st_mode & 0o777 == 0o600
    assert {(each / TRIES_FILE).read_text().split()[0] for each in (admin.home.folder, folder)} == {"0"}


@pytest.mark.parametrize("who", ["admin", "joiner"])
async def test_digits_that_differ_write_nothing_and_count_on_both(admin: Workspace, tmp_path: Path, who: str) -> None:
    before = await root(admin)
    persons = {"admin": Person(who != "admin", ADMISSION), "joiner": Person(who != "joiner")}
    async with opened(admin.home.folder, admin, persons["admin"]) as window:
        dialed, listened = await asyncio.gather(
            side(tmp_path / "K3", None, persons["joiner"]).dial(window.endpoint), window.task, return_exceptions=True
        )
    assert isinstance(dialed, PairingFailed) and isinstance(listened, PairingFailed)
    assert "differ" in str(dialed) and "differ" in str(listened)
    assert await root(admin) == before
    assert not Home(tmp_path / "K3").store.exists()
    for folder in (admin.home.folder, tmp_path / "K3"):
        assert (folder / TRIES_FILE).read_text().split()[0] == "1"


async def test_an_admin_who_stops_writes_nothing_on_either_device(admin: Workspace, tmp_path: Path) -> None:
    before = await root(admin)
    async with opened(admin.home.folder, admin, Person(admission=None)) as window:
        dialed, listened = await asyncio.gather(
            side(tmp_path / "K3", None, Person()).dial(window.endpoint), window.task, return_exceptions=True
        )
    assert "stopped" in str(dialed) and "stopped" in str(listened)
    assert await root(admin) == before
    assert not Home(tmp_path / "K3").store.exists()


async def test_a_second_device_is_turned_away_while_one_is_talked_to(admin: Workspace, tmp_path: Path) -> None:
    is_refused = asyncio.Event()

    async def wait_for_the_other() -> bool:
        await is_refused.wait()
        return True

    async with opened(admin.home.folder, admin, Person(admission=ADMISSION, answer=wait_for_the_other)) as window:
        joiner = Person()
        first = asyncio.create_task(side(tmp_path / "K3", None, joiner).dial(window.endpoint))
        await wait_until(lambda: bool(joiner.seen))
        with pytest.raises(NotAdmitted, match="pairing with another"):
            await side(tmp_path / "K4", None, Person()).dial(window.endpoint)
        is_refused.set()
        assert (await first).device == (await window.task).device


async def test_those_that_cannot_pair_or_want_to_sync_leave_the_window_open(admin: Workspace, tmp_path: Path) -> None:
    other = await Workspace.init(
        tmp_path / "other", user="Eve", fleet_name="N", schema=load_builtin_schema("service-centre"), device_name="E"
    )
    async with opened(admin.home.folder, admin, Person(admission=ADMISSION)) as window:
        with pytest.raises(PairingFailed, match="Both"):
            await side(other.home.folder, other, Person()).dial(window.endpoint)
        with pytest.raises(NotAdmitted):
            await tcp.dial_tcp(LOOPBACK, window.port, OTHER, anybody)
        await other.close()
        await side(tmp_path / "K3", None, Person()).dial(window.endpoint)
        assert (await window.task).sync is not None
        assert ["Both" in str(error) for error in window.rejected] == [True]


async def anybody(device: bytes) -> bool:
    return True


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_callers_that_say_nothing_or_little_keep_nobody_out(admin: Workspace, tmp_path: Path) -> None:
    """Half-open and slow connections, more than are handled at once.

    They are bounded, and the device gets through.
    """
    before = descriptors()
    async with opened(admin.home.folder, admin, Person(admission=ADMISSION)) as window:
        sockets = [socket.create_connection((LOOPBACK, window.port)) for _ in range(3 * tcp.MAX_HANDSHAKES)]
        for number, each in enumerate(sockets):
            each.send(b"FLDL\x01\x02"[: number % 7] or b"F")
        await side(tmp_path / "K3", None, Person()).dial(window.endpoint)
        assert (await window.task).sync_error is None
        for each in sockets:
            each.close()
    assert descriptors() <= before + 2


async def linked(window: Window) -> TlsLink:
    """A link to a window, once it is done with the caller before."""
    while True:
        try:
            return await tcp.dial_tcp(LOOPBACK, window.port, THIRD, anybody, purpose=Purpose.PAIR)
        except NotAdmitted:
            await asyncio.sleep(POLL_INTERVAL_S)


async def test_who_leaves_after_the_commitment_has_used_up_a_try(admin: Workspace) -> None:
    """An attacker that looks at the digits and begins again.

    Each look counts, and after three there is a wait.
    """
    before = await root(admin)
    for count in range(1, FREE_TRIES + 1):
        async with opened(admin.home.folder, admin, Person(admission=ADMISSION)) as window:
            link = await linked(window)
            protocol = PairingProtocol(
                hello(dialer=True, admin=False, name="K3"), THIRD.public_key, link.peer_key, os.urandom(32)
            )
            digits = None
            while digits is None:
                link.writer.write(protocol.data_to_send())
                data = await link.reader.readexactly(protocol.wanted_bytes)
                digits = shown(protocol.receive_data(data, 0.0))
            await link.close()
            with pytest.raises(PairingFailed, match="ended"):
                await window.task
        assert (admin.home.folder / TRIES_FILE).read_text().split()[0] == str(count)
    async with opened(admin.home.folder, admin, Person(admission=ADMISSION)) as window:
        with pytest.raises(FieldlineError, match="wait"):
            await window.task
    assert await root(admin) == before


async def test_who_leaves_or_talks_nonsense_before_it_has_not(admin: Workspace, tmp_path: Path) -> None:
    async with opened(admin.home.folder, admin, Person(admission=ADMISSION)) as window:
        greetings = (b"", b"\x01", b"\xff" * 300, b"\x01\x00\x05FLDL\x01", b"\x03\x00\x20" + bytes(32))
        for count, nonsense in enumerate(greetings, 1):
            link = await linked(window)
            link.writer.write(nonsense)
            await link.close()
            await wait_until(lambda count=count: len(window.rejected) == count)
        await side(tmp_path / "K3", None, Person()).dial(window.endpoint)
        assert (await window.task).sync is not None


async def test_a_member_that_is_no_admin_cannot_pair(admin: Workspace, tmp_path: Path) -> None:
    async with opened(admin.home.folder, admin, Person(admission=ADMISSION)) as window:
        await side(tmp_path / "K3", None, Person()).dial(window.endpoint)
        await window.task
    async with await Workspace.open(tmp_path / "K3", user="Jones") as member:
        with pytest.raises(FieldlineError, match="only an admin's device"):
            await side(member.home.folder, member, Person()).dial("tcp://127.0.0.1:1")


async def test_nothing_is_made_where_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(FieldlineError, match="Nobody answers"):
        await side(tmp_path / "K3", None, Person()).dial("tcp://127.0.0.1:1")
    assert not Home(tmp_path / "K3").store.exists()


@pytest.mark.parametrize("endpoint", ["bundle:///tmp", "tcp://", "x y", "serial://ttyUSB0", ""])
async def test_what_is_no_device_is_refused(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(FieldlineError):
        await side(tmp_path / "K3", None, Person()).dial(endpoint)
    assert not (tmp_path / "K3").exists()
