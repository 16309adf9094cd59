"""The link over TCP: who answers, how many, what people read. Real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from core.identity import Identity
from core.sync.links import tcp
from core.sync.links.greeting import LINK_MAGIC
from core.sync.links.tls import AllowPeer, LinkError, NotAdmitted, TlsLink, UnknownPeer
from tests.support.linked_sessions import ONE, OTHER, THIRD, members

ONLY_OTHER = members(OTHER)


async def echo(link: TlsLink) -> None:
    while line := await link.reader.readline():
        link.writer.write(link.peer.hex().encode() + b" " + line)
        await link.writer.drain()


@asynccontextmanager
async def serving(
    identity: Identity = ONE,
    allow: AllowPeer = ONLY_OTHER,
    on_link: Callable[[TlsLink], Awaitable[None]] = echo,
    on_unknown_peer: Callable[[UnknownPeer], None] = lambda peer: None,
    host: str = "127.0.0.1",
) -> AsyncIterator[tcp.TcpListener]:
    server = tcp.TcpListener(identity, allow, on_link, on_unknown_peer)
    await server.start(host, 0)
    try:
        yield server
    finally:
        await server.close()


async def ask(link: TlsLink) -> bytes:
    link.writer.write(b"hello\n")
    return await link.reader.readline()


async def test_a_member_is_accepted_and_known() -> None:
    async with serving() as server:
        assert server.host == "127.0.0.1"
        link = await tcp.dial_tcp("127.0.0.1", server.port, OTHER, members(ONE))
        assert link.peer == ONE.device
        assert await ask(link) == OTHER.device.hex().encode() + b" hello\n"
        await link.close()


async def test_an_unknown_peer_gets_nothing_and_is_noticed() -> None:
    unknown_peers: list[UnknownPeer] = []
    async with serving(on_unknown_peer=unknown_peers.append) as server:
        with pytest.raises(NotAdmitted, match=THIRD.device.hex()):
            await tcp.dial_tcp("127.0.0.1", server.port, THIRD, members(ONE))
    assert [peer.device for peer in unknown_peers] == [THIRD.device]


async def test_an_unknown_peer_that_accepts_is_not_synced_with() -> None:
    async with serving(THIRD) as server:
        with pytest.raises(UnknownPeer, match=THIRD.device.hex()):
            await tcp.dial_tcp("127.0.0.1", server.port, OTHER, members(ONE))


async def test_junk_is_hung_up_on_without_a_word() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_ipv6_and_names_with_both() -> None:
    async with serving(host="::1") as server:
        link = await tcp.dial_tcp("::1", server.port, OTHER, members(ONE))
        assert (await ask(link)).endswith(b" hello\n")
        await link.close()


async def test_all_addresses_of_a_name_have_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two(host: str) -> list[str]:
        return ["127.0.0.1", "127.0.0.2"]

    monkeypatch.setattr(tcp, "_resolve_addresses", two)
    async with serving() as server:
        for address in await two(""):
            link = await tcp.dial_tcp(address, server.port, OTHER, members(ONE))
            assert (await ask(link)).endswith(b" hello\n")
            await link.close()


async def test_peers_that_just_sit_there_do_not_keep_members_out() -> None:
    async with serving() as server:
        idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2 * tcp.MAX_HANDSHAKES)]
        link = await tcp.dial_tcp("127.0.0.1", server.port, OTHER, members(ONE))
        assert (await ask(link)).endswith(b" hello\n")
        # Those who sat there longest were hung up on.
        for reader, _ in idle[: tcp.MAX_HANDSHAKES]:
            assert await reader.read() == b""
        assert not idle[-1][0].at_eof()
        await link.close()
        for _, writer in idle:
            writer.transport.abort()


async def test_who_calls_again_and_again_takes_only_its_own_places() -> None:
    async with serving() as server:
        slow = await asyncio.open_connection("127.0.0.1", server.port)
        many = [
            await asyncio.open_connection("127.0.0.1", server.port, local_addr=("127.0.0.2", 0))
            for _ in range(4 * tcp.MAX_HANDSHAKES)
        ]
        assert await many[0][0].read() == b""
        assert await many[2 * tcp.MAX_HANDSHAKES][0].read() == b""
        assert not slow[0].at_eof()
        for _, writer in [slow, *many]:
            writer.transport.abort()


async def test_a_peer_that_never_says_who_it_is_is_hung_up_on() -> None:
    server = tcp.TcpListener(ONE, members(OTHER), echo, timeout_s=0.05)
    await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(LINK_MAGIC)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    await server.close()


async def test_more_members_than_there_are_places_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MAX_LINKS", 1)
    async with serving(allow=members(OTHER, THIRD)) as server:
        first = await tcp.dial_tcp("127.0.0.1", server.port, OTHER, members(ONE))
        assert await ask(first)
        second = await tcp.dial_tcp("127.0.0.1", server.port, THIRD, members(ONE))
        assert await second.reader.read() == b""
        await second.close()
        assert await ask(first)
        await first.close()


async def test_one_member_does_not_take_all_places() -> None:
    async with serving(allow=members(OTHER, THIRD)) as server:
        links = [await tcp.dial_tcp("127.0.0.1", server.port, OTHER, members(ONE)) for _ in range(5)]
        assert await links[tcp.MAX_LINKS_PER_DEVICE].reader.read() == b""
        assert await ask(links[0])
        await links.pop(0).close()
        third = await tcp.dial_tcp("127.0.0.1", server.port, THIRD, members(ONE))
        assert await ask(third)
        for link in [*links, third]:
            await link.close()


async def test_closing_ends_the_meetings_under_way_and_frees_the_port() -> None:
    ended = asyncio.Event()

    async def wait(link: TlsLink) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(on_link=wait) as server:
        link = await tcp.dial_tcp("127.0.0.1", server.port, OTHER, members(ONE))
        waiting, _ = await asyncio.open_connection("127.0.0.1", server.port), await asyncio.sleep(0)
        port = server.port
    assert ended.is_set()
    assert await link.reader.read() == b""
    assert await waiting[0].read() == b""
    await link.close()
    waiting[1].transport.abort()
    again = tcp.TcpListener(ONE, members(OTHER), echo)
    await again.start("127.0.0.1", port)
    await again.close()


async def test_a_port_in_use_and_nobody_there_are_errors_of_one_sentence() -> None:
    async with serving() as server:
        with pytest.raises(LinkError, match="in use"):
            await tcp.TcpListener(ONE, members(OTHER), echo).start("127.0.0.1", server.port)
        port = server.port
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(LinkError, match="Nobody answers"):
            await tcp.dial_tcp(host, port, OTHER, members(ONE))


async def test_a_host_that_is_silent_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(LinkError, match="in time"):
        await tcp.dial_tcp("127.0.0.1", deaf.getsockname()[1], OTHER, members(ONE), timeout_s=0.05)


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "a\0b"])
async def test_what_cannot_be_a_host_is_an_error(host: str) -> None:
    with pytest.raises(LinkError, match="cannot be the name"):
        await tcp.dial_tcp(host, 7420, OTHER, members(ONE))
    with pytest.raises(LinkError, match=r"[Nn]ame"):
        await tcp.TcpListener(ONE, members(OTHER), echo).start(host, 0)


async def test_an_address_of_another_machine_is_not_listened_on() -> None:
    with pytest.raises(LinkError, match="not possible to listen"):
        await tcp.TcpListener(ONE, members(OTHER), echo).start("203.0.113.1", 0)
