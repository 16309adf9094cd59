"""Pairing without I/O: bytes and people's answers in, bytes and events out.

Two devices compare a number that is made by commit and reveal over both keys that TLS has proven (as ZRTP and
Bluetooth's numeric comparison do), so that who is in the middle cannot make both screens show the same. From the
commitment on the try counts, on both sides: whoever hands the events on writes `TryCounted` down before anything more
is sent, so that nobody can look at a number and begin again for free.

An error is an event, too, the last one: what came before it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import FieldlineError
from core.sync.pairing import digits, messages
from core.sync.pairing.messages import (
    HEAD_BYTES,
    NONCE_BYTES,
    Admitted,
    Commitment,
    MalformedPairing,
    Nonce,
    OtherPairingVersion,
    PairAbort,
    PairDone,
    PairHello,
    PairMessage,
    Reveal,
)
from core.sync.pairing.states import PAIRING, PairingEvent, PairingState
from core.sync.protocol_errors import LocalProtocolError
from core.sync.states import StateMachine

MIN_LOOK_S = 2.0
"""How long digits are in sight before anybody can have found them the same: a key on its way is no answer."""


class PairingFailed(FieldlineError):
    """The pairing ended before its end, and nothing was written."""


@dataclass(frozen=True, slots=True)
class TryCounted:
    """A commitment was made: write the try down, then go on."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What people compare: the digits, and who the peer says it is.

    `fleet` is that of the admin's side; `is_admin` says that this is that side.
    """

    digits: str
    peer_name: str
    fleet: bytes
    fleet_name: str
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Agreed:
    """Both people have found the digits the same."""


@dataclass(frozen=True, slots=True)
class PeerAdmitted:
    """The admin's side has admitted this device."""

    role: str
    name: str


PairingOutput = TryCounted | Comparison | Agreed | PeerAdmitted | PairingFailed


