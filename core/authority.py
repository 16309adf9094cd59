"""Work out who belongs to the fleet, and whose changes have effect.

A deterministic function of the set of changes.

The device that wrote the genesis is an admin. A fact about a member counts if its author was an admin at that place of
its own chain: no clock and no stolen key can put a change in front of another. Ambiguity resolves toward less
authority: of several revocations all hold, of several roles of which none knew of the other the least; what is not
known to lie before a place counts as behind it, and what is not known to lie behind it is not given what begins there.

Admins can contradict each other: two may revoke one another, each without knowing of the other's. What takes authority
away (a revocation, a role less than admin) is therefore taken in order of seniority: by how many admissions lie between
its author and the genesis, then by where in their authors' chains these admissions stand, the eldest first, and where
it stands itself. Nothing of that can be chosen or tried out afterwards, as an id can. One whose author turns out to
have had no authority at that place is void. If that turns out to be wrong, because what took the authority away is
void itself, it holds after all, unless an elder one would have to go for it.

So each further revocation or lesser role can only take authority away, with one exception: if it voids another one,
what that took away comes back.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from core.membership import (
    NAME_PROPERTY,
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    Authority,
    ChainEnd,
    Chains,
    Denial,
    Member,
    MemberFact,
    Membership,
    RoleRule,
    parse_readmission,
    parse_revocation,
    parse_role,
)
from core.slots import Candidate, slot_of
from core.value_codec import CHANGE_ID_BYTES, Value

_ADMIN = "admin"
_FOUNDING = RoleRule(b"", _ADMIN)
"""What the founder is without anybody's saying so."""
_END = ChainEnd()

Rank = tuple[int, tuple[tuple[int, int], ...]]
"""Seniority, the lower the elder: how many steps from the genesis, and the place (position, number) of each."""
_Ranks = dict[bytes, Rank]
"""The seniority of each admin."""


def evaluate_membership(founder: bytes | None, facts: Iterable[MemberFact], chains: Chains) -> Membership:
    """The membership that these facts make.

    `founder` wrote the genesis, None while it is not known.
    """
    if founder is None:
        return Membership()
    stated = _Facts(founder, sorted(facts, key=lambda fact: fact.fact), chains)
    decision = _Decision(stated)
    void = decision.run()
    return _build(stated, decision.counted - void)


def ever_admitted(founder: bytes, roles: Iterable[tuple[bytes, bytes, Value]]) -> set[bytes]:
    """The devices of which changes are kept.

    The founder, and whom a device ever gave a role that ever was an admin.

    `roles` are the author, member and value of facts, whether they count or not: so with every fact more it only grows,
    and devices that hold the same agree on it in whatever order that came.
    """
    return _ever_given(founder, roles)[0]


def ever_admins(founder: bytes, roles: Iterable[tuple[bytes, bytes, Value]]) -> set[bytes]:
    """The devices that ever were admins: the founder, and whom one of them made one."""
    return _ever_given(founder, roles)[1]


def _ever_given(founder: bytes, roles: Iterable[tuple[bytes, bytes, Value]]) -> tuple[set[bytes], set[bytes]]:
    by_author: dict[bytes, list[tuple[bytes, bool]]] = defaultdict(list)
    for author, member, value in roles:
        by_author[author].append((member, parse_role(value)[0] == _ADMIN))
    found, admins = {founder}, {founder}
    wave = [founder]
    while wave:
        given = by_author[wave.pop()]
        found.update(member for member, _ in given)
        new = {member for member, is_admin in given if is_admin} - admins
        admins |= new
        wave += new
    return found, admins


