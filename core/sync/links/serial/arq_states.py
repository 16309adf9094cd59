"""The states of one end of a serial line as a table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ArqState(Enum):
    """How far two ends of a line know each other."""

    LISTEN = "Sends nothing until it is dialed."
    SYN = "Dials, and knows no peer."
    SYN_RECEIVED = "Knows the peer's id, not yet whether the peer knows this one."
    OPEN = "Both know both ids: data may go."
    RESET = "The other end was started anew, or said that it is over."
    CLOSED = "This end said that it is over."


class ArqEvent(Enum):
    """What moves an end on. An event that has no row is ignored: a line makes noise."""

    DIAL = "this end dials"
    PORT_OPENED = "the line is back"
    NEW_PEER = "a SYN with another id than before came"
    ECHOED = "a SYN that gives this end's id back came"
    KEYED_FRAME = "another frame came whose checksum has both ids"
    OTHER_SESSION = "a SYN of another session came"
    RST = "RST came"
    FAREWELL = "this end is over"


ARQ: Mapping[ArqState, Mapping[ArqEvent, ArqState]] = {
    ArqState.LISTEN: {
        ArqEvent.DIAL: ArqState.SYN,
        ArqEvent.PORT_OPENED: ArqState.SYN,
        ArqEvent.NEW_PEER: ArqState.SYN_RECEIVED,
        ArqEvent.FAREWELL: ArqState.CLOSED,
    },
    ArqState.SYN: {
        ArqEvent.PORT_OPENED: ArqState.SYN,
        ArqEvent.NEW_PEER: ArqState.SYN_RECEIVED,
        ArqEvent.FAREWELL: ArqState.CLOSED,
    },
    ArqState.SYN_RECEIVED: {
        ArqEvent.PORT_OPENED: ArqState.SYN_RECEIVED,
        ArqEvent.NEW_PEER: ArqState.SYN_RECEIVED,
        ArqEvent.ECHOED: ArqState.OPEN,
        ArqEvent.KEYED_FRAME: ArqState.OPEN,
        ArqEvent.FAREWELL: ArqState.CLOSED,
    },
    ArqState.OPEN: {
        ArqEvent.PORT_OPENED: ArqState.OPEN,
        ArqEvent.OTHER_SESSION: ArqState.RESET,
        ArqEvent.RST: ArqState.RESET,
        ArqEvent.FAREWELL: ArqState.CLOSED,
    },
    ArqState.RESET: {},
    ArqState.CLOSED: {},
}
