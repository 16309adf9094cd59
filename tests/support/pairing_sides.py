"""Two sides of a pairing in memory, and what moves their bytes."""

from __future__ import annotations

from random import Random

from core.sync.pairing.messages import PairHello
from core.sync.pairing.protocol import Comparison, PairingFailed, PairingOutput, PairingProtocol
from tests.support.linked_sessions import ONE, OTHER

FLEET = bytes(range(16))
DIALER_KEY, ACCEPTER_KEY = ONE.public_key, OTHER.public_key


def hello(*, dialer: bool, admin: bool, fleet: bytes | None = None, name: str = "") -> PairHello:
    """What a side says first: an admin of the fleet, or a device without one."""
    fleet = (FLEET if admin else b"") if fleet is None else fleet
    return PairHello(dialer, admin, fleet, "Nord" if admin else "", name or ("K1" if admin else "K3"))


def sides(random: Random | None = None, *, admin_dials: bool = True) -> tuple[PairingProtocol, PairingProtocol]:
    """The dialing and the accepting side of an honest pairing."""
    noise = random or Random(1)
    return (
        PairingProtocol(hello(dialer=True, admin=admin_dials), DIALER_KEY, ACCEPTER_KEY, noise.randbytes(32)),
        PairingProtocol(hello(dialer=False, admin=not admin_dials), ACCEPTER_KEY, DIALER_KEY, noise.randbytes(32)),
    )


def feed(side: PairingProtocol, data: bytes, now_s: float = 0.0) -> list[PairingOutput]:
    """Give a side bytes as a link would, and all that follows.

    What it cannot take any more is dropped.
    """
    outputs: list[PairingOutput] = []
    while data and not any(isinstance(each, PairingFailed) for each in outputs):
        size = side.wanted_bytes
        if len(data) < size:
            break
        outputs += side.receive_data(data[:size], now_s)
        data = data[size:]
    return outputs


def carry(one: PairingProtocol, other: PairingProtocol, now_s: float = 0.0) -> tuple[list[PairingOutput], ...]:
    """Carry all that both say, until nobody has anything more to say.

    Gives what came of it on each side.
    """
    found: tuple[list[PairingOutput], ...] = ([], [])
    while (there := one.data_to_send()) + (back := other.data_to_send()):
        found[1].extend(feed(other, there, now_s))
        found[0].extend(feed(one, back, now_s))
    return found


def shown(outputs: list[PairingOutput]) -> str | None:
    """The digits among these; None if there are none."""
    return next((each.digits for each in outputs if isinstance(each, Comparison)), None)


def failure(outputs: list[PairingOutput]) -> str:
    """Why it failed; empty if it did not."""
    return next((str(each) for each in outputs if isinstance(each, PairingFailed)), "")