@dataclass(slots=True)
class _Facts:
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
    """What makes an admin, or readmits."""

    def __post_init__(self) -> None:
        for fact in self.every:
            self.by_author[fact.device].append(fact)
            self.by_id[fact.fact] = fact
            if fact.property == ROLE_PROPERTY:
                self.rules[fact.fact] = RoleRule(fact.fact, *parse_role(fact.value), fact.obsoletes)
        self.takes = {fact.fact for fact in self.every if self._takes_away(fact)}
        self.gives = {fact.fact for fact in self.every if self._gives(fact)}

    def contested(self, counted: set[bytes]) -> list[MemberFact]:
        """Find what takes something away from a device that has stated something as admin.

        If this is all that may count. Only on these does it depend who counts.
        """
        spoke = {self.by_id[fact].device for fact in counted}
        return [
            fact for fact in self.every if fact.fact in counted and fact.member in spoke and fact.fact in self.takes
        ]

    def _takes_away(self, fact: MemberFact) -> bool:
        if fact.property == ROLE_PROPERTY:
            return self.rules[fact.fact].role != _ADMIN
        # Nobody says of itself whether it is revoked: the holder of a stolen key would.
        return (
            fact.property == REVOKED_PROPERTY
            and fact.device != fact.member
            and parse_revocation(fact.value) is not None
        )

    def _gives(self, fact: MemberFact) -> bool:
        if fact.property == ROLE_PROPERTY:
            return self.rules[fact.fact].role == _ADMIN
        return (
            fact.property == REVOKED_PROPERTY
            and fact.device != fact.member
            and parse_readmission(fact.value) is not None
        )

    def authority(self, device: bytes, own: Iterable[MemberFact]) -> Authority:
        """The authority of a device by these facts about it."""
        roles = [_FOUNDING] if device == self.founder else []
        denials: dict[bytes, tuple[MemberFact, list[MemberFact]]] = {}
        lifts: list[MemberFact] = []
        for fact in own:
            if fact.property == ROLE_PROPERTY:
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
            uniform = authority.uniform_role == _ADMIN
            return lambda fact: uniform
        known: dict[bytes, bool] = {}

        def is_admin(fact: MemberFact) -> bool:
            change = fact.fact[:CHANGE_ID_BYTES]
            if change not in known:
                known[change] = authority.role_at(self.chains, device, fact.position, change) == _ADMIN
            return known[change]

        return is_admin

    def ranks(self, counted: Iterable[bytes]) -> _Ranks:
        """The seniority of each admin."""
        given: dict[bytes, list[MemberFact]] = defaultdict(list)
        for fact in (self.by_id[each] for each in self.gives.intersection(counted)):
            if fact.property == ROLE_PROPERTY:
                given[fact.device].append(fact)
        found: _Ranks = {}
        # The id decides between branches of one chain only.
        heap: list[tuple[Rank, bytes, bytes]] = [((0, ()), b"", self.founder)]
        while heap:
            rank, _, device = heapq.heappop(heap)
            if device in found:
                continue
            found[device] = rank
            for fact in given[device]:
                if fact.member not in found:
                    heapq.heappush(heap, (_step(rank, fact), fact.fact, fact.member))
        return found


def _step(rank: Rank, fact: MemberFact) -> Rank:
    return rank[0] + 1, (*rank[1], (fact.position, int.from_bytes(fact.fact[CHANGE_ID_BYTES:], "big")))


