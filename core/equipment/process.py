"""Running a command of this device.

Argv without a shell, a time limit, its own process group, bounded output.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import FieldlineError
from core.values import quote_value

MAX_OUTPUT_BYTES = 65_536
"""What is kept of each stream; the rest is read and thrown away, so that a command that talks much still ends."""
DRAIN_TIMEOUT_S = 0.5
"""How long the output may go on after the command itself has ended: what it left running may hold it open for ever."""
_READ_BYTES = 8192

_DROPPED_VARIABLES = ("LANGUAGE", "LC_MESSAGES", "LPDEST", "PRINTER")
"""What would translate the output, or answer with what one person prefers instead of what the device has."""


@dataclass(frozen=True, slots=True)
class Output:
    """How a command ended, and the start of what it printed.

    A negative code is the signal that ended it.
    """

    code: int
    stdout: bytes
    stderr: bytes
    is_truncated: bool = False

    @property
    def text(self) -> str:
        """Stdout as text."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def reason(self) -> str:
        """The last line that it printed to stderr, else to stdout."""
        for data in (self.stderr, self.stdout):
            if lines := [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]:
                return lines[-1].strip()[:200]
        return ""


async def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> Output:
    """Run a command to its end.

    Raises FieldlineError if it cannot be started or takes too long; then its whole process group is killed, as it is
    when this is cancelled. It need not read what it is given on stdin.
    """
    variables = {k: v for k, v in os.environ.items() if k not in _DROPPED_VARIABLES} | {"LC_ALL": "C", **(env or {})}
    name = quote_value(argv[0])
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env=variables,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise FieldlineError(
            "The command {command} is not there: install it, or mend settings.toml.", command=name
        ) from None
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise FieldlineError(
            "The command {command} cannot be run ({why}): mend settings.toml.", command=name, why=why
        ) from None
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    kept = [bytearray() for _ in streams]
    readers = [asyncio.ensure_future(_drain(stream, into)) for stream, into in zip(streams, kept, strict=True)]
    feeder = asyncio.ensure_future(_feed(process.stdin, stdin))
    try:
        async with asyncio.timeout(timeout_s):
            code = await process.wait()
        await asyncio.wait(readers, timeout=DRAIN_TIMEOUT_S)
    except TimeoutError:
        raise FieldlineError(
            "{command} did not end within {seconds} s and was stopped.", command=name, seconds=f"{timeout_s:g}"
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.transport.abort()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, feeder, return_exceptions=True)
        process._transport.close()  # type: ignore[attr-defined]  # what the command left running may hold its pipes
    stdout, stderr = (bytes(each[:MAX_OUTPUT_BYTES]) for each in kept)
    return Output(code, stdout, stderr, len(kept[0]) > MAX_OUTPUT_BYTES)


async def _drain(stream: asyncio.StreamReader, into: bytearray) -> None:
    while data := await stream.read(_READ_BYTES):
        if len(into) <= MAX_OUTPUT_BYTES:
            into += data


async def _feed(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    stream.transport.set_write_buffer_limits(0)  # so that `drain` waits until all is written
    with suppress(OSError):
        stream.write(data)
        await stream.drain()
    stream.close()
    with suppress(OSError):  # asked for, as Python 3.11.2 reports an error on stderr that nobody asks for
        await stream.wait_closed()


def exit_problem(argv: Sequence[str], output: Output) -> FieldlineError | None:
    """What to tell of a command that did not end with 0; None if it did."""
    if output.code == 0:
        return None
    name, reason = quote_value(argv[0]), quote_value(output.reason, 200) if output.reason else ""
    if output.code < 0:
        return FieldlineError("{command} was ended by signal {signal}.", command=name, signal=-output.code)
    if reason:
        return FieldlineError(
            "{command} ended with code {code}: {reason}", command=name, code=output.code, reason=reason
        )
    return FieldlineError("{command} ended with code {code}.", command=name, code=output.code)
