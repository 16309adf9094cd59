"""The handshake on the wire.

What is agreed on and how many bytes it takes, whatever this Python lets one choose.
"""

from __future__ import annotations

import asyncio
import ssl

import pytest

from core.sync.links import tls
from tests.support.handshakes import TLS_1_3, X25519, Handshake, documented_sizes, read_handshake
from tests.support.linked_sessions import ONE, OTHER, line, members


def names_groups() -> bool:
    """Whether this Python lets one say X25519 (python/cpython#77063)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if hasattr(context, "set_groups"):
        return True
    try:
        context.set_ecdh_curve("X25519")
    except ssl.SSLError:
        return False
    return True


def begins_with_x25519() -> bool:
    """Whether that is what is begun with, listed or not."""
    return names_groups() or ssl.OPENSSL_VERSION_INFO < (3, 5)


@pytest.fixture
async def both() -> tuple[Handshake, Handshake]:
    """The handshakes of the dialing and of the accepting side of a link."""
    streams = [bytearray(), bytearray()]

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: int) -> None:
        while data := await reader.read(1 << 16):
            streams[way] += data
            writer.write(data)

    async with line() as (here, near), line() as (far, there):
        pumps = [asyncio.create_task(pump(near[0], far[1], 0)), asyncio.create_task(pump(far[0], near[1], 1))]
        dialed, accepted = await asyncio.gather(
            tls.secure_dialed(*here, ONE, members(OTHER)), tls.secure_accepted(*there, OTHER, members(ONE))
        )
        dialed.abort()
        accepted.abort()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
    return read_handshake(bytes(streams[0])), read_handshake(bytes(streams[1]))


@pytest.mark.skipif(not begins_with_x25519(), reason="this Python cannot be told to begin with X25519")
async def test_the_keys_are_agreed_on_by_x25519_in_tls_1_3_and_nothing_else_is_begun_with(
    both: tuple[Handshake, Handshake],
) -> None:
    dialing, accepting = (each.hello for each in both)
    assert (dialing.is_client, accepting.is_client) == (True, False)
    assert dialing.shares == accepting.shares == (X25519,)
    assert dialing.versions == accepting.versions == (TLS_1_3,)
    assert dialing.groups[0] == X25519
    assert len(dialing.groups) == 1 or not names_groups()


@pytest.mark.skipif(not begins_with_x25519(), reason="this Python cannot be told to begin with X25519")
async def test_getting_to_know_each_other_takes_as_many_bytes_as_the_document_says(
    both: tuple[Handshake, Handshake],
) -> None:
    version = ssl.OPENSSL_VERSION_INFO[:2]
    expected = documented_sizes(version, names_groups=names_groups())
    if expected is None:
        pytest.skip(f"OpenSSL {version[0]}.{version[1]} was not measured")
    assert [each.size for each in both] == expected