@dataclass(slots=True)
class _Decision:
    """Which contested facts hold.

    What is dropped for another one is tried once more when nothing else is open.
    """

    stated: _Facts
    waiting: list[MemberFact] = field(default_factory=list)
    held: list[MemberFact] = field(default_factory=list)
    dropped: list[MemberFact] = field(default_factory=list)
    counted: set[bytes] = field(default_factory=set)

    def run(self) -> set[bytes]:
        """Decide; gives the ids of the facts that do not hold."""
        self.counted = self.stated.counted(())
        contested = self.stated.contested(self.counted)
        self.waiting = list(contested)
        while self._take_next() or self._retry_next():
            pass
        return {fact.fact for fact in contested} - {fact.fact for fact in self.held}

    def _open(self, facts: list[MemberFact]) -> tuple[MemberFact, _Ranks] | None:
        """The eldest of these facts that count as far as it is decided."""
        ranks = self.stated.ranks(self.counted)
        ready = [fact for fact in facts if fact.fact in self.counted]
        return (min(ready, key=lambda fact: _seniority(ranks, fact)), ranks) if ready else None

    def _take_next(self) -> bool:
        found = self._open(self.waiting)
        if found is None:
            return False
        self.waiting.remove(found[0])
        self.held, self.counted, lost = self._with(found[0])
        self.dropped += lost
        return True

    def _retry_next(self) -> bool:
        """Let what was dropped for a fact that does not hold hold after all.

        Only if younger ones go for it.
        """
        found = self._open(self.dropped)
        if found is None:
            return False
        fact, ranks = found
        self.dropped.remove(fact)
        held, counted, lost = self._with(fact)
        if fact in held and all(_seniority(ranks, fact) < _seniority(ranks, each) for each in lost):
            self.held, self.counted = held, counted
        return True

    def _with(self, fact: MemberFact) -> tuple[list[MemberFact], set[bytes], list[MemberFact]]:
        """What holds and counts if a fact holds, too, and what is void then.

        Perhaps the fact itself.
        """
        held = [*self.held, fact]
        lost: list[MemberFact] = []
        while True:
            counted = self.stated.counted(held)
            void = [each for each in held if each.fact not in counted]
            if not void:
                return held, counted, lost
            lost += void
            held = [each for each in held if each.fact in counted]


def _seniority(ranks: _Ranks, fact: MemberFact) -> tuple[Rank, bytes]:
    return _step(ranks[fact.device], fact), fact.fact


@dataclass(slots=True)
class _Summary:
    """What counts of a member."""

    facts: list[MemberFact] = field(default_factory=list)

    def leaves(self, name: str) -> list[MemberFact]:
        """The facts of a property that none of them obsoletes."""
        own = [fact for fact in self.facts if fact.property == name]
        gone = {target for fact in own for target in fact.obsoletes}
        return [fact for fact in own if fact.fact not in gone]


def _build(stated: _Facts, counted: set[bytes]) -> Membership:
    about: dict[bytes, _Summary] = defaultdict(_Summary)
    about[stated.founder] = _Summary()
    for fact in stated.every:
        if fact.fact in counted and not (fact.property == REVOKED_PROPERTY and fact.device == fact.member):
            about[fact.member].facts.append(fact)
    ranks = stated.ranks(counted)
    members: dict[bytes, Member] = {}
    authorities: dict[bytes, Authority] = {}
    leaves: dict[tuple[bytes, str], tuple[bytes, ...]] = {}
    for device, summary in sorted(about.items()):
        authority = stated.authority(device, summary.facts)
        if authority.roles:
            authorities[device] = authority
        members[device] = _member(stated, device, summary, authority, ranks)
        for name in (NAME_PROPERTY, ROLE_PROPERTY, REVOKED_PROPERTY):
            if found := summary.leaves(name):
                leaves[device, name] = tuple(fact.fact for fact in found)
    kept = frozenset(fact.fact for summary in about.values() for fact in summary.facts)
    return Membership(members, authorities, kept, leaves)


def _member(
    stated: _Facts,
    device: bytes,
    summary: _Summary,
    authority: Authority,
    ranks: _Ranks,
) -> Member:
    role = authority.undenied_role_at(_END, device, 0, b"")
    state: Literal["active", "revoked", "pending"] = "active" if role else "pending"
    if role and authority.denials_at(_END, device, 0, b""):
        state = "revoked"
    names = (Candidate(f.fact, f.value, "", f.device, f.effective_us, None) for f in summary.leaves(NAME_PROPERTY))
    name = slot_of(names).value
    given = [fact for fact in summary.facts if fact.property == ROLE_PROPERTY]
    first = min(given, key=lambda fact: _seniority(ranks, fact), default=None)
    admitted_by = None if first is None or device == stated.founder else first.device
    return Member(device, name if isinstance(name, str) else device.hex()[:8], role, state, admitted_by)
