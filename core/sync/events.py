"""What a session tells who runs it: how far it is, how it ended, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from core.errors import FieldlineError

Phase = Literal["hello", "reconcile", "exchange", "done"]


class Reason(IntEnum):
    """Why a session ended before its end. The numbers are on the wire, in `Abort`."""

    MALFORMED = 1
    OTHER_VERSION = 2
    OTHER_FLEET = 3
    OUT_OF_TURN = 4
    UNREQUESTED = 5
    TOO_LARGE = 6
    REFUSED = 7
    NOT_A_MEMBER = 8
    INCONSISTENT = 9
    STORE_FAILED = 10
    TIMED_OUT = 11
    STOPPED = 12
    CONNECTION_LOST = 13
    PEER_ABORTED = 14


_FAILURE_TEXTS = {
    Reason.MALFORMED: FieldlineError(
        "The peer {peer} sent something that is not Fieldline's sync protocol: check what runs there."
    ),
    Reason.OTHER_VERSION: FieldlineError("The peer {peer} speaks another version of the sync protocol: {why}."),
    Reason.OTHER_FLEET: FieldlineError("The peer {peer} belongs to another fleet: sync only devices of one fleet."),
    Reason.OUT_OF_TURN: FieldlineError(
        "The peer {peer} sent a message out of turn: update Fieldline there, and sync again."
    ),
    Reason.UNREQUESTED: FieldlineError("The peer {peer} sent changes that nobody asked for: nothing of them was kept."),
    Reason.TOO_LARGE: FieldlineError("The peer {peer} sent more than is allowed at once: nothing of it was kept."),
    Reason.REFUSED: FieldlineError(
        "The peer {peer} sent a change that is refused: {why}. Run `fieldline verify` on that device."
    ),
    Reason.NOT_A_MEMBER: FieldlineError("The peer {peer} cannot prove that it is a member of this fleet: {why}."),
    Reason.INCONSISTENT: FieldlineError(
        "The peer {peer} does not have the changes that it says it has: run `fieldline verify` there."
    ),
    Reason.STORE_FAILED: FieldlineError("{why}"),
    Reason.TIMED_OUT: FieldlineError("The peer {peer} fell silent: what was received is saved; sync again to go on."),
    Reason.STOPPED: FieldlineError("The sync was stopped: what was received is saved; sync again to go on."),
    Reason.CONNECTION_LOST: FieldlineError(
        "The connection to {peer} ended before the sync did: what was received is saved; sync again to go on."
    ),
    Reason.PEER_ABORTED: FieldlineError("The peer {peer} ended the sync ({why}): what was received is saved."),
}
"""What people are told, still without the fields."""


@dataclass(frozen=True, slots=True)
class SyncStats:
    """What a session moved. `sent` and `received` count changes.

    Bytes are those of the session, without the link's.

    `reconcile_bytes` are those of hello and reconciliation both ways, `round_trips` those of reconciliation after the
    hello, `mode` how it was done ("none": there was nothing to find out).
    """

    sent: int = 0
    received: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    reconcile_bytes: int = 0
    round_trips: int = 0
    mode: str = "none"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a session is: changes sent and received, and bytes both ways.

    Of how many changes is None where it is not known yet.

    When `near` changes have been received, all is here that is configured now where this device is; when `current`
    have, all that is configured now; what then comes is history.
    """

    phase: Phase
    sent: int = 0
    to_send: int | None = None
    received: int = 0
    to_receive: int | None = None
    bytes_out: int = 0
    bytes_in: int = 0
    nearby_count: int = 0
    current_count: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """A session came to its end. `root` is this side's.

    `equal` is False if more was saved on either side meanwhile.
    """

    stats: SyncStats
    count: int
    root: bytes
    equal: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """A session ended before its end; what had been committed by then stays.

    `error` is the sentence for people.
    """

    reason: Reason
    peer: bytes
    error: FieldlineError
    stats: SyncStats


Event = Progress | Done | Failed


UPDATE_EITHER = FieldlineError("update Fieldline there or here")
"""What to do where the other version is not known."""


def make_failed(reason: Reason, peer: bytes, why: object, stats: SyncStats) -> Failed:
    """The event for a reason, with its sentence."""
    why = why or (UPDATE_EITHER if reason == Reason.OTHER_VERSION else why)
    return Failed(reason, peer, FieldlineError(_FAILURE_TEXTS[reason].template, peer=peer.hex()[:8], why=why), stats)
