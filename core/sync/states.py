"""State machines as tables, and the three tables of a session.

`{state: {event: state}}`.

A state changes only by a row of its table. An event that this program causes and that has no row is a bug here; what a
peer does is asked of the table first (`allows`), and refused or ignored if it has no row. The value of each member is
its line in docs/wire-format.md, which is made from the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from core.sync.protocol_errors import LocalProtocolError

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


class StateMachine(Generic[S, E]):
    """One state and the table by which it changes."""

    def __init__(self, table: Mapping[S, Mapping[E, S]], initial: S) -> None:
        self.table = table
        self.state = initial

    def allows(self, event: E) -> bool:
        """Say whether the table has a row for this event in the present state."""
        return event in self.table[self.state]

    def enter(self, event: E) -> None:
        """Change the state. Raises LocalProtocolError if the table has no such row."""
        after = self.table[self.state].get(event)
        if after is None:
            raise LocalProtocolError(f"{event.name} in state {self.state.name}")
        self.state = after


class SessionState(Enum):
    """What a session is at."""

    START = "Reads which set of changes it has; nothing was sent."
    HELLO = "Its Hello is sent, the peer's is awaited."
    RECONCILE = "The roots differ: finds out what each side lacks, by one method after another."
    EXCHANGE = "Sends what the peer lacks and receives what it sends."
    SETTLE = "All was moved: both send a Summary of the set they have now."
    REPORT = "Both hold the same: each tells the other how far third devices hold whose changes."
    DONE = "Ended well; whether both hold the same is in the result."
    FAILED = "Ended before its end."


class SessionEvent(Enum):
    """What moves a session on."""

    HELLO_SENT = "Hello was sent"
    SAME_ROOT = "both sides have the same root"
    OTHER_ROOT = "the roots differ"
    DIFFERENCE_KNOWN = "a method has found what each side lacks"
    ALL_MOVED = "all was sent and received"
    ROUNDS_USED_UP = "the roots still differ after the last round"
    REPORTED = "that was sent and received, or not both sides speak it"
    LINK_ENDED = "the link ended, or somebody stopped the session: what it was for is done"
    FAIL = "a rule was broken, the store failed, the link ended, or somebody stopped it"


SESSION: Mapping[SessionState, Mapping[SessionEvent, SessionState]] = {
    SessionState.START: {
        SessionEvent.HELLO_SENT: SessionState.HELLO,
        SessionEvent.FAIL: SessionState.FAILED,
    },
    SessionState.HELLO: {
        SessionEvent.SAME_ROOT: SessionState.REPORT,
        SessionEvent.OTHER_ROOT: SessionState.RECONCILE,
        SessionEvent.FAIL: SessionState.FAILED,
    },
    SessionState.RECONCILE: {
        SessionEvent.DIFFERENCE_KNOWN: SessionState.EXCHANGE,
        SessionEvent.FAIL: SessionState.FAILED,
    },
    SessionState.EXCHANGE: {
        SessionEvent.ALL_MOVED: SessionState.SETTLE,
        SessionEvent.FAIL: SessionState.FAILED,
    },
    SessionState.SETTLE: {
        SessionEvent.SAME_ROOT: SessionState.REPORT,
        SessionEvent.OTHER_ROOT: SessionState.RECONCILE,
        SessionEvent.ROUNDS_USED_UP: SessionState.DONE,
        SessionEvent.FAIL: SessionState.FAILED,
    },
    SessionState.REPORT: {
        SessionEvent.REPORTED: SessionState.DONE,
        SessionEvent.LINK_ENDED: SessionState.DONE,
        SessionEvent.FAIL: SessionState.FAILED,
    },
    SessionState.DONE: {},
    SessionState.FAILED: {},
}


class Method(Enum):
    """By which method a session reconciles."""

    SKETCH = "A sketch over the short ids that are kept: the fewest bytes."
    SALTED_SKETCH = "A sketch over short ids that are made for this session."
    MERKLE = "Both walk down their Merkle trees: always works."


class MethodEvent(Enum):
    """Why a session goes on to another method."""

    NOT_SPOKEN = "not both sides speak the sketch"
    NOT_FOUND = "the method did not find the difference"
    COLLIDED = "the roots differ after an exchange though nothing else was added: short ids collided"


METHOD: Mapping[Method, Mapping[MethodEvent, Method]] = {
    Method.SKETCH: {
        MethodEvent.NOT_SPOKEN: Method.MERKLE,
        MethodEvent.NOT_FOUND: Method.SALTED_SKETCH,
        MethodEvent.COLLIDED: Method.SALTED_SKETCH,
    },
    Method.SALTED_SKETCH: {
        MethodEvent.NOT_FOUND: Method.MERKLE,
        MethodEvent.COLLIDED: Method.MERKLE,
    },
    Method.MERKLE: {
        MethodEvent.NOT_SPOKEN: Method.MERKLE,
        MethodEvent.COLLIDED: Method.MERKLE,
    },
}


class WaitState(Enum):
    """What a session waits for."""

    NOTHING = "Goes on by itself; only within a call."
    MESSAGE = "For the peer's next message."
    REPLICA = "For the result of its request to the replica."
    OVER = "For nothing more: there is a result."


class WaitEvent(Enum):
    """What a session is given, or asks for."""

    RECEIVE = "it needs the peer's next message"
    MESSAGE_READ = "that message is here as a whole"
    REQUEST = "it asks the replica"
    RESOLVED = "the replica has done it"
    REJECTED = "the replica could not do it"
    END = "it ended, well or not"


WAIT: Mapping[WaitState, Mapping[WaitEvent, WaitState]] = {
    WaitState.NOTHING: {
        WaitEvent.RECEIVE: WaitState.MESSAGE,
        WaitEvent.REQUEST: WaitState.REPLICA,
        WaitEvent.END: WaitState.OVER,
    },
    WaitState.MESSAGE: {
        WaitEvent.MESSAGE_READ: WaitState.NOTHING,
        WaitEvent.END: WaitState.OVER,
    },
    WaitState.REPLICA: {
        WaitEvent.RESOLVED: WaitState.NOTHING,
        WaitEvent.REJECTED: WaitState.NOTHING,
        WaitEvent.END: WaitState.OVER,
    },
    WaitState.OVER: {},
}
