"""How parts of a session are written: as generators of what they do.

They are sent what came of it.

A part of a session reads like a conversation, and touches neither sockets nor the store. It yields

- a message: it is sent to the peer (the result is None);
- `RECEIVE`: the result is the peer's next message, when it is here;
- `HAS_INPUT`: the result is whether a message of the peer is here already;
- a request: the result is that of the replica;
- `EMIT_PROGRESS`: whoever runs the session gets a `Progress` event (the result is None).
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
    """What a part of a session asks of the session itself."""

    RECEIVE = 1
    HAS_INPUT = 2
    EMIT_PROGRESS = 3


RECEIVE = Signal.RECEIVE
HAS_INPUT = Signal.HAS_INPUT
EMIT_PROGRESS = Signal.EMIT_PROGRESS

Effect = Message | Signal | Request
Effects = Generator[Effect, Any, R]


def receive_message(*kinds: type[M]) -> Effects[M]:
    """Receive the peer's next message.

    Raises RemoteProtocolError if it is of no such type.
    """
    message = yield RECEIVE
    if not isinstance(message, kinds):
        raise RemoteProtocolError(Reason.OUT_OF_TURN)
    return message


class Reconciler(Protocol):
    """One attempt to find out what each side lacks, once both counts are known."""

    @property
    def mode(self) -> str:
        """The name of the method in statistics."""

    @property
    def round_trips(self) -> int:
        """How often the initiator sent a question and waited for the reply."""

    def run(self) -> Effects[list[bytes] | None]:
        """Reconcile with the peer.

        Give the ids that the peer lacks, None if the method fails.
        """

    def admit_change(self, change: bytes) -> bool:
        """Admit a change that was asked for, or not listed as held here.

        Once for each id.
        """
