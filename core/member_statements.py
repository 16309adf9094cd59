"""What is stated of members, and by whom it counts.

The facts that `core.authority` decides among.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.member_values import (
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    Cut,
    parse_readmission,
    parse_revocation,
    parse_role,
)
from core.membership import Authority, Chains, Denial, Grant, MemberFact, RoleRule
from core.value_codec import CHANGE_ID_BYTES

ADMIN = "admin"
_FOUNDING = RoleRule(b"", ADMIN)
"""What the founder is without anybody's saying so."""

Rank = tuple[int, tuple[tuple[int, int], ...]]
"""Seniority, the lower the elder: how many steps from the genesis, and the place (position, number) of each."""
_FOUNDER_RANK: Rank = (0, ())
_RECOVERY_RANK: Rank = (-2, ())
"""So whom the recovery key admits is senior to the founder, too."""


@dataclass(slots=True)
class MemberStatements:
    """What was said, sorted by who stated it and what it takes away or gives."""

    founder: bytes
    every: Sequence[MemberFact]
    chains: Chains
    recovery: bytes | None = None
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
        # Who is in the genesis goes on for nobody, and nobody for the recovery key.
        self.every = [f for f in self.every if not (f.is_succession and self._is_rooted(f))]
        for fact in self.every:
            if fact.is_succession:
                self.successions[fact.member].append(fact)
                self.ends[fact.device].append(Cut(fact.position, fact.fact[:CHANGE_ID_BYTES]))
        # Nobody takes from the recovery key or gives to it, and nobody goes on for two.
        ambiguous = {m for m, facts in self.successions.items() if len({fact.device for fact in facts}) > 1}
        self.every = [
            fact
            for fact in self.every
            if fact.member != self.recovery
            and not (fact.is_succession and fact.member in ambiguous)
            and not self._is_unaware(fact)
        ]
        for fact in self.every:
            self.by_author[fact.device].append(fact)
            self.by_id[fact.fact] = fact
            if fact.property == ROLE_PROPERTY and not fact.is_succession:
                role, start, scopes = parse_role(fact.value)
                self.rules[fact.fact] = RoleRule(fact.fact, role, start, fact.obsoletes, scopes)
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

    def _is_rooted(self, succession: MemberFact) -> bool:
        """Whether a succession is of the recovery key.

        Or of who has a role by the genesis already.
        """
        return succession.device == self.recovery or succession.member in (self.founder, self.recovery)

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
        self, device: bytes, own: Iterable[MemberFact], inherited: Mapping[bytes, Grant] | None = None
    ) -> Authority:
        """The authority of a device by these facts about it.

        `inherited` is what each succession passes on, None if each passes on that of an admin.
        """
        roles = [_FOUNDING] if device in (self.founder, self.recovery) else []
        denials: dict[bytes, tuple[MemberFact, list[MemberFact]]] = {}
        lifts: list[MemberFact] = []
        for fact in own:
            if fact.is_succession:
                grant = Grant(ADMIN) if inherited is None else inherited[fact.fact]
                roles.append(RoleRule(fact.fact, grant.role, None, fact.obsoletes, grant.scopes))
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
        dirty = [self.founder] if self.recovery is None else [self.founder, self.recovery]
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

    def seniority(self, counted: set[bytes]) -> Seniority:
        """Who is senior to whom, if this counts."""
        given: dict[bytes, list[MemberFact]] = defaultdict(list)
        for fact in (self.by_id[each] for each in self.gives.intersection(counted)):
            if fact.property == ROLE_PROPERTY:
                given[fact.device].append(fact)
        found = Seniority()
        # The id decides between branches of one chain only.
        heap: list[tuple[Rank, bytes, bytes, MemberFact | None]] = [(_FOUNDER_RANK, b"", self.founder, None)]
        if self.recovery is not None:
            heap.append((_RECOVERY_RANK, b"", self.recovery, None))
        heapq.heapify(heap)
        while heap:
            rank, _, device, admission = heapq.heappop(heap)
            if device in found.ranks:
                continue
            found.add(device, rank, admission)
            for fact in given[device]:
                if fact.member not in found.ranks:
                    heapq.heappush(heap, (_next_rank(rank, fact), fact.fact, fact.member, fact))
        revoked = (self.by_id[each] for each in self.takes.intersection(counted))
        found.count_votes(fact for fact in revoked if fact.property == REVOKED_PROPERTY)
        return found


@dataclass(slots=True)
class Seniority:
    """The ranks of admins, and the revocations in which two outvote their senior."""

    ranks: dict[bytes, Rank] = field(default_factory=dict)
    _persons: dict[bytes, bytes] = field(default_factory=dict)
    """The first key of each admin: keys that go on for one another have one voice."""
    _admitters: dict[bytes, bytes] = field(default_factory=dict)
    """Who admitted each admin."""
    _outvoted: set[bytes] = field(default_factory=set)
    """The facts of those who outvote."""

    def add(self, device: bytes, rank: Rank, admission: MemberFact | None) -> None:
        """Note the rank of an admin, and who admitted it."""
        self.ranks[device] = rank
        is_next_key = admission is not None and admission.is_succession
        self._persons[device] = self._persons[admission.device] if admission and is_next_key else device
        if admission is None:
            return
        if not is_next_key:
            self._admitters[device] = admission.device
        elif admission.device in self._admitters:
            self._admitters[device] = self._admitters[admission.device]

    def count_votes(self, revocations: Iterable[MemberFact]) -> None:
        """Find whom at least two have revoked that it, or somebody senior to it, admitted."""
        votes: dict[bytes, list[MemberFact]] = defaultdict(list)
        for fact in revocations:
            if fact.member in self.ranks and self._may_vote(fact.device, fact.member):
                votes[fact.member].append(fact)
        for facts in votes.values():
            if len({self._persons[fact.device] for fact in facts}) > 1:
                self._outvoted.update(fact.fact for fact in facts)

    def _may_vote(self, device: bytes, target: bytes) -> bool:
        admitter = self._admitters.get(device)
        if admitter is None or self._persons[device] == self._persons[target]:
            return False
        return self.ranks[admitter] <= self.ranks[target]

    def place(self, fact: MemberFact) -> tuple[Rank, Rank, bytes]:
        """Where in the order of seniority a fact stands that takes something away.

        The lower the elder.
        """
        own = admission_rank(self.ranks[fact.device], fact)
        if fact.fact not in self._outvoted:
            return own, own, fact.fact
        # Right before all that the outvoted device stated, and behind what its seniors did.
        steps, path = self.ranks[fact.member]
        return min(own, (steps + 1, path)), own, fact.fact


def admission_rank(rank: Rank, fact: MemberFact) -> Rank:
    """The rank of what an admin of this rank states or admits by a fact."""
    return rank[0] + 1, (*rank[1], (fact.position, int.from_bytes(fact.fact[CHANGE_ID_BYTES:], "big")))


def _next_rank(rank: Rank, fact: MemberFact) -> Rank:
    """The rank of whom an admin of this rank makes one.

    Its own, right behind what it stated, if it is its new key.
    """
    step = admission_rank(rank, fact)
    return (rank[0], step[1]) if fact.is_succession else step
