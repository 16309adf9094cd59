"""What one side of a sketch run has to do next.

The results of `sketch_protocol.SketchProtocol`.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_difference import SetDifference


@dataclass(frozen=True, slots=True)
class AwaitMessage:
    """Wait for the peer's next message."""


@dataclass(frozen=True, slots=True)
class SendMessages:
    """Send these messages, then wait for the next one."""

    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ScanShortIds:
    """Read all own short ids, and call `SketchProtocol.resume_scan`.

    Those that are in the sketch.
    """


@dataclass(frozen=True, slots=True)
class DifferenceFound:
    """Plan the transfer from the difference, and send what `encode_wants` makes of it.

    `wanted_before` is what the peer has been asked for already.
    """

    difference: SetDifference
    wanted_before: tuple[ShortIdPrefix, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerWants:
    """Send the changes with these prefixes.

    The peer knows the difference, and sends what this side lacks.
    """

    prefixes: tuple[ShortIdPrefix, ...]


@dataclass(frozen=True, slots=True)
class SketchFailed:
    """Go on with another method.

    `is_peer_fault` if the peer did not keep to the protocol.
    """

    why: str
    is_peer_fault: bool = False


SketchAction = AwaitMessage | SendMessages | ScanShortIds | DifferenceFound | PeerWants | SketchFailed
