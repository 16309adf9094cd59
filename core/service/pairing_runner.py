"""Run one pairing over a link.

Move its bytes, write its try down, ask the person here, and keep the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.service.session_runner import Link, loop_time
from core.sync.pairing.protocol import (
    MIN_LOOK_S,
    Comparison,
    PairingFailed,
    PairingOutput,
    PairingProtocol,
    PeerAdmitted,
    TryCounted,
)
from core.sync.pairing.states import PairingState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.device.pairing_tries import PairingTries

ANSWER_TIMEOUT_S = 120.0
"""For both people to compare: they may have to call across a hall."""
ADMISSION_TIMEOUT_S = 300.0
"""For the admin to choose a role and a name."""
_FLUSH_TIMEOUT_S = 2.0
"""For a last word: whoever does not read it finds out by the end of the link."""


@dataclass(frozen=True, slots=True)
class Admission:
    """How a device is admitted."""

    role: str
    name: str


class PairingPerson(Protocol):
    """The person in front of this device.

    What is asked is cancelled when it has become pointless.
    """

    async def compare(self, comparison: Comparison) -> bool:
        """Show the digits, and give whether those on the other screen are the same.

        By default they are not.
        """
        ...

    async def choose_admission(self, peer: bytes, peer_name: str) -> Admission | None:
        """Ask an admin for the role and the name of the device to admit; None to stop."""
        ...


class PairingLink(Link, Protocol):
    """A link whose peer's key is known, too."""

    @property
    def peer_key(self) -> bytes: ...


AdmitDevice = Callable[[bytes, Admission], Awaitable[None]]
"""Writes the admission of a device; raises FieldlineError."""


class PairingRunner:
    """One pairing."""

    def __init__(
        self, link: PairingLink, protocol: PairingProtocol, tries: PairingTries, person: PairingPerson
    ) -> None:
        self._link = link
        self._protocol = protocol
        self._tries = tries
        self._person = person

    async def run(self, admit: AdmitDevice | None, *, exchange_timeout_s: float) -> Admission:
        """Pair with the peer, and give how the joining one of the two is admitted.

        The link stays open.

        `admit` is that of an admin's device, None on the one that joins. `exchange_timeout_s` is for everything before
        the digits are shown. Raises PairingFailed, or whatever `admit` does; then nothing was written.
        """
        try:
            async with self._limit(exchange_timeout_s):
                comparison = await self._exchange()
            async with self._limit(ANSWER_TIMEOUT_S):
                await self._compare(comparison)
            await asyncio.to_thread(self._tries.clear)
            if admit is not None:
                async with self._limit(ADMISSION_TIMEOUT_S):
                    return await self._admit(comparison, admit)
            # The admin's side gives up first.
            async with self._limit(ADMISSION_TIMEOUT_S + ANSWER_TIMEOUT_S):
                return await self._wait_for_admission()
        except BaseException:
            await self._abort()
            raise

    @asynccontextmanager
    async def _limit(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise PairingFailed(
                "The pairing took too long, so nothing was written: begin again on both devices."
            ) from None

    async def _exchange(self) -> Comparison:
        """Exchange what the digits are made of."""
        self._link.writer.write(self._protocol.data_to_send())
        while True:
            for output in await self._receive():
                if isinstance(output, Comparison):
                    return output

    async def _receive(self) -> list[PairingOutput]:
        """Take the peer's next bytes, and send what follows from them.

        Raises PairingFailed.
        """
        try:
            data = await self._link.reader.readexactly(self._protocol.wanted_bytes)
        except (asyncio.IncompleteReadError, OSError):
            return await self._handle(self._protocol.receive_eof())
        return await self._handle(self._protocol.receive_data(data, loop_time()))

    async def _handle(self, outputs: list[PairingOutput]) -> list[PairingOutput]:
        for output in outputs:
            if isinstance(output, TryCounted):
                await asyncio.to_thread(self._tries.count)
        self._link.writer.write(self._protocol.data_to_send())
        for output in outputs:
            if isinstance(output, PairingFailed):
                raise output
        return outputs

    async def _compare(self, comparison: Comparison) -> None:
        """Ask the person here, and listen to the peer meanwhile.

        Until both sides have agreed.
        """
        asking = asyncio.ensure_future(self._ask(comparison))
        reading = asyncio.ensure_future(self._receive())
        try:
            while not self._is_agreed():
                waited = {reading} if asking.done() else {asking, reading}
                done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if reading in done:
                    reading.result()
                    if not self._is_agreed():
                        reading = asyncio.ensure_future(self._receive())
                if asking in done:
                    await self._handle(self._protocol.answer(asking.result(), loop_time()))
        finally:
            asking.cancel()
            reading.cancel()
            await asyncio.gather(asking, reading, return_exceptions=True)

    def _is_agreed(self) -> bool:
        return self._protocol.state is PairingState.AGREED

    async def _ask(self, comparison: Comparison) -> bool:
        """Ask, and again if nobody can have looked at the digits yet.

        They were found the same too soon.
        """
        looked_at_s = loop_time() + MIN_LOOK_S
        while is_same := await self._person.compare(comparison):
            if loop_time() >= looked_at_s:
                break
            await asyncio.sleep(looked_at_s - loop_time())
        return is_same

    async def _admit(self, comparison: Comparison, admit: AdmitDevice) -> Admission:
        admission = await self._person.choose_admission(self._link.peer, comparison.peer_name)
        if admission is None:
            raise PairingFailed("The pairing was stopped: nothing was written.")
        await admit(self._link.peer, admission)
        self._protocol.admit(admission.role, admission.name)
        self._link.writer.write(self._protocol.data_to_send())
        return admission

    async def _wait_for_admission(self) -> Admission:
        while True:
            for output in await self._receive():
                if isinstance(output, PeerAdmitted):
                    return Admission(output.role, output.name)

    async def _abort(self) -> None:
        """Tell the peer that it is over, if it is not, and give that a moment."""
        self._protocol.abort()
        with suppress(OSError):
            self._link.writer.write(self._protocol.data_to_send())
            async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                await self._link.writer.drain()
