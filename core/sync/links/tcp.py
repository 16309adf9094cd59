"""The link over TCP."""

from __future__ import annotations

import asyncio
import errno
import logging
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable

from core.identity import Identity
from core.sync.links import tls
from core.sync.links.tls import Allow, Link, LinkError, Stranger

CONNECT_SECONDS = 10.0
MOST = 32
"""How many devices may be connected at once; more are hung up on and try again later."""

_log = logging.getLogger(__name__)


async def connect(host: str, port: int, identity: Identity, allow: Allow, *, timeout: float = CONNECT_SECONDS) -> Link:
    """Call the device at an address; raises LinkError if nobody answers there within `timeout` seconds, else as
    `tls.call`.
    """
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise LinkError("{host} does not answer: check the address and the network.", host=host) from None
    except ConnectionRefusedError:
        raise LinkError(
            "Nobody answers at {host}, port {port}: is `fieldline serve` running there?", host=host, port=port
        ) from None
    except OSError as error:
        raise LinkError("{host} cannot be reached: {reason}.", host=host, reason=_reason(error)) from None
    return await tls.call(reader, writer, identity, allow, timeout=timeout)


class Server:
    """Answers devices that call. `on_link` is run for each member; `on_stranger` is told of each other device."""

    def __init__(
        self,
        identity: Identity,
        allow: Allow,
        on_link: Callable[[Link], Awaitable[None]],
        on_stranger: Callable[[Stranger], None] = lambda stranger: None,
    ) -> None:
        self._identity = identity
        self._allow = allow
        self._on_link = on_link
        self._on_stranger = on_stranger
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.host = ""
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one. Raises LinkError if the port is taken or may not be used."""
        try:
            self._server = await asyncio.start_server(self._connected, host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise LinkError(
                    "Port {port} is in use already: choose another with --port, or stop what uses it.", port=port
                ) from None
            raise LinkError(
                "It is not possible to listen on {host}, port {port}: {reason}.",
                host=host,
                port=port,
                reason=_reason(error),
            ) from None
        self.host, self.port = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Stop listening, and end the meetings under way."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        if len(self._tasks) >= MOST:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            link = await tls.answer(reader, writer, self._identity, self._allow)
        except Stranger as stranger:
            self._on_stranger(stranger)
            return
        except LinkError as error:
            _log.info("%s", error)
            return
        try:
            await self._on_link(link)
        finally:
            await link.close()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
