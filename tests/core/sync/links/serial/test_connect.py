"""The link over a simulated cable.

Both ends in this process, TLS above real ports.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from math import inf
from random import Random

import pytest

from core.sync.links import tls
from core.sync.links.serial import arq, connect, serial_ports
from core.sync.links.serial.baud_negotiation import DEFAULT_TIMING, BaudTiming
from core.sync.links.serial.connect import PeerRestarted, SerialLink
from core.sync.links.serial.framing import FRAME_END, FrameSplitter, FrameType, decode_frame, encode_frame
from core.sync.links.serial.serial_ports import PortAbsent, PortError, SerialEndpoint
from core.sync.links.serial.serial_transport import SerialTransport as Transport
from tests.cable import Cable, Line
from tests.support.deadlines import DEADLINE_S
from tests.support.linked_sessions import ONE, OTHER, THIRD, members
from tests.support.polling import wait_until

FAST = 2_000_000
Links = tuple[SerialLink, SerialLink]


@asynccontextmanager
async def linked(
    cable: Cable, baud: int | None = None, *, timing: BaudTiming = DEFAULT_TIMING, handshake_timeout_s: float = 30.0
) -> AsyncIterator[Links]:
    connect_end = partial(
        connect.connect_serial, timeout_s=DEADLINE_S, timing=timing, handshake_timeout_s=handshake_timeout_s
    )
    links = await asyncio.gather(
        connect_end(SerialEndpoint(cable.ends[0], baud), ONE, members(OTHER)),
        connect_end(SerialEndpoint(cable.ends[1], baud), OTHER, members(ONE)),
    )
    try:
        yield links
    finally:
        for link in links:
            link.transport.abort()
            await link.transport.closed


async def carry(links: Links, size: int, meanwhile: Callable[[int], None] = lambda count: None) -> None:
    """Send so many bytes from the first to the second, and have them compared."""
    data = Random(size).randbytes(size)

    async def send() -> None:
        for start in range(0, size, 2048):
            links[0].writer.write(data[start : start + 2048])
            await links[0].writer.drain()

    sending = asyncio.create_task(send())
    got = bytearray()
    while len(got) < size:
        got += await links[1].reader.read(4096)
        meanwhile(len(got))
    await sending
    assert got == data


EAGER = BaudTiming(min_carried_bytes=1 << 11)
"""Looks for a higher rate soon."""
LENIENT = replace(EAGER, accept_timeout_s=5.0, responder_timeout_s=2.5, initiator_timeout_s=3.5, probe_slack_s=1.0)
"""And lets an attempt succeed, however busy this machine is."""


async def test_both_ends_know_each_other_and_one_is_the_initiator() -> None:
    with Cable(baud=FAST) as cable:
        async with linked(cable, FAST) as links:
            assert [link.peer for link in links] == [OTHER.device, ONE.device]
            assert sorted(link.initiator for link in links) == [False, True]
            await asyncio.gather(carry(links, 20_000), carry((links[1], links[0]), 20_000))


async def test_what_was_written_before_the_close_arrives_and_then_the_end() -> None:
    with Cable(baud=230_400) as cable:
        async with linked(cable, 230_400) as links:
            data = Random(1).randbytes(30_000)
            links[0].writer.write(data)
            closing = asyncio.create_task(links[0].close())
            assert await links[1].reader.read(-1) == data
            await links[1].close()
            await closing
        # Both ports are free again.
        for path in cable.ends:
            serial_ports.open_port(path).close()


async def test_it_arrives_however_slow_the_line_is() -> None:
    with Cable(baud=460_800) as cable:
        async with linked(cable, 3_000_000) as links:
            links[0].writer.write(bytes(90_000))
            closing = asyncio.create_task(links[0].close(stall_s=0.6))
            assert await links[1].reader.read(-1) == bytes(90_000)
            await links[1].close()
            await closing


async def test_a_pulled_cable_is_waited_for() -> None:
    with Cable(baud=FAST) as cable:
        async with linked(cable, FAST) as links:
            pulled: list[int] = []

            def pull(count: int) -> None:
                if count > 30_000 and not pulled:
                    cable.unplug()
                    pulled.append(count)
                    asyncio.get_running_loop().call_later(0.5, cable.plug)

            await carry(links, 100_000, pull)
            assert pulled
            assert not any(link.transport.is_port_absent for link in links)


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[Transport]:
    """The transports that looked what is to be done, one for each time."""
    times: list[Transport] = []
    work = Transport._process

    def noted(transport: Transport) -> None:
        times.append(transport)
        work(transport)

    monkeypatch.setattr(Transport, "_process", noted)
    return times


async def test_a_cable_that_is_away_or_busy_costs_no_work(worked: list[Transport]) -> None:
    with Cable(baud=9600) as cable:
        async with linked(cable, 9600) as links:
            for link in links:
                link.writer.write(bytes(30_000))
            await asyncio.sleep(0.5)
            # Some hundred bytes were carried; that takes a few frames and their answers.
            assert len(worked) < 200
            cable.unplug()
            await asyncio.sleep(0.5)
            assert all(link.transport.is_port_absent for link in links)
            worked.clear()
            await asyncio.sleep(0.5)
            assert len(worked) < 20


async def test_a_port_that_takes_nothing_costs_no_work(worked: list[Transport]) -> None:
    # As a gadget's without a host.
    master, slave = os.openpty()
    tty.setraw(slave)
    target = SerialEndpoint(os.ttyname(slave))
    waiting = asyncio.create_task(connect.connect_serial(target, ONE, members(OTHER)))
    await asyncio.sleep(0.05)
    os.set_blocking(slave, False)
    for size in (1 << 12, 1, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(slave, bytes(size))
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.5)
    worked.clear()
    await asyncio.sleep(0.5)
    assert len(worked) < 20
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    os.close(master)
    os.close(slave)


async def test_a_port_that_does_not_take_its_rate_any_more_is_used_at_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def of_another_kind(port: serial_ports.SerialPort, baud: int) -> None:
        if baud > serial_ports.DEFAULT_BAUD:
            raise PortError("{port} does not take it.", port=port.path)

    with Cable(Line(1_000_000, uart=True)) as cable:
        async with linked(cable, timing=EAGER) as links:
            # As when an adapter is exchanged for another one while it is waited for.
            monkeypatch.setattr(serial_ports.SerialPort, "set_baud", of_another_kind)
            for link in links:
                link.transport.arq.pending_bytes = 1 << 20
            await carry(links, 20_000)
            assert {link.baud for link in links} == {serial_ports.DEFAULT_BAUD}
            assert not any(link.is_peer_restarted for link in links)


async def test_an_end_that_reads_again_acknowledges_at_once() -> None:
    with Cable(baud=FAST) as cable:
        async with linked(cable, FAST) as links:
            one, other = (link.transport for link in links)
            other.pause_reading()
            links[0].writer.write(bytes(200_000))
            await wait_until(lambda: one.arq.sender.is_blocked)
            other.resume_reading()
            # The other end knows that there is room again, and has not to ask.
            assert other.arq.receiver.ack_at == inf
            await links[1].reader.readexactly(100_000)


async def test_a_slow_line_gets_the_time_that_it_takes() -> None:
    with Cable(baud=9600) as cable:
        async with linked(cable, 9600, handshake_timeout_s=0.5) as links:
            assert links[0].peer == OTHER.device


async def test_who_hangs_up_is_noticed_at_once() -> None:
    with Cable(baud=FAST) as cable:
        async with linked(cable, FAST) as links:
            links[0].transport.abort()
            with pytest.raises(ConnectionResetError):
                await links[1].reader.read(1)
            assert links[1].is_peer_restarted


async def test_an_unknown_peer_is_turned_away() -> None:
    with Cable(baud=FAST) as cable:
        ends = await asyncio.gather(
            connect.connect_serial(SerialEndpoint(cable.ends[0], FAST), ONE, members(OTHER), timeout_s=DEADLINE_S),
            connect.connect_serial(SerialEndpoint(cable.ends[1], FAST), THIRD, members(ONE), timeout_s=DEADLINE_S),
            return_exceptions=True,
        )
    assert all(isinstance(end, tls.LinkError) for end in ends)
    assert any(isinstance(end, tls.UnknownPeer | tls.NotAdmitted) for end in ends)


async def test_one_that_only_listens_is_silent_until_it_dials() -> None:
    with Cable(baud=FAST) as cable:
        dial_wanted = asyncio.Event()
        targets = [SerialEndpoint(path, FAST) for path in cable.ends]
        one = asyncio.create_task(connect.connect_serial(targets[0], ONE, members(OTHER), dial_wanted=dial_wanted))
        other = asyncio.create_task(
            connect.connect_serial(targets[1], OTHER, members(ONE), dial_wanted=asyncio.Event())
        )
        await asyncio.sleep(0.2)
        # The zero that ends what an open may have put onto the line.
        assert [wire.carried for wire in cable.wires] == [1, 1]
        dial_wanted.set()
        for link in await asyncio.gather(one, other):
            link.transport.abort()
            await link.transport.closed


async def test_nobody_there_and_a_port_in_use_are_errors() -> None:
    with Cable(baud=FAST) as cable:
        target = SerialEndpoint(cable.ends[0], FAST)
        waiting = asyncio.create_task(connect.connect_serial(target, ONE, members(OTHER), timeout_s=0.3))
        await asyncio.sleep(0)
        with pytest.raises(PortError, match="in use"):
            await connect.connect_serial(target, ONE, members(OTHER))
        with pytest.raises(tls.LinkError, match="Nobody answers"):
            await waiting
        serial_ports.open_port(target.path).close()
        cable.unplug()
        with pytest.raises(PortAbsent):
            await connect.connect_serial(target, ONE, members(OTHER))


async def test_an_end_that_comes_and_goes_at_once_is_one_that_was_started_anew() -> None:
    with Cable(baud=FAST) as cable:
        for _ in range(3):
            targets = [SerialEndpoint(path, FAST) for path in cable.ends]
            one = asyncio.create_task(connect.connect_serial(targets[0], ONE, members(OTHER), timeout_s=DEADLINE_S))
            other = asyncio.create_task(connect.connect_serial(targets[1], OTHER, members(ONE), timeout_s=DEADLINE_S))
            await asyncio.sleep(0.01)
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)
            await asyncio.sleep(0.05)
            if one.done():
                # Where the other end was open by then, the handshake broke: that is the answer of a slow machine.
                with pytest.raises(tls.LinkError) as ended:
                    await one
                assert isinstance(ended.value, PeerRestarted) or "before both devices knew" in str(ended.value)
            one.cancel()
            await asyncio.gather(one, return_exceptions=True)


async def test_a_port_is_free_again_once_the_peer_was_restarted() -> None:
    with Cable(baud=FAST) as cable:
        target = SerialEndpoint(cable.ends[0], FAST)
        waiting = asyncio.create_task(connect.connect_serial(target, ONE, members(OTHER), timeout_s=DEADLINE_S))
        port = serial_ports.open_port(cable.ends[1], FAST)
        # The other end says who it is, knows this one, and is another one at once.
        peer, seen = FrameSplitter(2000), list[bytes]()

        def has_received() -> bool:
            with suppress(BlockingIOError):
                frames = peer.split(FRAME_END + os.read(port.descriptor, 999))
                seen.extend(body for each in frames if (body := decode_frame(each)))
            return bool(seen)

        await wait_until(has_received)
        own = seen[0][2:10]
        frames = [
            bytes([FrameType.SYN, arq.ARQ_VERSION]) + id + own + bytes([1, 1]) for id in (b"11111111", b"22222222")
        ]
        os.write(port.descriptor, FRAME_END + b"".join(map(encode_frame, frames)))
        with pytest.raises(PeerRestarted):
            await waiting
        serial_ports.open_port(target.path, FAST).close()
        port.close()


async def test_the_highest_rate_that_the_line_carries_is_found() -> None:
    with Cable(Line(1_000_000, uart=True)) as cable:
        async with linked(cable, timing=LENIENT) as links:
            while any(link.baud < 921_600 for link in links):
                await carry(links, 2000)
            await asyncio.gather(carry(links, 50_000), carry((links[1], links[0]), 50_000))


async def test_a_line_with_a_pace_of_its_own_stays_at_its_rate() -> None:
    with Cable(baud=115_200) as cable:
        async with linked(cable, timing=EAGER) as links:
            await carry(links, 10_000)
            machine = next(link.transport.arq for link in links if link.initiator)
            assert not machine.negotiation.can_rise
            assert {link.baud for link in links} == {115_200}


async def test_a_gadget_is_not_held_back_by_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_ports, "_GADGET_PATTERN", "[0-9]*")
    with Cable(baud=FAST) as cable:
        async with linked(cable, timing=EAGER) as links:
            assert all(link.transport.arq.is_gadget for link in links)
            await asyncio.gather(carry(links, 60_000), carry((links[1], links[0]), 60_000))
            assert all(link.baud == 115_200 < link.transport.arq.line_rate for link in links)


async def test_a_pinned_rate_is_kept() -> None:
    with Cable(Line(1_000_000, uart=True)) as cable:
        async with linked(cable, 460_800, timing=EAGER) as links:
            await carry(links, 20_000)
            assert {link.baud for link in links} == {460_800}


@pytest.mark.parametrize("trouble", ["errors", "pulled"])
def test_when_the_line_gets_worse_the_session_goes_on_at_a_lower_rate(trouble: str) -> None:
    async def main() -> None:
        with Cable(Line(1_000_000, uart=True)) as cable:
            async with linked(cable, timing=replace(LENIENT, silence_timeout_s=1.0)) as links:
                while links[0].baud < 460_800:
                    await carry(links, 2000)
                if trouble == "pulled":
                    cable.unplug(0)
                    cable.plug(0)
                for wire in cable.wires:
                    # From now on nothing gets through above this.
                    wire.line = replace(wire.line, baud=115_200)
                await carry(links, 5000)
                assert not any(link.is_peer_restarted for link in links)
                assert {link.baud for link in links} == {115_200}

    asyncio.run(main())
