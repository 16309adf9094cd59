"""Whose failure it is: this device's own is never put on the other one."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import FieldlineError
from core.store.connection import StoreError, translate_sqlite_errors
from core.store.migrations import open_database
from core.sync.links import greeting, tcp, tls, tls_context
from core.sync.links.causes import LinkError, Unable
from core.sync.links.serial import serial_ports
from core.sync.links.tls_context import pinned
from tests.support.linked_sessions import ONE, OTHER, line, linked, members

# Made by modules that are loaded only then, which take files, too.
CERTIFICATES = ONE.certificate_der, OTHER.certificate_der


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def raised_by_context() -> str:
    with pytest.raises(Unable) as raised:
        pinned(ONE, CERTIFICATES[1], server=False)
    assert "other" not in str(raised.value).replace("other programs", "")
    return str(raised.value)


def test_too_many_open_files_while_tls_is_prepared() -> None:
    with no_more_files():
        assert "Too many open files" in raised_by_context()


def test_a_key_that_cannot_be_handed_to_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_context, "_DESCRIPTORS", "/nowhere/fd")
    text = raised_by_context()
    assert "/proc must be mounted" in text
    assert "/nowhere/fd" in text


def test_memory_files_that_are_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(name: str, flags: int) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "memfd_create", forbidden)
    assert "memfd_create" in raised_by_context()


def test_a_key_that_openssl_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(ONE), "key_pem", OTHER.key_pem)
    text = raised_by_context()
    assert "KEY_VALUES_MISMATCH" in text
    assert "on this device" in text


def test_an_openssl_without_tls_1_3(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(ssl.SSLContext):
        minimum_version = property(  # type: ignore[assignment]
            None, lambda self, value: (_ for _ in ()).throw(ValueError("Unsupported protocol version 0x304"))
        )

    monkeypatch.setattr(ssl, "SSLContext", Old)
    assert "Unsupported protocol version" in raised_by_context()


@pytest.mark.parametrize("calls", [True, False])
async def test_who_cannot_prepare_tls_says_so_and_the_other_side_does_not_blame_it_for_lying(
    calls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = tls.pinned

    def unable(identity: tls.Identity, certificate: bytes, *, server: bool) -> ssl.SSLContext:
        if server is calls:
            return prepare(identity, certificate, server=server)
        with no_more_files():
            return prepare(identity, certificate, server=server)

    monkeypatch.setattr(tls, "pinned", unable)
    async with line() as (here, there):
        errors = await asyncio.gather(
            tls.secure_dialed(*here, ONE, members(OTHER)),
            tls.secure_accepted(*there, OTHER, members(ONE)),
            return_exceptions=True,
        )
    own, others = errors if calls else reversed(errors)
    assert isinstance(own, Unable)
    assert type(others) is LinkError
    assert "broke" in str(others)


async def test_what_this_side_takes_for_itself_is_no_time_of_the_other() -> None:
    async def slow(device: bytes) -> bool:
        await asyncio.sleep(1.5)
        return True

    async with line() as (here, there):
        dialed, accepted = await asyncio.gather(
            tls.secure_dialed(*here, ONE, members(OTHER), timeout_s=60),
            tls.secure_accepted(*there, OTHER, slow, timeout_s=1),
        )
        dialed.abort()
        accepted.abort()


@pytest.mark.parametrize(
    "error", [FieldlineError("the store is locked"), OSError(errno.EIO, "own disk"), TimeoutError()]
)
async def test_what_the_own_store_raises_is_not_reported_as_a_broken_connection(error: Exception) -> None:
    async def broken(device: bytes) -> bool:
        raise error

    async with line() as ((_, writer), there):
        writer.write(greeting.make_greeting(ONE))
        with pytest.raises(type(error)) as raised:
            await tls.secure_accepted(*there, OTHER, broken)
        assert raised.value is error
        assert there[1].transport.is_closing()


async def test_what_is_no_tls_is_neither_a_broken_connection_nor_a_lie() -> None:
    async with line() as ((reader, writer), there):
        writer.write(greeting.make_greeting(ONE))
        accepting = asyncio.create_task(tls.secure_accepted(*there, OTHER, members(ONE)))
        await reader.readexactly(102)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 20)
        with pytest.raises(LinkError, match="TLS did not come about") as raised:
            await accepting
        assert "prove" not in str(raised.value)


async def test_hanging_up_works_in_any_state_and_as_often_as_one_likes() -> None:
    async with linked() as (dialed, accepted):
        assert dialed.is_open
        accepted.abort()
        assert await dialed.reader.read() == b""
        await dialed.close()
        dialed.writer.close()
        dialed.writer.close()
        await dialed.close()
        dialed.abort()
        assert not dialed.is_open


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OSError(errno.EMFILE, ""), Unable, "This device has too little left for a connection: Too many open files"),
        (OSError(errno.ENOBUFS, ""), Unable, "This device has too little left for a connection: No buffer space"),
        (PermissionError(errno.EPERM, ""), Unable, 'This device may not connect to "there", port 7420'),
        (OSError(errno.ENETUNREACH, ""), Unable, 'This device has no network that leads to "there"'),
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), LinkError, 'Nobody answers at "there", port 7420'),
        (
            OSError("Multiple exceptions: [Errno 101] Network is unreachable, [Errno 111] Connect call failed"),
            LinkError,
            'Nobody answers at "there", port 7420',
        ),
        (
            OSError("Multiple exceptions: [Errno 101] Connect call failed, [Errno 113] Connect call failed"),
            LinkError,
            '"there" cannot be reached: No route to host',
        ),
        (OSError(errno.EHOSTUNREACH, ""), LinkError, '"there" cannot be reached: No route to host'),
        (socket.gaierror(-2, "Name or service not known"), LinkError, '"there" cannot be reached: Name or service'),
    ],
)
def test_why_nothing_was_reached(error: OSError, kind: type[LinkError], text: str) -> None:
    found = tcp._unreached("there", 7420, error)
    assert type(found) is kind
    with pytest.raises(kind, match=text):
        raise found


async def test_a_dialing_side_without_files_does_not_blame_the_host() -> None:
    with no_more_files(), pytest.raises(Unable, match="Too many open files"):
        await tcp.dial_tcp("127.0.0.1", 7420, ONE, members(OTHER))


def test_a_port_that_cannot_be_opened_for_want_of_files_is_still_a_port() -> None:
    master, slave = os.openpty()
    path = os.ttyname(slave)
    serial_ports.open_port(path).close()
    try:
        with no_more_files(), pytest.raises(serial_ports.PortError, match="This device could not open") as raised:
            serial_ports.open_port(path)
        assert "Too many open files" in str(raised.value)
    finally:
        os.close(master)
        os.close(slave)


async def test_a_listener_reports_what_keeps_it_from_accepting() -> None:
    troubles: list[FieldlineError] = []

    async def locked(device: bytes) -> bool:
        raise FieldlineError("the store is locked")

    async def nothing(link: tls.TlsLink) -> None:
        raise AssertionError

    server = tcp.TcpListener(ONE, locked, nothing, on_trouble=troubles.append)
    await server.start("127.0.0.1", 0)
    with pytest.raises(LinkError, match="broke"):
        await tcp.dial_tcp("127.0.0.1", server.port, OTHER, members(ONE))
    await server.close()
    assert [str(trouble) for trouble in troubles] == ["the store is locked"]


async def test_a_server_that_stops_hangs_up_on_who_is_just_coming_in() -> None:
    async def nothing(link: tls.TlsLink) -> None:
        raise AssertionError

    server = tcp.TcpListener(ONE, members(OTHER), nothing, timeout_s=3600)
    await server.start("127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.setblocking(False)
        # The loop accepts in one turn, and says so in one of the next.
        await asyncio.sleep(0)
        await server.close()
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(client, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SQLITE_NOMEM", "too little memory"),
        ("SQLITE_IOERR_NOMEM", "too little memory"),
        ("SQLITE_IOERR_READ", "could not be read: the disk is failing"),
        ("SQLITE_IOERR_WRITE", "could not be written"),
        ("SQLITE_CANTOPEN", "check that the folder exists"),
    ],
)
def test_an_error_of_sqlite_is_reported_as_what_it_is(name: str, text: str, tmp_path: Path) -> None:
    error = sqlite3.OperationalError()
    error.sqlite_errorname = name
    with pytest.raises(StoreError, match=text), translate_sqlite_errors(tmp_path / "store"):
        raise error


async def test_a_store_that_is_not_opened_for_want_of_files_is_not_reported_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "store"
    await (await open_database(path, create=True)).close()
    with (
        no_more_files(),
        pytest.raises(StoreError, match="too many files are open on this device"),
        translate_sqlite_errors(path),
    ):
        sqlite3.connect(path).execute("SELECT * FROM meta")
