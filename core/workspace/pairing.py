"""Pair with another device.

An admin's device admits it, or this one is admitted, and both sync at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from core.changes import FLEET_ENTITY
from core.device import input_validation, setup
from core.device.context import DeviceContext, system_clock
from core.device.pairing_tries import PairingTries
from core.errors import FieldlineError
from core.schema import Schema
from core.service import pairing_links
from core.service.pairing_runner import Admission, PairingLink, PairingPerson, PairingRunner
from core.service.session_runner import LinkProfile, OnEvent, SyncResult, run_session
from core.sync.pairing.messages import MAX_NAME_BYTES, NONCE_BYTES, PairHello
from core.sync.pairing.protocol import PairingFailed, PairingProtocol
from core.value_codec import normalized
from core.values import is_line
from core.workspace import members

if TYPE_CHECKING:
    from core.identity import Identity
    from core.store.store import Clock, Entropy
    from core.sync.links.serial.serial_ports import SerialEndpoint

EXCHANGE_TIMEOUT_S = 30.0
"""How long both devices may take until the digits are shown: some hundred bytes each way, on the slowest line, too."""


@dataclass(frozen=True, slots=True)
class PairResult:
    """What a pairing came to.

    `device` is the one that was admitted, which is this one if `is_own`.

    `sync` is the result of the sync that followed; None if that failed, which `sync_error` says.
    """

    device: bytes
    is_own: bool
    peer: bytes
    peer_name: str
    role: str
    name: str
    fleet: bytes
    fleet_name: str
    sync: SyncResult | None
    sync_error: FieldlineError | None


class Pairing:
    """This device's side of a pairing.

    `context` is the opened device, None for one that belongs to no fleet yet: that gets a key in its folder, and
    becomes a device of the fleet once it is admitted.

    Args:
        folder: this device's home.
        context: this device, if it has a store.
        person: who compares the digits here.
        user: the author of what is written here.
        name: what this device is called, as far as it is not set up.
        on_event: called with every event of the sync that follows.
        on_rejected: called with why a device came to nothing that does not count as a try.
        clock: microseconds since 1970 UTC.
        entropy: gives so many random bytes.
    """

    def __init__(
        self,
        folder: Path,
        context: DeviceContext | None,
        person: PairingPerson,
        *,
        user: str,
        name: str,
        on_event: OnEvent = lambda event: None,
        on_rejected: Callable[[FieldlineError], None] = lambda error: None,
        clock: Clock = system_clock,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self._folder = folder
        self._context = context
        self._person = person
        self._user = user
        self._name = name if context is None else context.home.name()
        self._on_event = on_event
        self._on_rejected = on_rejected
        self._clock = clock
        self._entropy = entropy

    async def dial(self, endpoint: str) -> PairResult:
        """Pair with the device that waits at an endpoint.

        `tcp://HOST[:PORT]` or `serial:///dev/PORT`.

        Raises Refused for an endpoint that cannot be, FieldlineError if it came to nothing: then nothing was written.
        """
        parsed = pairing_links.parse_pairing_endpoint(endpoint)
        with _Side(*await self._open()) as side:
            return await pairing_links.dial_peer(side.identity, parsed, self._folder, partial(self._pair, side))

    async def listen(self, host: str, port: int, on_listening: Callable[[str, int], None]) -> PairResult:
        """Wait for the other device to dial, at a host and port (0: a free one).

        Raises as `dial` does.
        """
        with _Side(*await self._open()) as side:
            window = pairing_links.PairingWindow(side.identity, partial(self._pair_if_counted, side))
            return await window.run(host, port, on_listening)

    async def listen_at_cable(self, endpoint: SerialEndpoint) -> PairResult:
        """Wait for the device at the other end of a cable to begin; raises as `dial` does."""
        with _Side(*await self._open()) as side:
            pair = partial(self._pair, side)
            return await pairing_links.use_cable(side.identity, endpoint, self._folder, pair, dials=False)

    async def _open(self) -> tuple[Identity, PairingTries, PairHello]:
        """Get this side ready.

        Raises FieldlineError if it may not pair now, or has nobody to pair with.
        """
        fleet, fleet_name, is_admin = b"", "", False
        if self._context is None:
            self._name = input_validation.check_name(self._name)
            identity = setup.prepare_identity(self._folder)
        else:
            self._context.identity.unlock()
            identity, membership = self._context.identity, await self._context.membership()
            is_admin = membership.is_admin(identity.device)
            if not is_admin and membership.may_connect(identity.device):
                raise FieldlineError(
                    "This device belongs to its fleet already, and only an admin's device can let another one in: pair"
                    " on that one."
                )
            fleet = self._context.store.fleet
            record = await self._context.view().record(FLEET_ENTITY, Schema())
            fleet_name = _label(record.value("name"))
        tries = PairingTries(self._folder, self._clock)
        name = _label(self._name) or identity.device.hex()[:8]
        return identity, tries, PairHello(False, is_admin, fleet, fleet_name, name)

    async def _pair_if_counted(
        self, side: _Side, link: PairingLink, is_dialer: bool, profile: LinkProfile
    ) -> PairResult | None:
        """Pair over a link; None if it came to nothing that counts as a try.

        Then the next device may try.
        """
        try:
            return await self._pair(side, link, is_dialer, profile)
        except PairingFailed as error:
            if side.tries.is_counted:
                raise
            self._on_rejected(error)
            return None

    async def _pair(self, side: _Side, link: PairingLink, is_dialer: bool, profile: LinkProfile) -> PairResult:
        """Pair over a link, then sync over it."""
        hello = replace(side.hello, is_dialer=is_dialer)
        protocol = PairingProtocol(hello, side.identity.public_key, link.peer_key, self._entropy(NONCE_BYTES))
        runner = PairingRunner(link, protocol, side.tries, self._person)
        admit = partial(self._admit, self._context) if self._context is not None and hello.is_admin else None
        admission = await runner.run(admit, exchange_timeout_s=EXCHANGE_TIMEOUT_S)
        admin = hello if hello.is_admin else protocol.peer
        sync, sync_error = await self._sync(admin.fleet, link, is_dialer, profile)
        return PairResult(
            device=link.peer if hello.is_admin else side.identity.device,
            is_own=not hello.is_admin,
            peer=link.peer,
            peer_name=protocol.peer.name,
            role=admission.role,
            name=admission.name,
            fleet=admin.fleet,
            fleet_name=admin.fleet_name,
            sync=sync,
            sync_error=sync_error,
        )

    async def _admit(self, context: DeviceContext, device: bytes, admission: Admission) -> None:
        await members.admit_device(context, device.hex(), admission.role, admission.name, None)

    async def _sync(
        self, fleet: bytes, link: PairingLink, is_dialer: bool, profile: LinkProfile
    ) -> tuple[SyncResult | None, FieldlineError | None]:
        """Sync over the same link; what a device that joins lacks comes now."""
        context = self._context
        if context is None:
            await setup.prepare_join(self._folder, fleet=fleet.hex(), device_name=self._name, clock=self._clock)
            context = await DeviceContext.open(self._folder, user=self._user, clock=self._clock, entropy=self._entropy)
        try:
            return await run_session(context, link, profile, initiator=is_dialer, on_event=self._on_event), None
        except FieldlineError as error:
            return None, error
        finally:
            if context is not self._context:
                await context.close()


@dataclass(frozen=True, slots=True)
class _Side:
    """What this device brings, for as long as it is open for pairing."""

    identity: Identity
    tries: PairingTries
    hello: PairHello

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.tries.close()


def _label(text: object) -> str:
    """Give a name as a message can carry it: one line of at most so many bytes."""
    if not isinstance(text, str):
        return ""
    line = normalized("".join(char for char in text if is_line(char, MAX_NAME_BYTES)))
    return line.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip()
