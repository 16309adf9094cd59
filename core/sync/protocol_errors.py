"""Why a conversation ends before its end, and whose fault that is."""

from __future__ import annotations

from core.errors import FieldlineError
from core.sync.events import Reason


class SessionEnded(Exception):
    """End a session before its end, at nobody's fault or as the peer wished.

    Never leaves the session.
    """

    def __init__(self, reason: Reason, why: object = "") -> None:
        super().__init__(reason, why)
        self.reason = reason
        self.why = why


class RemoteProtocolError(SessionEnded):
    """The peer broke a rule of the protocol, or is not what it must be."""


class LocalProtocolError(RuntimeError):
    """This program called in an order that is not allowed.

    A bug here, never the peer's fault.
    """


_PEER_ABORT_TEXTS = {
    Reason.STOPPED: FieldlineError("somebody stopped it there"),
    Reason.STORE_FAILED: FieldlineError("it could not read or write its store"),
    Reason.TIMED_OUT: FieldlineError("it received nothing from this device for too long"),
    Reason.NOT_A_MEMBER: FieldlineError("it is not satisfied that this device is a member"),
}


def error_of_abort(code: int) -> SessionEnded:
    """Make what ends the session here when the peer sends `Abort` with this code."""
    if code in (Reason.OTHER_VERSION, Reason.OTHER_FLEET):
        return SessionEnded(Reason(code))
    why = next((why for reason, why in _PEER_ABORT_TEXTS.items() if reason == code), None)
    return SessionEnded(
        Reason.PEER_ABORTED, why or FieldlineError("it found fault with what this device sent, code {code}", code=code)
    )
