"""What is stated of members, and by whom it counts.

The facts that `core.authority` decides among.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.membership import (
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    Authority,
    Chains,
    Cut,
    Denial,
    MemberFact,
    RoleRule,
    parse_readmission,
    parse_revocation,
    parse_role,
)
from core.value_codec import CHANGE_ID_BYTES

ADMIN = "admin"
_FOUNDING = RoleRule(b"", ADMIN)
"""What the founder is without anybody's saying so."""

Rank = tuple[int, tuple[tuple[int, int], ...]]
"""Seniority, the lower the elder: how many steps from the genesis, and the place (position, number) of each."""
Ranks = dict[bytes, Rank]
"""The seniority of each admin."""


@dataclass(slots=True)
class MemberStatements:
    """What was said, sorted by who stated it and what it takes away or gives."""

    founder: bytes
    every: Sequence[MemberFact]
    chains: Chains
    by_author: dict[bytes, list[MemberFact]] = field(default_factory=lambda: defaultdict(list))
    by_id: dict[bytes, MemberFact] = field(default_factory=dict)
    rules: dict[bytes, RoleRule] = field(default_factory=dict)
    takes: set[bytes] = field(default_factory=set)
    """What is a revocation or gives less than the role of an admin."""
    gives: set[bytes] = field(default_factory=set)
    """What makes an admin, or readmits, or lets a new key go on for an admin's."""
    successions: dict[bytes, list[MemberFact]] = field(default_factory=lambda: defaultdict(list))
    """By the device of the new key: all of which anybody knows, whether they count or not."""
    ends: dict[bytes, list[Cut]] = field(default_factory=lambda: defaultdict(list))
    """Where a device named a new key, on its branches."""

    def __post_init__(self) -> None:
        for fact in self.every:
            if fact.is_succession:
                self.successions[fact.member].append(fact)
                self.ends[fact.device].append(Cut(fact.position, fact.fact[:CHANGE_ID_BYTES]))
        self.every = [fact for fact in self.every if not self._is_unaware(fact)]
        for fact in self.every:
            self.by_author[fact.device].append(fact)
            self.by_id[fact.fact] = fact
            if fact.property == ROLE_PROPERTY and not fact.is_succession:
                self.rules[fact.fact] = RoleRule(fact.fact, *parse_role(fact.value), fact.obsoletes)
        self.takes = {fact.fact for fact in self.every if self._takes_away(fact)}
        self.gives = {fact.fact for fact in self.every if self._gives(fact)}

    def contested(self, counted: set[bytes]) -> list[MemberFact]:
        """What takes something away from a device that has stated something as an admin.

        If this is all that may count: only on these it depends who counts.
        """
        spoke = {self.by_id[fact].device for fact in counted}
        return [
            fact for fact in self.every if fact.fact in counted and fact.member in spoke and fact.fact in self.takes
        ]

    def _is_unaware(self, fact: MemberFact) -> bool:
        """Whether a fact gives a role to a device that goes on for another.

        Without obsoleting what says so.

        So who counts never depends on whether that came first: what goes on for another has that one's role, and others
        only in knowledge of it.
        """
        if fact.property != ROLE_PROPERTY or fact.is_succession or fact.member not in self.successions:
            return False
        return all(each.fact not in fact.obsoletes for each in self.successions[fact.member])

    def _takes_away(self, fact: MemberFact) -> bool:
        if fact.is_succession:
            return False
        if fact.property == ROLE_PROPERTY:
            return self.rules[fact.fact].role != ADMIN
        # Nobody says of itself whether it is revoked: the holder of a stolen key would.
        return (
            fact.property == REVOKED_PROPERTY
            and fact.device != fact.member
            and parse_revocation(fact.value) is not None
        )

    def _gives(self, fact: MemberFact) -> bool:
        if fact.is_succession:
            return True
        if fact.property == ROLE_PROPERTY:
            return self.rules[fact.fact].role == ADMIN
        return (
            fact.property == REVOKED_PROPERTY
            and fact.device != fact.member
            and parse_readmission(fact.value) is not None
        )

    def authority(
        self, device: bytes, own: Iterable[MemberFact], inherited: Mapping[bytes, str] | None = None
    ) -> Authority:
        """The authority of a device by these facts about it.

        `inherited` is the role that each succession passes on, None if each passes on that of an admin.
        """
        roles = [_FOUNDING] if device == self.founder else []
        denials: dict[bytes, tuple[MemberFact, list[MemberFact]]] = {}
        lifts: list[MemberFact] = []
        for fact in own:
            if fact.is_succession:
                role = ADMIN if inherited is None else inherited[fact.fact]
                roles.append(RoleRule(fact.fact, role, None, fact.obsoletes))
            elif fact.property == ROLE_PROPERTY:
                roles.append(self.rules[fact.fact])
            elif fact.fact in self.takes:
                denials[fact.fact] = fact, []
            elif fact.fact in self.gives:
                lifts.append(fact)
        for lift in lifts:
            for target in lift.obsoletes:
                if target in denials:
                    denials[target][1].append(lift)
        return Authority(
            tuple(roles),
            tuple(
                Denial(
                    name,
                    parse_revocation(fact.value) or (),
                    tuple(parse_readmission(lift.value) or () for lift in by),
                )
                for name, (fact, by) in denials.items()
            ),
            tuple(self.ends.get(device, ())),
        )

    def counted(self, held: Iterable[MemberFact]) -> set[bytes]:
        """The facts whose authors were admins where they wrote them.

        If of what takes away just this holds.

        The least set that founds itself on the genesis: a fact more can only make more count.
        """
        about: dict[bytes, list[MemberFact]] = defaultdict(list)
        for fact in held:
            about[fact.member].append(fact)
        found: set[bytes] = set()
        open_facts = {device: list(facts) for device, facts in self.by_author.items()}
        dirty = [self.founder]
        while dirty:
            device = dirty.pop()
            left = open_facts.get(device)
            if not left:
                continue
            authority = self.authority(device, about[device])
            is_admin = self._admin_test(device, authority)
            new = [fact for fact in left if is_admin(fact)]
            open_facts[device] = [fact for fact in left if not is_admin(fact)]
            found.update(fact.fact for fact in new)
            for fact in new:
                if fact.fact in self.gives:
                    about[fact.member].append(fact)
                    dirty.append(fact.member)
        return found

    def _admin_test(self, device: bytes, authority: Authority) -> Callable[[MemberFact], bool]:
        if authority.is_uniform:
            uniform = authority.uniform_role == ADMIN
            return lambda fact: uniform
        known: dict[bytes, bool] = {}

        def is_admin(fact: MemberFact) -> bool:
            change = fact.fact[:CHANGE_ID_BYTES]
            if change not in known:
                known[change] = authority.role_at(self.chains, device, fact.position, change) == ADMIN
            return known[change]

        return is_admin

    def ranks(self, counted: Iterable[bytes]) -> Ranks:
        """The seniority of each admin."""
        given: dict[bytes, list[MemberFact]] = defaultdict(list)
        for fact in (self.by_id[each] for each in self.gives.intersection(counted)):
            if fact.property == ROLE_PROPERTY:
                given[fact.device].append(fact)
        found: Ranks = {}
        # The id decides between branches of one chain only.
        heap: list[tuple[Rank, bytes, bytes]] = [((0, ()), b"", self.founder)]
        while heap:
            rank, _, device = heapq.heappop(heap)
            if device in found:
                continue
            found[device] = rank
            for fact in given[device]:
                if fact.member not in found:
                    heapq.heappush(heap, (_next_rank(rank, fact), fact.fact, fact.member))
        return found


def admission_rank(rank: Rank, fact: MemberFact) -> Rank:
    """The rank of what an admin of this rank states or admits by a fact."""
    return rank[0] + 1, (*rank[1], (fact.position, int.from_bytes(fact.fact[CHANGE_ID_BYTES:], "big")))


def _next_rank(rank: Rank, fact: MemberFact) -> Rank:
    """The rank of whom an admin of this rank makes one.

    Its own, right behind what it stated, if it is its new key.
    """
    step = admission_rank(rank, fact)
    return (rank[0], step[1]) if fact.is_succession else step
