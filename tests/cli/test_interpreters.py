"""Devices with different Pythons meet, with the same bytes of handshake.

Over a network and over a cable.

FIELDLINE_PYTHONS names the interpreters beside this one, separated by colons, each with the program's requirements;
`.ci/run` sets it to those of the machine.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Self

import pytest

from core.sync.links.serial.framing import (
    CHECKSUM_BYTES,
    FRAME_HEADER_BYTES,
    MAX_LINE_FRAME_BYTES,
    FrameSplitter,
    FrameType,
)
from tests.cable import Cable
from tests.cli.conftest import Pair
from tests.support.cli import ROOT, Terminal
from tests.support.handshakes import X25519, documented_sizes, read_handshake

PLACE = "place:241/Entrance right"
FAST = 2_000_000
DEADLINE_S = 60

PYTHONS = list(dict.fromkeys([sys.executable, *filter(None, os.environ.get("FIELDLINE_PYTHONS", "").split(":"))]))

ASKED = """
import importlib, json, ssl, sys
for name in ("service.serial_sync", "service.service", "sync.discovery.browser"):
    importlib.import_module("core." + name)
for name in ("cli.main", "app"):
    importlib.import_module("tui." + name)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
try:
    getattr(context, "set_groups", context.set_ecdh_curve)("X25519")
except ssl.SSLError:
    names = False
else:
    names = True
print(json.dumps({"version": list(sys.version_info[:3]), "names": names, "openssl": ssl.OPENSSL_VERSION_INFO[:2]}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python: its version, and whether X25519 alone can be asked for."""

    path: str
    version: tuple[int, ...]
    names: bool
    openssl: tuple[int, int]


@cache
def asked(path: str) -> Interpreter:
    """What there is to know of an interpreter.

    One that was named must be able to run the program.
    """
    answer = subprocess.run([path, "-c", ASKED], capture_output=True, text=True, cwd=ROOT, check=False)
    assert answer.returncode == 0, f"{path} cannot run the program: {answer.stderr}"
    known = json.loads(answer.stdout)
    if not known["names"] and known["openssl"] >= [3, 5]:
        pytest.skip(f"{path} cannot be told to begin with X25519")
    return Interpreter(path, tuple(known["version"]), known["names"], tuple(known["openssl"]))


pairs = pytest.mark.parametrize(
    ("first", "second"),
    list(permutations(PYTHONS, 2))
    or [pytest.param("", "", marks=pytest.mark.skip(reason="FIELDLINE_PYTHONS names no other Python"))],
)


def process(python: str, terminal: Terminal, *arguments: str) -> subprocess.Popen[str]:
    """The program, run by that Python."""
    return subprocess.Popen(
        [asked(python).path, "-m", "tui.cli", *terminal.globals, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@contextmanager
def running(python: str, terminal: Terminal, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The same, for no longer than the test."""
    with process(python, terminal, *arguments) as program:
        try:
            yield program
        finally:
            program.kill()


def ended(program: subprocess.Popen[str]) -> dict[str, object]:
    """The JSON of a program that ends well, and says nothing else."""
    out, err = program.communicate(timeout=DEADLINE_S)
    assert (program.returncode, err) == (0, "")
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def expected(caller: str) -> list[int]:
    """The bytes that both sides say until they know each other, by the document."""
    known = asked(caller)
    sizes = documented_sizes(known.openssl, names_groups=known.names)
    if sizes is None:
        pytest.skip(f"OpenSSL {known.openssl[0]}.{known.openssl[1]} was not measured")
    return sizes


class Tap:
    """Somebody between two ends of a connection, who notes what each says."""

    def __init__(self, port: int) -> None:
        self.traffic = (bytearray(), bytearray())
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._listening.settimeout(DEADLINE_S)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        near, _ = self._listening.accept()
        far = socket.create_connection(("127.0.0.1", self._port))
        with near, far:
            back = threading.Thread(target=self._carry, args=(far, near, self.traffic[1]))
            back.start()
            self._carry(near, far, self.traffic[0])
            back.join()

    def _carry(self, from_: socket.socket, to: socket.socket, traffic: bytearray) -> None:
        with suppress(OSError):
            while data := from_.recv(1 << 16):
                traffic += data
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)


def compare(caller: str, streams: tuple[bytes, bytes]) -> None:
    """Whether the handshake of a caller with this Python is what it should be."""
    calling, answering = read_handshake(streams[0]), read_handshake(streams[1])
    assert calling.hello.is_client
    assert calling.hello.shares == answering.hello.shares == (X25519,)
    assert [calling.size, answering.size] == expected(caller)


@pairs
def test_two_pythons_meet_over_a_network(pair: Pair, first: str, second: str) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=x")
    two.ask("set", PLACE, "card_terminal=11111111")
    with running(second, two, "serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery") as serving:
        assert serving.stderr is not None
        listening = serving.stderr.readline().strip()
        assert listening.startswith("listening on "), listening + serving.stderr.read()
        with (
            Tap(int(listening.rpartition(":")[2])) as tap,
            running(first, one, "sync", f"tcp://127.0.0.1:{tap.port}", "--json") as calling,
        ):
            met = ended(calling)
        serving.send_signal(signal.SIGTERM)
        _, err = serving.communicate(timeout=DEADLINE_S)
    assert (serving.returncode, err) == (0, "")
    assert (met["sent"], met["received"]) == (1, 1)
    assert met["root"] == one.root() == two.root()
    compare(first, (bytes(tap.traffic[0]), bytes(tap.traffic[1])))


def carried(line: bytes) -> bytes:
    """The stream that the frames on a line that loses nothing carry, each part once."""
    parts: dict[int, bytes] = {}
    for checked in FrameSplitter(MAX_LINE_FRAME_BYTES).split(line):
        body = checked[:-CHECKSUM_BYTES]
        if body and body[0] == FrameType.DATA:
            parts.setdefault(int.from_bytes(body[1:3]), body[FRAME_HEADER_BYTES:])
    return b"".join(parts[number] for number in sorted(parts))


@pairs
def test_two_pythons_meet_over_a_cable(pair: Pair, first: str, second: str) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=x")
    two.ask("set", PLACE, "card_terminal=11111111")
    lines = (bytearray(), bytearray())
    with Cable(baud=FAST) as cable:
        for wire, line in zip(cable.wires, lines, strict=True):
            wire.carry = noting(wire.carry, line)  # type: ignore[method-assign]
        targets = [f"serial://{end}?baud={FAST}" for end in cable.ends]
        with (
            running(first, one, "sync", targets[0], "--json") as near,
            running(second, two, "sync", targets[1], "--json") as far,
        ):
            met = ended(near), ended(far)
    assert [(each["sent"], each["received"]) for each in met] == [(1, 1), (1, 1)]
    assert met[0]["root"] == met[1]["root"] == one.root() == two.root()
    streams = carried(bytes(lines[0])), carried(bytes(lines[1]))
    if read_handshake(streams[0]).hello.is_client:
        compare(first, streams)
    else:
        compare(second, streams[::-1])


def noting(carry: Callable[[bytes], None], line: bytearray) -> Callable[[bytes], None]:
    """Carry, and note what."""

    def noted(data: bytes) -> None:
        line.extend(data)
        carry(data)

    return noted
