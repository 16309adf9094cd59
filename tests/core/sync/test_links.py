"""The link: members reach each other with their keys proven, and nobody else learns anything. Over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identity import Identity
from core.sync.links import tcp, tls
from core.sync.links.tls import Link, LinkError, Stranger
from tests.core.strategies import KEYS

ONE, OTHER, THIRD = (Identity(key) for key in KEYS[:3])


def members(*identities: Identity) -> Callable[[bytes], Awaitable[bool]]:
    async def allow(device: bytes) -> bool:
        return device in {identity.device for identity in identities}

    return allow


@asynccontextmanager
async def serving(
    identity: Identity, allow: Callable[[bytes], Awaitable[bool]], strangers: list[Stranger] | None = None
) -> AsyncIterator[tcp.Server]:
    async def echo(link: Link) -> None:
        while line := await link.reader.readline():
            link.writer.write(link.peer.hex().encode() + b" " + line)
            await link.writer.drain()

    server = tcp.Server(identity, allow, echo, (strangers if strangers is not None else []).append)
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close()


async def raw(server: tcp.Server, data: bytes) -> bytes:
    """What a server says to a caller that sends these bytes and then nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_members_talk_and_know_each_other_by_their_keys() -> None:
    async with serving(ONE, members(OTHER)) as server:
        link = await tcp.connect("127.0.0.1", server.port, OTHER, members(ONE))
        assert link.peer == ONE.device
        link.writer.write(b"hello\n")
        assert await link.reader.readline() == OTHER.device.hex().encode() + b" hello\n"
        tls_object = link.writer.get_extra_info("ssl_object")
        assert tls_object.version() == "TLSv1.3"
        await link.close()


async def test_a_stranger_that_calls_gets_nothing_and_is_noticed() -> None:
    strangers: list[Stranger] = []
    async with serving(ONE, members(OTHER), strangers) as server:
        with pytest.raises(Stranger, match=THIRD.device.hex()):
            await tcp.connect("127.0.0.1", server.port, THIRD, members(ONE))
        said = await raw(server, tls._greeting(THIRD.certificate_der))
        assert said == tls._greeting(b"")
        assert [stranger.device for stranger in strangers] == [THIRD.device, THIRD.device]


async def test_a_stranger_that_answers_is_not_talked_to() -> None:
    async with serving(THIRD, members(OTHER)) as server:
        with pytest.raises(Stranger, match=THIRD.device.hex()):
            await tcp.connect("127.0.0.1", server.port, OTHER, members(ONE))


async def test_showing_a_member_s_certificate_without_its_key_is_not_enough() -> None:
    met: list[Link] = []

    async def meet(link: Link) -> None:
        met.append(link)

    server = tcp.Server(ONE, members(OTHER), meet)
    await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(tls._greeting(OTHER.certificate_der))
    assert await tls._certificate(reader) == ONE.certificate_der
    with pytest.raises((ssl.SSLError, OSError, asyncio.IncompleteReadError)):
        await writer.start_tls(tls._context(THIRD, ONE.certificate_der, server=False), server_hostname="")
        # A caller in TLS 1.3 is done before the other side has looked at its certificate: only the next read tells.
        await reader.readexactly(1)
    writer.transport.abort()
    await server.close()
    assert met == []


async def test_a_server_that_shows_a_member_s_certificate_without_its_key_is_found_out() -> None:
    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await tls._certificate(reader)
        context = tls._context(THIRD, OTHER.certificate_der, server=True)
        writer.write(tls._greeting(ONE.certificate_der))
        try:
            await writer.start_tls(context)
        except (ssl.SSLError, OSError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(impostor, "127.0.0.1", 0)
    with pytest.raises(LinkError, match="prove"):
        await tcp.connect("127.0.0.1", server.sockets[0].getsockname()[1], OTHER, members(ONE))
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        tls.MAGIC,
        tls.MAGIC + b"\xff\xff",
        tls.MAGIC + b"\x00\x04junk",
        tls.MAGIC + b"\x04\x00" + b"\x30" * 1024,
    ],
)
async def test_junk_gets_no_answer(junk: bytes) -> None:
    async with serving(ONE, members(OTHER)) as server:
        assert await raw(server, junk) == b""


async def test_a_caller_that_says_nothing_is_hung_up_on() -> None:
    server_side: asyncio.Future[LinkError] = asyncio.get_running_loop().create_future()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await tls.answer(reader, writer, ONE, members(OTHER), timeout=0.05)
        except LinkError as error:
            server_side.set_result(error)

    server = await asyncio.start_server(patient, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    assert await reader.read() == b""
    assert "in time" in str(await server_side)
    writer.close()
    server.close()
    await server.wait_closed()


async def test_a_port_in_use_and_nobody_there_are_told_in_one_sentence() -> None:
    async with serving(ONE, members(OTHER)) as server:
        with pytest.raises(LinkError, match="in use"):
            await tcp.Server(ONE, members(OTHER), lambda link: link.close()).start("127.0.0.1", server.port)
        port = server.port
    with pytest.raises(LinkError, match="Nobody answers"):
        await tcp.connect("127.0.0.1", port, OTHER, members(ONE))


async def test_older_tls_is_refused() -> None:
    async with serving(ONE, members(OTHER)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(tls._greeting(OTHER.certificate_der))
        await tls._certificate(reader)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, OSError)):
            await writer.start_tls(context, server_hostname="")
        writer.transport.abort()


@given(st.integers(0, len(ONE.certificate_der) - 1), st.integers(1, 255), st.integers(0, 40))
def test_a_damaged_certificate_is_refused_or_is_still_that_of_some_key(place: int, flip: int, cut: int) -> None:
    damaged = bytearray(ONE.certificate_der)
    damaged[place] ^= flip
    with contextlib.suppress(LinkError):
        assert len(tls._device(bytes(damaged[: len(damaged) - cut]))) == 16
