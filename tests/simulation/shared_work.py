"""What a thousand devices in one process would work out from the same bytes.

Each is a pure function that has run for these very inputs before; what a device has got is compared, not trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

from core import header as headers
from core.authority import evaluate_membership
from core.chain import Side
from core.header import SignedHeader
from core.member_values import Cut
from core.membership import Chains, MemberFact, Membership
from core.store.indexes import member_facts

MAX_MEMBERSHIPS = 16
"""That are remembered: each is megabytes of a large fleet."""
_Query = tuple[str, bytes, Cut, int, bytes]


@dataclass
class _AskedChains:
    """Note what an evaluation asks of the chains of a store."""

    chains: Chains
    asked: dict[_Query, object] = field(default_factory=dict)

    def side(self, device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        found = self.chains.side(device, cut, position, change)
        self.asked["side", device, cut, position, change] = found
        return found

    def is_after(self, device: bytes, cut: Cut, position: int, change: bytes) -> bool:
        found = self.chains.is_after(device, cut, position, change)
        self.asked["is_after", device, cut, position, change] = found
        return found


class _Memberships:
    """What facts about members came to, with chains that answered the same."""

    def __init__(self) -> None:
        self._known: list[tuple[object, dict[_Query, object], Membership]] = []

    def evaluate(
        self, founder: bytes | None, facts: Iterable[MemberFact], chains: Chains, recovery: bytes | None = None
    ) -> Membership:
        """Do as `evaluate_membership` does."""
        facts = frozenset(facts)
        for number, (inputs, asked, membership) in enumerate(self._known):
            if inputs == (founder, facts, recovery) and all(
                getattr(chains, name)(*query) == answer for (name, *query), answer in asked.items()
            ):
                # The one that was used last is found first, and not forgotten.
                self._known.insert(0, self._known.pop(number))
                return membership
        asking = _AskedChains(chains)
        membership = evaluate_membership(founder, facts, asking, recovery)
        self._known = [((founder, facts, recovery), asking.asked, membership), *self._known[: MAX_MEMBERSHIPS - 1]]
        return membership


class _Signatures:
    """Which headers were verified for which fleet."""

    def __init__(self) -> None:
        self._verify = headers.verify
        self._right: set[tuple[bytes, bytes]] = set()

    def verify(self, header: SignedHeader, fleet: bytes) -> None:
        """Do as `core.header.verify` does."""
        if (header.data, fleet) not in self._right:
            self._verify(header, fleet)
            self._right.add((header.data, fleet))


@contextmanager
def shared_work() -> Iterator[None]:
    """Share it among the stores of this process meanwhile."""
    with (
        mock.patch.object(member_facts, "evaluate_membership", _Memberships().evaluate),
        mock.patch.object(headers, "verify", _Signatures().verify),
    ):
        yield
