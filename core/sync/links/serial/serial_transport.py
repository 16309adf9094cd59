"""A serial port as an asyncio transport.

What is above it sees a stream of bytes, in order and whole.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from core.sync.links.serial.arq import BITS_PER_BYTE, SESSION_ID_BYTES, Arq
from core.sync.links.serial.arq_states import ArqState
from core.sync.links.serial.baud_negotiation import DEFAULT_TIMING, BaudTiming
from core.sync.links.serial.framing import FRAME_END
from core.sync.links.serial.serial_ports import PortAbsent, PortError, SerialPort, open_port

CLOSE_STALL_S = 3.0
"""Seconds without progress after which a stream that is being closed is given up."""

REOPEN_INTERVAL_S = 0.2
"""Seconds between two looks whether a port that is gone is back."""

MAX_PORT_READ_BYTES = 1 << 16
MAX_UNSENT_BYTES = 1 << 12
"""Bytes that wait, beside those that may be under way, before who writes is stopped: frames are full, and the line is
seen to be used."""

# What the kernel holds of what was handed to it cannot be found out on every port: so many frames, or seconds.
_AHEAD_FRAMES, _AHEAD_S = 2, 0.01
_IDLE_S, _SETTLING_S = 0.02, 0.03


class SerialTransport(asyncio.Transport):
    """A serial port as a stream transport that TLS can be started on.

    Nothing is read before reading is resumed. When the port vanishes the stream waits until it is back, and goes on
    where it was.
    """

    # What the event loop looks for before it starts TLS on a transport: documented nowhere, the same since Python 3.7,
    # and what other event loops and transports use, too. From inside, TLS calls `_force_close`, as well.
    _start_tls_compatible = True

    def __init__(
        self,
        port: SerialPort,
        supported: tuple[int, ...],
        *,
        dials: bool,
        timing: BaudTiming = DEFAULT_TIMING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(extra={"peername": port.path})
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._port: SerialPort | None = port
        self.path = port.path
        self.peer: bytes | None = None
        """The device at the other end, once it has proven to be that."""
        self.arq = Arq(
            secrets.token_bytes(SESSION_ID_BYTES), supported, dials=dials, is_gadget=port.is_gadget, timing=timing
        )
        self._first_baud = supported[0]
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._is_reading_paused = True
        self._is_eof_delivered = self._is_closing = self._has_ended = False
        self._is_writing_paused = False
        self._buffer_limits: tuple[int, int] | None = None
        self._partial_frame = FRAME_END
        self._line_free_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._awaits_room = False
        self._loop.add_reader(port.descriptor, self._on_readable)
        self._process()

    @property
    def is_port_absent(self) -> bool:
        """Whether the port is gone, and waited for."""
        return self._port is None and not self._has_ended

    @property
    def is_silent(self) -> bool:
        """Whether nothing comes from the other end any more, though the port is there."""
        return self.arq.is_silent(self._clock())

    @property
    def baud(self) -> int:
        """Bits a second that the port is set to."""
        return self.arq.baud

    def dial(self) -> None:
        """Dial the other end, if this one has only listened so far."""
        self.arq.dial(self._clock())
        self._process()

    # --- asyncio.Transport -------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not data or self._is_closing:
            return
        self.arq.sender.write(bytes(data))
        if not self._is_writing_paused and self.arq.sender.backlog_bytes > self.get_write_buffer_limits()[1]:
            self._is_writing_paused = True
            self._protocol.pause_writing()
        self._process()

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self.arq.sender.close()
        if self.arq.state is not ArqState.OPEN:
            self._end(None)
            return
        self._schedule_stall_check(CLOSE_STALL_S, self.arq.sender.backlog_bytes)
        self._process()

    def _schedule_stall_check(self, seconds: float, backlog: int) -> None:
        self._loop.call_later(seconds, self._end_if_stalled, backlog)

    def _end_if_stalled(self, before: int) -> None:
        """End a stream that is being closed and has made no progress for a while."""
        backlog = self.arq.sender.backlog_bytes
        if backlog < before:
            self._schedule_stall_check(CLOSE_STALL_S, backlog)
        else:
            self._end(None)

    def abort(self) -> None:
        self._force_close(None)

    def _force_close(self, error: Exception | None) -> None:
        self._is_closing = True
        self._end(error)

    def is_closing(self) -> bool:
        return self._is_closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_reading(self) -> bool:
        return not self._is_reading_paused and not self._is_closing

    def pause_reading(self) -> None:
        self._is_reading_paused = True

    def resume_reading(self) -> None:
        self._is_reading_paused = False
        self._process()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._buffer_limits = None if high is None else (high, high // 2 if low is None else low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Give below and above how many waiting bytes writing resumes and pauses.

        (low, high).
        """
        if self._buffer_limits is not None:
            return self._buffer_limits[::-1]
        high = self.arq.sender.window_bytes + MAX_UNSENT_BYTES
        return high - MAX_UNSENT_BYTES // 2, high

    def get_write_buffer_size(self) -> int:
        return self.arq.sender.backlog_bytes

    # --- the port ----------------------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        if self._port is None:
            return
        try:
            data = os.read(self._port.descriptor, MAX_PORT_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._on_port_gone()
            return
        if self.arq.receive_data(data, self._clock()):
            self._process()

    def _on_port_gone(self) -> None:
        """Wait for a port that is gone to come back."""
        self._close_port()
        self._partial_frame = b""
        self._loop.call_later(REOPEN_INTERVAL_S, self._reopen)

    def _reopen(self) -> None:
        if self._has_ended or self._port is not None:
            return
        try:
            self._port = open_port(self.path, self._first_baud)
        except PortError:
            self._loop.call_later(REOPEN_INTERVAL_S, self._reopen)
            return
        self._partial_frame = FRAME_END
        self._line_free_at = 0.0
        self._loop.add_reader(self._port.descriptor, self._on_readable)
        self.arq.on_port_opened(self._clock())
        self._process()

    def _close_port(self) -> None:
        if self._port is None:
            return
        self._loop.remove_reader(self._port.descriptor)
        self._stop_watching()
        self._port.close()
        self._port = None

    def _stop_watching(self) -> None:
        if self._awaits_room and self._port is not None:
            self._loop.remove_writer(self._port.descriptor)
        self._awaits_room = False

    # --- the work ----------------------------------------------------------------------------------------------------

    def _process(self) -> None:
        """Hand up what came, send what is to be sent, and set the timer; after any event."""
        if self._has_ended:
            return
        # First, since it may be that the other end is waiting for more to be welcome.
        self._deliver()
        now, arq = self._clock(), self.arq
        due = self._send_frames(now)
        if arq.state is ArqState.OPEN and not self.opened.done():
            self.opened.set_result(None)
        if self._is_writing_paused and arq.sender.backlog_bytes <= self.get_write_buffer_limits()[0]:
            self._is_writing_paused = False
            self._protocol.resume_writing()
        if arq.is_peer_restarted:
            self._end(ConnectionResetError("the other end was started anew"))
        elif self._is_closing and arq.is_finished:
            # What was handed to the port last is still to leave it.
            self._loop.call_later(max(0.0, self._line_free_at - now) + _AHEAD_S, self._end, None)
        else:
            self._set_timer(due)

    def _send_frames(self, now: float) -> float:
        """Hand frames to the port as the line takes them.

        Give when to go on at the latest.
        """
        if self._has_ended or self._port is None or self._awaits_room:
            return float("inf")
        while True:
            pace = self.arq.sender.feed_rate
            if self._partial_frame and not self._write_partial(self._port):
                return float("inf")
            ahead = self._line_free_at - now
            if ahead > max(_AHEAD_S, _AHEAD_FRAMES * 1024 / pace):
                return self._line_free_at - max(_AHEAD_S, 1024 / pace)
            data = self.arq.next_frame(now)
            if data is None:
                return (
                    self._switch_baud(self._port, now)
                    if self.arq.negotiation.baud != self.baud
                    else self.arq.next_wake_at()
                )
            # What disturbs a line that is idle must not cost a frame.
            self._partial_frame = data if now < self._line_free_at + _IDLE_S else FRAME_END + data
            self._line_free_at = max(now, self._line_free_at) + len(data) / pace

    def _switch_baud(self, port: SerialPort, now: float) -> float:
        """Set the port to another rate, once what it was given is sent.

        Give when to go on.
        """
        quiet = self._line_free_at + _SETTLING_S
        if now < quiet or port.unsent_bytes():
            return max(quiet, now + _AHEAD_S / 2)
        try:
            port.set_baud(self.arq.negotiation.baud)
        except PortError as error:
            if not isinstance(error, PortAbsent):
                self.arq.negotiation.on_baud_refused()
            self._on_port_gone()
            return float("inf")
        self._partial_frame = FRAME_END
        self.arq.on_baud_switched(now)
        return now

    def _write_partial(self, port: SerialPort) -> bool:
        """Hand over what is left of a frame; False if some of it is still left."""
        try:
            written = os.write(port.descriptor, self._partial_frame)
        except BlockingIOError:
            written = 0
        except OSError:
            self._on_port_gone()
            return False
        self._partial_frame = self._partial_frame[written:]
        if self._partial_frame:
            self._awaits_room = True
            self._loop.add_writer(port.descriptor, self._on_writable)
        return not self._partial_frame

    def _on_writable(self) -> None:
        self._stop_watching()
        self._process()

    def _deliver(self) -> None:
        now = self._clock()
        while not self._is_reading_paused and (data := self.arq.receiver.read(now)):
            _feed_protocol(self._protocol, data)
        if self.arq.receiver.has_ended and not self._is_reading_paused and not self._is_eof_delivered:
            self._is_eof_delivered = True
            if isinstance(self._protocol, asyncio.BufferedProtocol | asyncio.Protocol):
                self._protocol.eof_received()
            self.close()

    def _set_timer(self, due: float) -> None:
        if due == float("inf"):
            return
        if self._timer is not None:
            if self._timer_at <= due and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_later(max(0.0, due - self._clock()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._process()

    def _end(self, error: Exception | None) -> None:
        if self._has_ended:
            return
        self._has_ended = self._is_closing = True
        if self._timer is not None:
            self._timer.cancel()
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionAbortedError("closed"))
            # Nobody may be waiting for it.
            self.opened.exception()
        self._loop.call_later(self._send_rst(), self._finish_closing, error)

    def _send_rst(self) -> float:
        """Send RST unless the other end knows; give how many seconds that is on its way."""
        if self._port is None or self.arq.is_finished:
            return 0.0
        self._loop.remove_reader(self._port.descriptor)
        self._stop_watching()
        # In front of what waits in the port, which nobody needs any more.
        self._port.discard_output()
        goodbye = FRAME_END + self.arq.make_rst()
        with suppress(OSError):
            os.write(self._port.descriptor, goodbye)
        return len(goodbye) * BITS_PER_BYTE / self.baud + _AHEAD_S

    def _finish_closing(self, error: Exception | None) -> None:
        self._close_port()
        self.closed.set_result(None)
        self._protocol.connection_lost(error)


def _feed_protocol(protocol: asyncio.BaseProtocol, data: bytes) -> None:
    if isinstance(protocol, asyncio.BufferedProtocol):
        while data:
            buffer = memoryview(protocol.get_buffer(len(data)))
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            protocol.buffer_updated(count)
            data = data[count:]
    elif isinstance(protocol, asyncio.Protocol):
        protocol.data_received(data)
