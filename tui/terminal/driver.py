"""The terminal's input as it is read.

Bytes that are no text, and floods, must not end the program or keep it busy.

Each key waits for the one before it. A terminal that is gone ends the program.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Any

from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.events import Key, Paste

from tui.terminal.background import LateAnswerFilter
from tui.terminal.end_signals import end_by_signal
from tui.terminal.input_limiter import InputLimiter
from tui.terminal.key_sequencer import KeySequencer
from tui.terminal.output_stream import TerminalOutput

_ESCAPE_TIMEOUT_S = 0.1
"""Seconds after which an escape character alone is the key."""
_READ_BYTES = 1 << 12
"""What is read at a time: more than a person types, and soon dealt with."""


def _read_input(fileno: int) -> bytes:
    """What was typed; nothing once the terminal is gone, which is EOF or EIO."""
    try:
        return os.read(fileno, _READ_BYTES)
    except OSError:
        return b""


class _Intake:
    """What of the bytes that come is taken as keys and pastes."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")("ignore").decode
        self._answers = LateAnswerFilter()
        self._limiter = InputLimiter()

    def take(self, data: bytes, waited_s: float) -> str:
        """What to take of these bytes, after so many seconds in which nothing came."""
        return self._limiter.take(self._answers.take(self._decode(data)), waited_s)

    def take_idle(self, waited_s: float) -> str:
        """What to take where nothing has come for so many seconds."""
        held = self._answers.take_idle()
        return (self._limiter.take(held, waited_s) if held else "") + self._limiter.take_idle(waited_s)


class _ResumeGuard:
    """Let SIGCONT resume what is suspended, and nothing else.

    It comes also to a program that runs, as with every hang-up of a terminal: started twice, what writes would
    never end.
    """

    _is_suspended = False

    def _sigcont_application(self, *arguments: Any) -> None:
        if self._is_suspended:
            super()._sigcont_application(*arguments)  # type: ignore[misc]

    def suspend_application_mode(self) -> None:
        super().suspend_application_mode()  # type: ignore[misc]
        self._is_suspended = True

    def resume_application_mode(self) -> None:
        self._is_suspended = False
        super().resume_application_mode()  # type: ignore[misc]


def limit_input(driver: type[Driver], typed_ahead: bytes = b"") -> type[Driver]:
    """Limit the input of a driver.

    One that does not read a terminal itself is returned as it is.

    `typed_ahead` was read from the terminal before, and comes first.
    """
    if not hasattr(driver, "run_input_thread"):
        return driver

    class Guarded(_ResumeGuard, driver):  # type: ignore[misc, valid-type]
        _file: Any

        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            self._file = TerminalOutput(self._file, self._report_lost)

        def _report_lost(self) -> None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(end_by_signal, self._app, signal.SIGHUP)

        def run_input_thread(self) -> None:
            parser = XTermParser(self._debug)
            intake, self._turns = _Intake(), KeySequencer(self._app, self._loop, self.exit_event)
            with selectors.DefaultSelector() as selector:
                selector.register(self.fileno, selectors.EVENT_READ)
                waited_s = 0.0
                self._take(parser, intake.take(typed_ahead, waited_s))
                while not self.exit_event.is_set():
                    # Only what the terminal leaves out is a pause, not what the program itself takes.
                    started_s = time.monotonic()
                    ready = selector.select(_ESCAPE_TIMEOUT_S)
                    waited_s += time.monotonic() - started_s
                    data = _read_input(self.fileno) if ready else None
                    if data == b"":
                        self._report_lost()
                        return
                    text = intake.take_idle(waited_s) if data is None else intake.take(data, waited_s)
                    waited_s = 0.0 if data else waited_s
                    self._take(parser, text)

        def _take(self, parser: Any, text: str) -> None:
            for event in parser.feed(text) if text else ():
                self._send(event)
            for event in parser.tick():
                self._send(event)

        def _send(self, event: Any) -> None:
            if isinstance(event, Key | Paste):
                self._turns.wait_for_turn()
                self.process_message(event)
                self._turns.note_key_sent()
            else:
                self.process_message(event)

    return Guarded
