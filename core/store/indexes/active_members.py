"""Keep which devices may connect, so that a link needs no look at all members.

It is written whenever the membership is worked out for a new set of facts about members, and holds for that alone.
All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3

from core.errors import FieldlineError
from core.membership import Membership
from core.store.connection import read_meta, write_meta
from core.value_codec import ID_BYTES

META_KEY = "active"
VERSION_META_KEY = "membership"
"""Which facts about members the store holds, as a hash."""
_RULE = b"\x02"
"""Another one as soon as `core.authority` comes to another result for the same facts."""


def note_active_members(connection: sqlite3.Connection, membership: Membership) -> None:
    """Note who may connect by this membership, which is that of the present facts."""
    write_meta(connection, META_KEY, _encode(read_version(connection), membership))


def read_may_connect(connection: sqlite3.Connection, device: bytes) -> bool | None:
    """Whether a device may connect; None if it is not noted for the present facts."""
    head = _head(read_version(connection))
    data = read_meta(connection, META_KEY) or b""
    if not data.startswith(head):
        return None
    at = data.find(device, len(head))
    while at >= 0 and (at - len(head)) % ID_BYTES:
        at = data.find(device, at + 1)
    return at >= 0


def read_version(connection: sqlite3.Connection) -> bytes:
    """Read which facts about members there are; empty before the first."""
    return read_meta(connection, VERSION_META_KEY) or b""


def find_problems(connection: sqlite3.Connection, membership: Membership) -> list[FieldlineError]:
    """Compare what is noted for the present facts with what they say."""
    data, version = read_meta(connection, META_KEY) or b"", read_version(connection)
    if not data.startswith(_head(version)) or data == _encode(version, membership):
        return []
    return [FieldlineError("It is noted wrongly who may connect.")]


def _head(version: bytes) -> bytes:
    return _RULE + bytes([len(version)]) + version


def _encode(version: bytes, membership: Membership) -> bytes:
    return _head(version) + b"".join(sorted(filter(membership.may_connect, membership.members)))
