"""What the tests of handshakes share.

The greetings and TLS records (RFC 8446) of a link, read from its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GREETING = 6 + 32 + 64
HANDSHAKE, DATA = 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
SUPPORTED_GROUPS, SUPPORTED_VERSIONS, KEY_SHARE = 10, 43, 51
X25519, TLS_1_3 = 0x001D, 0x0304
HEAD = 5

DOCUMENT = " ".join((Path(__file__).parents[2] / "docs" / "security.md").read_text().split())


@dataclass(frozen=True)
class Hello:
    """What a ClientHello or ServerHello says of how the keys are agreed on."""

    is_client: bool
    groups: tuple[int, ...]
    shares: tuple[int, ...]
    versions: tuple[int, ...]


@dataclass(frozen=True)
class Handshake:
    """One direction of a link: its hello, and the bytes of all before the first data."""

    hello: Hello
    size: int


def records(stream: bytes) -> list[tuple[int, bytes]]:
    """The TLS records behind a greeting, each its type and content.

    One that is not whole is left out.
    """
    found, at = [], GREETING
    while at + HEAD <= len(stream):
        size = int.from_bytes(stream[at + 3 : at + HEAD])
        if at + HEAD + size > len(stream):
            break
        found.append((stream[at], stream[at + HEAD : at + HEAD + size]))
        at += HEAD + size
    return found


def read_handshake(stream: bytes) -> Handshake:
    """The handshake of one direction.

    In a record each: the hello, the change of ciphers (of the middlebox mode, of no meaning), then the caller's
    certificate, proof and end; before these, the other side's extensions and request.
    """
    found = records(stream)
    kind, content = found[0]
    assert kind == HANDSHAKE
    hello = _hello(content)
    flight = found[: 5 if hello.is_client else 7]
    return Handshake(hello, GREETING + sum(HEAD + len(content) for _, content in flight))


def _hello(content: bytes) -> Hello:
    assert content[0] in (CLIENT_HELLO, SERVER_HELLO)
    is_client = content[0] == CLIENT_HELLO
    at = 4 + 2 + 32
    at += 1 + content[at]  # session id
    at += 2 + int.from_bytes(content[at : at + 2]) if is_client else 2  # ciphers
    at += 1 + content[at] if is_client else 1  # compression
    extensions = _extensions(content[at + 2 : at + 2 + int.from_bytes(content[at : at + 2])])
    share, versions = extensions[KEY_SHARE], extensions[SUPPORTED_VERSIONS]
    return Hello(
        is_client,
        groups=_numbers(extensions.get(SUPPORTED_GROUPS, b"")[2:]),
        shares=tuple(_shares(share[2:])) if is_client else _numbers(share[:2]),
        versions=_numbers(versions[1:] if is_client else versions),
    )


def _extensions(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(data):
        size = int.from_bytes(data[at + 2 : at + 4])
        found[int.from_bytes(data[at : at + 2])] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return found


def _shares(data: bytes) -> Sequence[int]:
    found, at = [], 0
    while at < len(data):
        found.append(int.from_bytes(data[at : at + 2]))
        at += 4 + int.from_bytes(data[at + 2 : at + 4])
    return found


def _numbers(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))


def documented_sizes(openssl: tuple[int, int], *, names_groups: bool) -> list[int] | None:
    """The bytes of both sides until they know each other, by the document.

    None for an OpenSSL that the document does not have.
    """
    found = re.search(rf"\| {openssl[0]}\.{openssl[1]} \| (\d+) \| (\d+) \|", DOCUMENT)
    more = re.search(r"a caller there says (\d+) bytes more", DOCUMENT)
    assert more
    return found and [int(found[1]) + (0 if names_groups else int(more[1])), int(found[2])]