class PairingProtocol:
    """One pairing, with the peer that has proven `peer_key`.

    `nonce` is 32 random bytes, used once.

    Feed it exactly `wanted_bytes` bytes at a time: what follows the last message is not the pairing's.
    """

    def __init__(self, hello: PairHello, own_key: bytes, peer_key: bytes, nonce: bytes) -> None:
        if len(nonce) != NONCE_BYTES or own_key == peer_key:
            raise LocalProtocolError("a pairing has a nonce, and two keys")
        self._machine = StateMachine(PAIRING, PairingState.HELLO)
        self._hello = hello
        self._keys = (own_key, peer_key)
        self._nonce = nonce
        self._peer: PairHello | None = None
        self._transcript = self._commitment = b""
        self._shown_at_s = 0.0
        self._head = b""
        self._outgoing = bytearray()
        self._outputs: list[PairingOutput] = []
        self._send(hello)

    # --- what the driver calls ---------------------------------------------------------------------------------------

    @property
    def state(self) -> PairingState:
        """What it is at."""
        return self._machine.state

    @property
    def wanted_bytes(self) -> int:
        """How many bytes of the peer it can take now."""
        return messages.body_size(self._head) if self._head else HEAD_BYTES

    @property
    def peer(self) -> PairHello:
        """What the peer has said first. Raises LocalProtocolError before it has."""
        if self._peer is None:
            raise LocalProtocolError("nothing is known of the peer yet")
        return self._peer

    def data_to_send(self) -> bytes:
        """Give the bytes that are to be sent now.

        Those of a counted try only after that was written down.
        """
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive_data(self, data: bytes, now_s: float) -> list[PairingOutput]:
        """Take `wanted_bytes` bytes of the peer; gives what follows from them."""
        if len(data) != self.wanted_bytes:
            raise LocalProtocolError(f"{len(data)} bytes instead of {self.wanted_bytes}")
        try:
            if self._head:
                head, self._head = self._head, b""
                self._receive(messages.decode_message(head + data), now_s)
            elif messages.body_size(data):
                self._head = data
            else:
                self._receive(messages.decode_message(data), now_s)
        except OtherPairingVersion:
            self._fail(PairingFailed("The other device pairs by another version: update Fieldline there or here."))
        except MalformedPairing:
            self._fail(PairingFailed("The other device does not keep to the rules of pairing: check what it is."))
        return self._take_outputs()

    def receive_eof(self) -> list[PairingOutput]:
        """Take note that the peer has hung up."""
        self._fail(PairingFailed("The other device has ended the pairing: begin again on both."))
        return self._take_outputs()

    def answer(self, is_same: bool, now_s: float) -> list[PairingOutput]:
        """Take the answer of the person here.

        Raises LocalProtocolError for "same" before `MIN_LOOK_S` are over.
        """
        if not is_same:
            self._send(PairDone(is_same=False))
            self._fail(
                PairingFailed(
                    "The digits differ, so nothing was written: begin again on both devices. If they differ again,"
                    " somebody is between the two: use another network, or a cable."
                )
            )
            return self._take_outputs()
        if now_s < self._shown_at_s + MIN_LOOK_S:
            raise LocalProtocolError("nobody can have compared them so soon")
        self._machine.enter(PairingEvent.CONFIRM)
        self._send(PairDone(is_same=True))
        self._note_agreement()
        return self._take_outputs()

    def admit(self, role: str, name: str) -> None:
        """Tell the peer that its admission is written."""
        if not self._hello.is_admin:
            raise LocalProtocolError("only the admin's side admits")
        self._machine.enter(PairingEvent.ADMIT)
        self._send(Admitted(role, name))

    def abort(self) -> None:
        """Stop it, and tell the peer."""
        if PAIRING[self.state]:
            self._send(PairAbort())
            self._machine.enter(PairingEvent.FAIL)

    # --- what the peer says ------------------------------------------------------------------------------------------

    def _receive(self, message: PairMessage, now_s: float) -> None:
        if isinstance(message, PairAbort):
            self._fail(PairingFailed("Somebody stopped the pairing on the other device: begin again on both."))
        elif isinstance(message, PairDone) and not message.is_same and self._is_comparing:
            self._fail(
                PairingFailed(
                    "The person at the other device says that the digits differ, so nothing was written: begin again"
                    " on both. If they differ again, somebody is between the two: use another network, or a cable."
                )
            )
        elif not self._handle(message, now_s):
            raise MalformedPairing

    @property
    def _is_comparing(self) -> bool:
        return self.state in (PairingState.COMPARE, PairingState.SAME_HERE)

    def _handle(self, message: PairMessage, now_s: float) -> bool:
        """Do what a message asks for, if the table has a row for it in this state."""
        allows, handlers = self._machine.allows, self._handlers()
        for kind, event, handle in handlers:
            if isinstance(message, kind) and allows(event):
                handle(message, now_s, event)
                return True
        return False

    def _handlers(self) -> list[tuple[type, PairingEvent, Callable[..., None]]]:
        own_hello = PairingEvent.HELLO_AT_DIALER if self._hello.is_dialer else PairingEvent.HELLO_AT_ACCEPTER
        return [
            (PairHello, own_hello, self._on_hello),
            (Commitment, PairingEvent.COMMITTED, self._on_commitment),
            (Nonce, PairingEvent.NONCE_RECEIVED, self._on_nonce),
            (Reveal, PairingEvent.REVEALED, self._on_reveal),
            (PairDone, PairingEvent.PEER_CONFIRMED, self._on_confirmed),
            (Admitted, PairingEvent.ADMIT, self._on_admitted),
        ]

    def _on_hello(self, hello: PairHello, now_s: float, event: PairingEvent) -> None:
        if hello.is_dialer == self._hello.is_dialer:
            raise MalformedPairing
        self._peer = hello
        if error := self._mismatch(hello):
            self._send(PairAbort())
            self._fail(error)
            return
        order = 1 if self._hello.is_dialer else -1
        hellos = (self._hello.encode(), hello.encode())[::order]
        self._transcript = digits.hash_transcript(*hellos, *self._keys[::order])
        self._machine.enter(event)
        if not self._hello.is_dialer:
            self._outputs.append(TryCounted())
            self._commitment = digits.commit_to(self._transcript, self._nonce)
            self._send(Commitment(self._commitment))

    def _mismatch(self, peer: PairHello) -> PairingFailed | None:
        """Say why these two cannot pair.

        None if they can: an admin's, and one that waits for its fleet or for any.
        """
        own = self._hello
        if not own.is_admin and not peer.is_admin:
            return PairingFailed(
                "Neither device is an admin's: pair with the device of an admin of the fleet (`fieldline members`)."
            )
        if own.is_admin and peer.is_admin:
            return PairingFailed("Both devices are admins' already: there is nobody to admit.")
        joiner, admin = (peer, own) if own.is_admin else (own, peer)
        if joiner.fleet and joiner.fleet != admin.fleet:
            return PairingFailed(
                "{device} belongs to another fleet, or waits for one: set it up anew for this one.", device=joiner.name
            )
        return None

    def _on_commitment(self, message: Commitment, now_s: float, event: PairingEvent) -> None:
        self._machine.enter(event)
        self._commitment = message.value
        self._outputs.append(TryCounted())
        self._send(Nonce(self._nonce))

    def _on_nonce(self, message: Nonce, now_s: float, event: PairingEvent) -> None:
        self._machine.enter(event)
        self._send(Reveal(self._nonce))
        self._show(message.value, self._nonce, now_s)

    def _on_reveal(self, message: Reveal, now_s: float, event: PairingEvent) -> None:
        if not digits.is_commitment(self._commitment, self._transcript, message.value):
            self._send(PairAbort())
            self._fail(
                PairingFailed(
                    "What the other device sent is not what it had committed to: somebody interferes. Use another"
                    " network, or a cable."
                )
            )
            return
        self._machine.enter(event)
        self._show(self._nonce, message.value, now_s)

    def _show(self, dialer_nonce: bytes, accepter_nonce: bytes, now_s: float) -> None:
        number = digits.derive_number(self._transcript, self._commitment, dialer_nonce, accepter_nonce)
        admin = self._hello if self._hello.is_admin else self.peer
        self._shown_at_s = now_s
        self._outputs.append(
            Comparison(
                digits.format_digits(number), self.peer.name, admin.fleet, admin.fleet_name, self._hello.is_admin
            )
        )

    def _on_confirmed(self, message: PairDone, now_s: float, event: PairingEvent) -> None:
        self._machine.enter(event)
        self._note_agreement()

    def _note_agreement(self) -> None:
        if self.state is PairingState.AGREED:
            self._outputs.append(Agreed())

    def _on_admitted(self, message: Admitted, now_s: float, event: PairingEvent) -> None:
        if self._hello.is_admin:
            raise MalformedPairing
        self._machine.enter(event)
        self._outputs.append(PeerAdmitted(message.role, message.name))

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _send(self, message: PairMessage) -> None:
        self._outgoing += messages.encode_message(message)

    def _fail(self, error: PairingFailed) -> None:
        if PAIRING[self.state]:
            self._machine.enter(PairingEvent.FAIL)
            self._outputs.append(error)

    def _take_outputs(self) -> list[PairingOutput]:
        outputs, self._outputs = self._outputs, []
        return outputs
