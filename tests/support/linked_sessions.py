"""What the tests of links share.

Devices, who allows whom, and streams between two ends of a socket.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from core.identity import Identity
from core.sync.links import tls
from core.sync.links.tls import TlsLink
from tests.support.strategies import KEYS

ONE, OTHER, THIRD = (Identity(key) for key in KEYS[:3])
Stream = tuple[StreamReader, StreamWriter]


def members(*identities: Identity) -> Callable[[bytes], Awaitable[bool]]:
    """Says of these devices, and no others, that they may be talked to."""

    async def allow(device: bytes) -> bool:
        return device in {identity.device for identity in identities}

    return allow


@asynccontextmanager
async def line() -> AsyncIterator[tuple[Stream, Stream]]:
    """A line between two ends that are made alike, as those of a cable are."""
    streams = [await asyncio.open_connection(sock=end) for end in socket.socketpair()]
    try:
        yield streams[0], streams[1]
    finally:
        for _, writer in streams:
            writer.transport.abort()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[TlsLink, TlsLink]]:
    """ONE, which called, and OTHER, which answered."""
    async with line() as (here, there):
        called, answered = await asyncio.gather(
            tls.secure_dialed(*here, ONE, members(OTHER)), tls.secure_accepted(*there, OTHER, members(ONE))
        )
        try:
            yield called, answered
        finally:
            called.abort()
            answered.abort()
