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

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from core.member_statements import ADMIN, MemberStatements, Seniority
from core.member_values import NAME_PROPERTY, REVOKED_PROPERTY, ROLE_PROPERTY, parse_role
from core.membership import Authority, ChainEnd, Chains, Grant, Member, MemberFact, Membership
from core.slots import Candidate, slot_of
from core.succession import SUCCESSION_PREFIX
from core.value_codec import CHANGE_ID_BYTES, Value

_END = ChainEnd()


def evaluate_membership(
    founder: bytes | None, facts: Iterable[MemberFact], chains: Chains, recovery: bytes | None = None
) -> Membership:
    """The membership that these facts make.

    `founder` wrote the genesis, None while it is not known; `recovery` is the id of the key that this names.
    """
    if founder is None:
        return Membership()
    stated = MemberStatements(founder, sorted(facts, key=lambda fact: fact.fact), chains, recovery)
    decision = _Decision(stated)
    void = decision.run()
    return _build(stated, decision.counted - void)


def ever_admitted(founders: Iterable[bytes], roles: Iterable[tuple[bytes, bytes, Value]]) -> set[bytes]:
    """The devices of which changes are kept.

    Those in the genesis, and whom a device ever gave a role that ever was an admin.

    `roles` are the author, member and value of facts, whether they count or not: so with every fact more it only grows,
    and devices that hold the same agree on it in whatever order that came.
    """
    return _ever_given(founders, roles)[0]


def ever_admins(founders: Iterable[bytes], roles: Iterable[tuple[bytes, bytes, Value]]) -> set[bytes]:
    """The devices that ever were admins: those in the genesis, and whom one made one."""
    return _ever_given(founders, roles)[1]


def _ever_given(
    founders: Iterable[bytes], roles: Iterable[tuple[bytes, bytes, Value]]
) -> tuple[set[bytes], set[bytes]]:
    by_author: dict[bytes, list[tuple[bytes, Value]]] = defaultdict(list)
    for author, member, value in roles:
        by_author[author].append((member, value))
    wave = list(founders)
    found, admins = set(wave), set(wave)
    while wave:
        device = wave.pop()
        given = by_author[device]
        if device in admins:
            known = {member for member, _ in given}
            raised = {member for member, value in given if parse_role(value)[0] == ADMIN or may_succeed(value)}
        else:
            known, raised = {member for member, value in given if may_succeed(value)}, set[bytes]()
        wave += (known - found) | (raised - admins)
        found |= known
        admins |= raised
    return found, admins


def may_succeed(value: Value) -> bool:
    """Whether a role's value may be that of a new key that goes on for its author's.

    Nothing is verified.
    """
    return isinstance(value, str) and value.startswith(SUCCESSION_PREFIX)


@dataclass(slots=True)
class _Decision:
    """Which contested facts hold.

    What is dropped for another one is tried once more when nothing else is open.
    """

    stated: MemberStatements
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

    def _open(self, facts: list[MemberFact]) -> tuple[MemberFact, Seniority] | None:
        """The eldest of these facts that count as far as it is decided."""
        ready = [fact for fact in facts if fact.fact in self.counted]
        if not ready:
            return None
        seniority = self.stated.seniority(self.counted)
        return min(ready, key=seniority.place), seniority

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
        fact, seniority = found
        self.dropped.remove(fact)
        held, counted, lost = self._with(fact)
        if fact in held and all(seniority.place(fact) < seniority.place(each) for each in lost):
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


@dataclass(slots=True)
class _Summary:
    """What counts of a member."""

    facts: list[MemberFact] = field(default_factory=list)

    def leaves(self, name: str) -> list[MemberFact]:
        """The facts of a property that none of them obsoletes."""
        own = [fact for fact in self.facts if fact.property == name]
        gone = {target for fact in own for target in fact.obsoletes}
        return [fact for fact in own if fact.fact not in gone]


