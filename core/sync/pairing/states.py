"""The table of a pairing, `{state: {event: state}}`.

See `core.sync.states` for what such a table is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class PairingState(Enum):
    """What a pairing is at."""

    HELLO = "Its PairHello is sent, the peer's is awaited."
    COMMITMENT = "The side that dialed: awaits the commitment of the other."
    NONCE = "The side that accepted: its commitment is sent, the nonce of the other is awaited."
    REVEAL = "The side that dialed: its nonce is sent, what was committed to is awaited."
    COMPARE = "The digits are shown on both sides; nobody has answered yet."
    SAME_HERE = "The person here has found them the same, and the peer's answer is awaited."
    SAME_THERE = "The person at the peer has found them the same, and the answer here is awaited."
    AGREED = "Both people have found them the same; the admin's side chooses the role."
    DONE = "The admission is written and sent: the link goes on as a session."
    FAILED = "Ended before its end; nothing of it holds."


class PairingEvent(Enum):
    """What moves a pairing on."""

    HELLO_AT_DIALER = "the peer's PairHello came to the side that dialed"
    HELLO_AT_ACCEPTER = (
        "the peer's PairHello came to the side that accepted, which sends its commitment: a try is counted"
    )
    COMMITTED = "the peer's commitment came: a try is counted, then the nonce is sent"
    NONCE_RECEIVED = "the peer's nonce came: what was committed to is sent"
    REVEALED = "what came is what the peer had committed to"
    CONFIRM = "the person here says that the digits are the same"
    PEER_CONFIRMED = "the person at the peer says so"
    ADMIT = "the admin's side has written the admission"
    FAIL = "the digits differ, a rule was broken, the link ended, somebody stopped it, or took too long"


PAIRING: Mapping[PairingState, Mapping[PairingEvent, PairingState]] = {
    PairingState.HELLO: {
        PairingEvent.HELLO_AT_DIALER: PairingState.COMMITMENT,
        PairingEvent.HELLO_AT_ACCEPTER: PairingState.NONCE,
        PairingEvent.FAIL: PairingState.FAILED,
    },
    PairingState.COMMITMENT: {
        PairingEvent.COMMITTED: PairingState.REVEAL,
        PairingEvent.FAIL: PairingState.FAILED,
    },
    PairingState.NONCE: {
        PairingEvent.NONCE_RECEIVED: PairingState.COMPARE,
        PairingEvent.FAIL: PairingState.FAILED,
    },
    PairingState.REVEAL: {
        PairingEvent.REVEALED: PairingState.COMPARE,
        PairingEvent.FAIL: PairingState.FAILED,
    },
    PairingState.COMPARE: {
        PairingEvent.CONFIRM: PairingState.SAME_HERE,
        PairingEvent.PEER_CONFIRMED: PairingState.SAME_THERE,
        PairingEvent.FAIL: PairingState.FAILED,
    },
    PairingState.SAME_HERE: {
        PairingEvent.PEER_CONFIRMED: PairingState.AGREED,
        PairingEvent.FAIL: PairingState.FAILED,
    },
    PairingState.SAME_THERE: {
        PairingEvent.CONFIRM: PairingState.AGREED,
        PairingEvent.FAIL: PairingState.FAILED,
    },
    PairingState.AGREED: {
        PairingEvent.ADMIT: PairingState.DONE,
        PairingEvent.FAIL: PairingState.FAILED,
    },
    PairingState.DONE: {},
    PairingState.FAILED: {},
}
