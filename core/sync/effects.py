"""How the parts of a session are written: as generators that yield what they do and are sent what came of it.

A part of a session reads like a conversation, and touches neither sockets nor the store. It yields

- a message: it is sent to the peer (the answer is None);
- `HEAR`: the answer is the peer's next message, when it is here;
- `WAITING`: the answer is whether a message of the peer is here already;
- a request: the answer is what the replica said to it;
- `REPORT`: whoever runs the session is told how far it is (the answer is None).
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import Any, Protocol, TypeVar

from core.sync.events import Reason
from core.sync.messages import Message
from core.sync.protocol_errors import RemoteProtocolError
from core.sync.replica import Request

M = TypeVar("M")
R = TypeVar("R")


class Signal(Enum):
    RECEIVE = 1
    HAS_INPUT = 2
    EMIT_PROGRESS = 3


RECEIVE = Signal.RECEIVE
HAS_INPUT = Signal.HAS_INPUT
EMIT_PROGRESS = Signal.EMIT_PROGRESS

Effect = Message | Signal | Request
Effects = Generator[Effect, Any, R]


def receive_message(*kinds: type[M]) -> Effects[M]:
    """The peer's next message, which must be of one of these types; else it is out of turn."""
    message = yield RECEIVE
    if not isinstance(message, kinds):
        raise RemoteProtocolError(Reason.OUT_OF_TURN)
    return message


class Reconciler(Protocol):
    """Finds out what each side lacks. One is made for each attempt, when both know how many changes the other has."""

    @property
    def mode(self) -> str:
        """What it is called."""

    @property
    def round_trips(self) -> int:
        """How often the initiator asked and waited for an answer."""

    def run(self) -> Effects[list[bytes] | None]:
        """Talk to the peer's reconciler; the result is the ids that the peer lacks, or None if this way fails."""

    def admit_change(self, change: bytes) -> bool:
        """Whether the peer may send this change: it was asked for, or not told to be here; true once for each id."""