def _build(stated: MemberStatements, counted: set[bytes]) -> Membership:
    about: dict[bytes, _Summary] = defaultdict(_Summary)
    about[stated.founder] = _Summary()
    if stated.recovery is not None:
        about[stated.recovery] = _Summary()
    for fact in stated.every:
        is_about_itself = fact.property == REVOKED_PROPERTY and fact.device == fact.member
        if fact.fact in counted and not is_about_itself and not fact.is_succession:
            about[fact.member].facts.append(fact)
    inherited = _pass_on_roles(stated, about)
    seniority = stated.seniority(counted)
    members: dict[bytes, Member] = {}
    authorities: dict[bytes, Authority] = {}
    leaves: dict[tuple[bytes, str], tuple[bytes, ...]] = {}
    for device, summary in sorted(about.items()):
        authority = stated.authority(device, summary.facts, inherited)
        if authority.roles:
            authorities[device] = authority
        if device == stated.recovery:
            continue
        members[device] = _member(stated, device, summary, authority, seniority)
        for name in (NAME_PROPERTY, ROLE_PROPERTY, REVOKED_PROPERTY):
            if found := summary.leaves(name):
                leaves[device, name] = tuple(fact.fact for fact in found)
    for device, replaced in [(m.device, m.replaces) for m in members.values()]:
        if replaced is not None:
            members[replaced] = replace(members[replaced], replaced_by=device)
    kept = frozenset(fact.fact for summary in about.values() for fact in summary.facts)
    named = {member: tuple(fact.fact for fact in facts) for member, facts in stated.successions.items()}
    return Membership(members, authorities, kept, leaves, named, stated.recovery)


def _pass_on_roles(stated: MemberStatements, about: dict[bytes, _Summary]) -> dict[bytes, Grant]:
    """Let each succession count whose author had a role there.

    With what it names the new device.

    Gives the grant that each passes on: one more can only raise those of others.
    """
    named: dict[bytes, list[MemberFact]] = defaultdict(list)
    for fact in stated.every:
        if fact.is_succession:
            named[fact.device].append(fact)
    passed_on: dict[bytes, Grant] = {}
    open_devices = sorted(named.keys() & about.keys())
    while open_devices:
        device = open_devices.pop()
        authority = stated.authority(device, about[device].facts, passed_on)
        for fact in named[device]:
            change = fact.fact[:CHANGE_ID_BYTES]
            grant = authority.grant_at(stated.chains, device, fact.position, change)
            if not grant.role or passed_on.get(fact.fact) == grant:
                continue
            if fact.fact not in passed_on:
                own = about[fact.member].facts
                names = [each for each in stated.by_author[device] if _is_named_with(each, fact)]
                own += [fact, *(each for each in names if each not in own)]
            passed_on[fact.fact] = grant
            if fact.member in named:
                open_devices.append(fact.member)
    return passed_on


def _is_named_with(fact: MemberFact, succession: MemberFact) -> bool:
    """Whether a fact names the device of a new key.

    In the change by which that goes on for the old one.
    """
    is_same_change = fact.fact[:CHANGE_ID_BYTES] == succession.fact[:CHANGE_ID_BYTES]
    return is_same_change and fact.member == succession.member and fact.property == NAME_PROPERTY


def _member(
    stated: MemberStatements,
    device: bytes,
    summary: _Summary,
    authority: Authority,
    seniority: Seniority,
) -> Member:
    grant = authority.undenied_grant_at(_END, device, 0, b"")
    role = grant.role
    state: Literal["active", "revoked", "pending"] = "active" if role else "pending"
    if role and (authority.ends or authority.denials_at(_END, device, 0, b"")):
        state = "revoked"
    names = (Candidate(f.fact, f.value, "", f.device, f.effective_us, None) for f in summary.leaves(NAME_PROPERTY))
    name = slot_of(names).value
    old = next((fact.device for fact in summary.facts if fact.is_succession), None)
    given = [fact for fact in summary.facts if fact.property == ROLE_PROPERTY and not fact.is_succession]
    first = min(given, key=seniority.place, default=None)
    admitted_by = None if first is None or device == stated.founder else first.device
    return Member(
        device, name if isinstance(name, str) else device.hex()[:8], role, state, admitted_by, old, scopes=grant.scopes
    )
