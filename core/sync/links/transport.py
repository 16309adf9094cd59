"""A serial port as an asyncio transport: what is above it sees a stream of bytes, in order and whole."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from core.sync.links.arq import BITS, ID_SIZE, Arq, State
from core.sync.links.frames import END
from core.sync.links.ports import Absent, Port, PortError, open_port

CLOSE_SECONDS = 3.0
"""Seconds without progress after which a stream that is being closed is given up."""

BACK_SECONDS = 0.2
"""Seconds between two looks whether a port that is gone is back."""

READ = 1 << 16
WAITING = 1 << 12
"""Bytes that wait, beside those that may be under way, before who writes is stopped: frames are full, and the line is
seen to be used."""

# What the kernel holds of what was handed to it cannot be found out on every port: so many frames, or seconds.
_AHEAD_FRAMES, _AHEAD_SECONDS = 2, 0.01
_IDLE_SECONDS, _SETTLING_SECONDS = 0.02, 0.03


class Cable(asyncio.Transport):
    """A serial port at `path` as a stream transport that TLS can be started on.

    Nothing is read before somebody resumes reading. When the port vanishes the stream waits until it is back, and goes
    on where it was.
    """

    # What the event loop looks for before it starts TLS on a transport: documented nowhere, the same since Python 3.7,
    # and what other event loops and transports use, too. From inside, TLS calls `_force_close`, as well.
    _start_tls_compatible = True

    def __init__(
        self, port: Port, takes: tuple[int, ...], *, calling: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(extra={"peername": port.path})
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._port: Port | None = port
        self.path = port.path
        self.peer: bytes | None = None
        """The device at the other end, once it has proven to be that."""
        self.arq = Arq(secrets.token_bytes(ID_SIZE), takes, calling=calling, gadget=port.is_gadget)
        self._first = takes[0]
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._paused = True
        self._told_eof = self._closing = self._over = False
        self._writing_paused = False
        self._limits: tuple[int, int] | None = None
        self._rest = END
        self._free = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._wants_room = False
        self._loop.add_reader(port.descriptor, self._readable)
        self._work()

    @property
    def away(self) -> bool:
        """Whether the port is gone, and waited for."""
        return self._port is None and not self._over

    @property
    def silent(self) -> bool:
        """Whether nothing comes from the other end any more, though the port is there."""
        return self.arq.silent(self._clock())

    @property
    def baud(self) -> int:
        """Bits a second that the port is set to."""
        return self.arq.baud

    def call(self) -> None:
        """Call the other end, if this one has only listened so far."""
        self.arq.call(self._clock())
        self._work()

    # --- asyncio.Transport -------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not data or self._closing:
            return
        self.arq.sending.write(bytes(data))
        if not self._writing_paused and self.arq.sending.backlog > self.get_write_buffer_limits()[1]:
            self._writing_paused = True
            self._protocol.pause_writing()
        self._work()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self.arq.sending.close()
        if self.arq.state != State.OPEN:
            self._end(None)
            return
        self._give_up_after(CLOSE_SECONDS, self.arq.sending.backlog)
        self._work()

    def _give_up_after(self, seconds: float, backlog: int) -> None:
        self._loop.call_later(seconds, self._give_up, backlog)

    def _give_up(self, before: int) -> None:
        """Closing: end it if nothing has got on for a while."""
        backlog = self.arq.sending.backlog
        if backlog < before:
            self._give_up_after(CLOSE_SECONDS, backlog)
        else:
            self._end(None)

    def abort(self) -> None:
        self._force_close(None)

    def _force_close(self, error: Exception | None) -> None:
        self._closing = True
        self._end(error)

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_reading(self) -> bool:
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._work()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._limits = None if high is None else (high, high // 2 if low is None else low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """How much may wait before who writes is stopped, and how little before he goes on: (low, high) in bytes."""
        if self._limits is not None:
            return self._limits[::-1]
        high = self.arq.sending.window + WAITING
        return high - WAITING // 2, high

    def get_write_buffer_size(self) -> int:
        return self.arq.sending.backlog

    # --- the port ----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        if self._port is None:
            return
        try:
            data = os.read(self._port.descriptor, READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._vanish()
            return
        if self.arq.receive(data, self._clock()):
            self._work()

    def _vanish(self) -> None:
        """The port is gone: wait for it to come back."""
        self._release()
        self._rest = b""
        self._loop.call_later(BACK_SECONDS, self._come_back)

    def _come_back(self) -> None:
        if self._over or self._port is not None:
            return
        try:
            self._port = open_port(self.path, self._first)
        except PortError:
            self._loop.call_later(BACK_SECONDS, self._come_back)
            return
        self._rest = END
        self._free = 0.0
        self._loop.add_reader(self._port.descriptor, self._readable)
        self.arq.resumed(self._clock())
        self._work()

    def _release(self) -> None:
        if self._port is None:
            return
        self._loop.remove_reader(self._port.descriptor)
        self._unwatch()
        self._port.close()
        self._port = None

    def _unwatch(self) -> None:
        if self._wants_room and self._port is not None:
            self._loop.remove_writer(self._port.descriptor)
        self._wants_room = False

    # --- the work ----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """After anything has happened: hand up what came, send what is to be sent, and set the alarm."""
        if self._over:
            return
        # First, since it may be that the other end is waiting for more to be welcome.
        self._deliver()
        now, arq = self._clock(), self.arq
        due = self._send(now)
        if arq.state == State.OPEN and not self.opened.done():
            self.opened.set_result(None)
        if self._writing_paused and arq.sending.backlog <= self.get_write_buffer_limits()[0]:
            self._writing_paused = False
            self._protocol.resume_writing()
        if arq.reset:
            self._end(ConnectionResetError("the other end was started anew"))
        elif self._closing and arq.finished:
            # What was handed to the port last is still to leave it.
            self._loop.call_later(max(0.0, self._free - now) + _AHEAD_SECONDS, self._end, None)
        else:
            self._alarm(due)

    def _send(self, now: float) -> float:
        """Hand frames to the port as the line takes them; gives when to go on, whatever else is due before."""
        if self._over or self._port is None or self._wants_room:
            return float("inf")
        while True:
            pace = self.arq.sending.pace
            if self._rest and not self._flush(self._port):
                return float("inf")
            ahead = self._free - now
            if ahead > max(_AHEAD_SECONDS, _AHEAD_FRAMES * 1024 / pace):
                return self._free - max(_AHEAD_SECONDS, 1024 / pace)
            data = self.arq.take(now)
            if data is None:
                return self._switch(self._port, now) if self.arq.rates.baud != self.baud else self.arq.wake()
            # What disturbs a line that is idle must not cost a frame.
            self._rest = data if now < self._free + _IDLE_SECONDS else END + data
            self._free = max(now, self._free) + len(data) / pace

    def _switch(self, port: Port, now: float) -> float:
        """Set the port to another rate, once what it has been given is sent; gives when to look again."""
        quiet = self._free + _SETTLING_SECONDS
        if now < quiet or port.waiting():
            return max(quiet, now + _AHEAD_SECONDS / 2)
        try:
            port.set_baud(self.arq.rates.baud)
        except PortError as error:
            if not isinstance(error, Absent):
                self.arq.rates.refused()
            self._vanish()
            return float("inf")
        self._rest = END
        self.arq.switched(now)
        return now

    def _flush(self, port: Port) -> bool:
        """Hand over what is left of a frame; gives whether that was all of it."""
        try:
            written = os.write(port.descriptor, self._rest)
        except BlockingIOError:
            written = 0
        except OSError:
            self._vanish()
            return False
        self._rest = self._rest[written:]
        if self._rest:
            self._wants_room = True
            self._loop.add_writer(port.descriptor, self._writable)
        return not self._rest

    def _writable(self) -> None:
        self._unwatch()
        self._work()

    def _deliver(self) -> None:
        now = self._clock()
        while not self._paused and (data := self.arq.receiving.read(now)):
            _feed(self._protocol, data)
        if self.arq.receiving.ended and not self._paused and not self._told_eof:
            self._told_eof = True
            if isinstance(self._protocol, asyncio.BufferedProtocol | asyncio.Protocol):
                self._protocol.eof_received()
            self.close()

    def _alarm(self, due: float) -> None:
        if due == float("inf"):
            return
        if self._timer is not None:
            if self._timer_due <= due and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._work()

    def _end(self, error: Exception | None) -> None:
        if self._over:
            return
        self._over = self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionAbortedError("closed"))
            # Nobody may be waiting for it.
            self.opened.exception()
        self._loop.call_later(self._say_goodbye(), self._leave, error)

    def _say_goodbye(self) -> float:
        """Tell the other end that it is over, unless it knows; gives how long that is on its way."""
        if self._port is None or self.arq.finished:
            return 0.0
        self._loop.remove_reader(self._port.descriptor)
        self._unwatch()
        # In front of what waits in the port, which nobody needs any more.
        self._port.discard()
        goodbye = END + self.arq.farewell()
        with suppress(OSError):
            os.write(self._port.descriptor, goodbye)
        return len(goodbye) * BITS / self.baud + _AHEAD_SECONDS

    def _leave(self, error: Exception | None) -> None:
        self._release()
        self.closed.set_result(None)
        self._protocol.connection_lost(error)


def _feed(protocol: asyncio.BaseProtocol, data: bytes) -> None:
    if isinstance(protocol, asyncio.BufferedProtocol):
        while data:
            buffer = memoryview(protocol.get_buffer(len(data)))
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            protocol.buffer_updated(count)
            data = data[count:]
    elif isinstance(protocol, asyncio.Protocol):
        protocol.data_received(data)
