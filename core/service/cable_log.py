"""Keep how good the cable was in the last sessions with each device.

This device's own note: bounded, no facts, and nothing that others are told. It is written once a session, when that
ends, however it ended.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import FieldlineError

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.store.store import Store
    from core.sync.links.serial.connect import SerialLink

CABLE_SESSIONS_META_KEY = "cable_sessions"
"""Key of this device's own note."""
MAX_SESSIONS_PER_PEER, MAX_SESSIONS = 20, 160
"""As many as a sparkline shows of a device, and of so many devices: some 9 kB."""
_RECORD = struct.Struct(">16sQIIIIIIB")
_MAX_NUMBER = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class CableSession:
    """How good the cable was in a session.

    Attributes:
        peer: the device at the other end.
        at_us: when it ended, in microseconds since 1970 UTC.
        baud: what the ports were set to in the end.
        bits_per_second: what the line carried.
        sent: frames that were sent.
        resent: of these those that were sent again.
        corrected: frames that were received with one wrong bit, which was put right.
        damaged: frames that were received and of no use.
        is_complete: whether the session came to its end.
    """

    peer: bytes
    at_us: int
    baud: int
    bits_per_second: int
    sent: int = 0
    resent: int = 0
    corrected: int = 0
    damaged: int = 0
    is_complete: bool = True


async def read_cable_sessions(store: Store) -> list[CableSession]:
    """Read the last sessions over cables, the latest first."""
    return _decode(await store.read_meta(CABLE_SESSIONS_META_KEY))


async def add_cable_session(store: Store, session: CableSession) -> None:
    """Keep a session, and drop the oldest beyond the bounds.

    Of two that other processes end at the same instant one may be lost.
    """
    sessions = _bounded([session, *await read_cable_sessions(store)])
    await store.write_meta(CABLE_SESSIONS_META_KEY, b"".join(map(_encode, sessions)))


async def note_cable_session(workspace: DeviceContext, link: SerialLink, is_complete: bool) -> None:
    """Keep what a session over a link came to, if the store can be written."""
    counters = link.transport.arq.counters
    session = CableSession(
        link.peer,
        workspace.clock(),
        link.baud,
        link.line_bps,
        counters.sent,
        counters.resent,
        counters.corrected,
        counters.damaged,
        is_complete,
    )
    # Nothing depends on it: a store that cannot be written now is reported by what needs it.
    with suppress(FieldlineError):
        await add_cable_session(workspace.store, session)


def _bounded(sessions: Sequence[CableSession]) -> list[CableSession]:
    counts: dict[bytes, int] = {}
    kept = []
    for each in sessions:
        counts[each.peer] = counts.get(each.peer, 0) + 1
        if counts[each.peer] <= MAX_SESSIONS_PER_PEER:
            kept.append(each)
    return kept[:MAX_SESSIONS]


def _encode(session: CableSession) -> bytes:
    numbers = (session.baud, session.bits_per_second, session.sent, session.resent, session.corrected, session.damaged)
    small = [max(0, min(_MAX_NUMBER, number)) for number in numbers]
    return _RECORD.pack(session.peer, max(0, session.at_us), *small, session.is_complete)


def _decode(data: bytes | None) -> list[CableSession]:
    whole = (data or b"")[: MAX_SESSIONS * _RECORD.size]
    whole = whole[: len(whole) - len(whole) % _RECORD.size]
    return [_session_of(*fields) for fields in _RECORD.iter_unpack(whole)]


def _session_of(peer: bytes, at_us: int, *rest: int) -> CableSession:
    baud, bits_per_second, sent, resent, corrected, damaged, is_complete = rest
    return CableSession(peer, at_us, baud, bits_per_second, sent, resent, corrected, damaged, bool(is_complete))
