"""Who belongs to the fleet, and whose changes have effect: a deterministic function of the set of changes.

The device that wrote the genesis is the first admin. A fact about a member counts if an admin wrote it and was not
revoked before. A revocation names the last change of the revoked device that is still accepted, by its position in that
device's own chain and its id, so no clock and no stolen key can put a change in front of it. What is not known to lie
before it counts as behind it.

Revocations can contradict each other: two admins may revoke one another, each without knowing of the other's. They
are taken in order of seniority (how many admissions lie between the author and the genesis, then the fact's id), and
one whose author turns out to have been cut off before it is void.

Everything here is pure; the caller supplies the facts and says what lies before a cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.chain import Side
from core.slots import Candidate, slot_of
from core.value_codec import CHANGE_ID_BYTES, Value

NAME_PROPERTY, ROLE_PROPERTY, REVOKED_PROPERTY = "member.name", "member.role", "member.revoked"
MEMBER_PROPERTIES = (NAME_PROPERTY, ROLE_PROPERTY, REVOKED_PROPERTY)
ROLES = ("admin", "technician", "reader")
_CUT_PATTERN = re.compile(rf"[0-9]{{1,10}}:[0-9a-f]{{{2 * CHANGE_ID_BYTES}}}", re.ASCII)

ACCEPTS_NOTHING: Literal["nothing"] = "nothing"


@dataclass(frozen=True, slots=True)
class Cut:
    """The last change of a device's chain that has effect, by its position and its id."""

    position: int
    change: bytes


AcceptedUpTo = Cut | Literal["nothing"] | None
"""How far a device's changes have effect: None for all, ACCEPTS_NOTHING, or up to the last one that has."""

SideOf = Callable[[bytes, Cut, int, bytes], Side]
"""Says on which side of a cut of a device one of its changes lies, by position and id, as far as that is known."""


@dataclass(frozen=True, slots=True)
class MemberFact:
    """A fact about a member: `device` wrote it in the change at `position` of its chain, `member` is whom it is about.

    `effective_us` is when it counts from, in microseconds since 1970 UTC.
    """

    fact: bytes
    device: bytes
    member: bytes
    property: str
    value: Value
    effective_us: int
    obsoletes: tuple[bytes, ...] = ()
    position: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A device of the fleet. `admitted_by` is the device that first admitted it, None for the first admin."""

    device: bytes
    name: str
    role: str
    state: Literal["active", "revoked", "pending"]
    admitted_by: bytes | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """The members, and how far each device's changes have effect; a device that is not in `limits` has none that do."""

    members: Mapping[bytes, Member] = field(default_factory=dict)
    limits: Mapping[bytes, AcceptedUpTo] = field(default_factory=dict)

    def limit(self, device: bytes) -> AcceptedUpTo:
        """How far this device's changes have effect."""
        return self.limits.get(device, ACCEPTS_NOTHING)

    def may_connect(self, device: bytes) -> bool:
        """Whether this device is a member in good standing, of any role."""
        member = self.members.get(device)
        return member is not None and member.state == "active"

    def may_write(self, device: bytes) -> bool:
        """Whether what this device writes from now on has effect."""
        return self.may_connect(device) and self.members[device].role in ("admin", "technician")

    def is_admin(self, device: bytes) -> bool:
        """Whether this device may admit and revoke."""
        return self.may_connect(device) and self.members[device].role == "admin"


def evaluate_membership(founder: bytes | None, facts: Iterable[MemberFact], side: SideOf) -> Membership:
    """The membership that these facts make; `founder` wrote the genesis, None while it is not known."""
    every = sorted(facts, key=lambda fact: fact.fact)
    roles = [fact for fact in every if fact.property == ROLE_PROPERTY and fact.value in ROLES]
    # Nobody says of itself whether it is revoked: the holder of a stolen key would.
    waiting = [fact for fact in every if fact.property == REVOKED_PROPERTY and fact.device != fact.member]
    decided: list[MemberFact] = []
    admissions = _admissions(founder, roles, {}, side)
    while True:
        limits = _limits_of(decided)
        ready = [fact for fact in waiting if _is_effective(fact, admissions, limits, side)]
        if not ready:
            return _build_membership(founder, every, admissions, limits, side)
        # By the author's id and not by the fact's, which an author can try out until it suits.
        taken = min(ready, key=lambda fact: (admissions[fact.device].depth, fact.device, fact.fact))
        waiting.remove(taken)
        decided.append(taken)
        cut = admissions.get(taken.member)
        if cut is not None and "admin" in cut.roles:
            limits = _limits_of(decided)
            admissions = _admissions(founder, roles, limits, side)
            decided = [fact for fact in decided if _is_effective(fact, admissions, limits, side)]


@dataclass(frozen=True, slots=True)
class _Admission:
    """That a device was admitted: how far from the genesis, by whom, and as what it ever was."""

    depth: int
    admitted_by: bytes | None
    roles: frozenset[str]


def _limits_of(revocations: list[MemberFact]) -> dict[bytes, AcceptedUpTo]:
    """The cuts that these revocations make: each member's are a slot like any other."""
    heads = _member_values(revocations)
    return {member: _limit_of_value(head) for (member, _), head in heads.items() if isinstance(head, str)}


def _limit_of_value(value: Value) -> AcceptedUpTo:
    """The cut that a revocation states (`POSITION:HEX`); one of another form accepts nothing."""
    position, _, change = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not _CUT_PATTERN.fullmatch(f"{position}:{change}"):
        return ACCEPTS_NOTHING
    return Cut(int(position), bytes.fromhex(change))


def cut_value(cut: Cut | None) -> str:
    """The value of a revocation that accepts what lies up to a cut; None accepts nothing."""
    return ACCEPTS_NOTHING if cut is None else f"{cut.position}:{cut.change.hex()}"


def _member_values(facts: list[MemberFact]) -> dict[tuple[bytes, str], Value]:
    """What these facts say of each member's properties, by the rules of every slot."""
    said: dict[tuple[bytes, str], list[MemberFact]] = {}
    for fact in facts:
        said.setdefault((fact.member, fact.property), []).append(fact)
    values: dict[tuple[bytes, str], Value] = {}
    for place, own in said.items():
        gone = {target for fact in own for target in fact.obsoletes}
        leaves = (Candidate(f.fact, f.value, "", f.device, f.effective_us, None) for f in own if f.fact not in gone)
        values[place] = slot_of(leaves).value
    return values


def _is_within_limit(fact: MemberFact, limits: Mapping[bytes, AcceptedUpTo], side: SideOf) -> bool:
    """Whether the author was not cut off before it wrote this."""
    limit = limits.get(fact.device)
    if limit is None:
        return True
    return (
        isinstance(limit, Cut) and side(fact.device, limit, fact.position, fact.fact[:CHANGE_ID_BYTES]) is Side.WITHIN
    )


def _is_effective(
    fact: MemberFact, admissions: Mapping[bytes, _Admission], limits: Mapping[bytes, AcceptedUpTo], side: SideOf
) -> bool:
    author = admissions.get(fact.device)
    return author is not None and "admin" in author.roles and _is_within_limit(fact, limits, side)


def _admissions(
    founder: bytes | None, roles: list[MemberFact], limits: Mapping[bytes, AcceptedUpTo], side: SideOf
) -> dict[bytes, _Admission]:
    """Who was ever admitted as what, outwards from the genesis."""
    if founder is None:
        return {}
    found = {founder: _Admission(0, None, frozenset({"admin"}))}
    wave = [founder]
    depth = 0
    while wave:
        depth += 1
        admins = set(wave)
        said: dict[bytes, list[MemberFact]] = {}
        for fact in roles:
            if fact.device in admins and _is_within_limit(fact, limits, side):
                said.setdefault(fact.member, []).append(fact)
        wave = []
        for member, given_by in sorted(said.items()):
            before = found.get(member)
            given = frozenset(str(fact.value) for fact in given_by)
            was_admin = before is not None and "admin" in before.roles
            if "admin" in given and not was_admin:
                wave.append(member)
                found[member] = _Admission(depth, given_by[0].device, given | (before.roles if before else frozenset()))
            elif before is None:
                found[member] = _Admission(depth, given_by[0].device, given)
            else:
                found[member] = _Admission(before.depth, before.admitted_by, before.roles | given)
    return found


def _build_membership(
    founder: bytes | None,
    facts: list[MemberFact],
    admissions: Mapping[bytes, _Admission],
    cuts: Mapping[bytes, AcceptedUpTo],
    side: SideOf,
) -> Membership:
    counted = [fact for fact in facts if _is_effective(fact, admissions, cuts, side)]
    values = _member_values(counted)
    members: dict[bytes, Member] = {}
    limits: dict[bytes, AcceptedUpTo] = {}
    for device in sorted({fact.member for fact in counted} | admissions.keys()):
        admission = admissions.get(device)
        name = values.get((device, NAME_PROPERTY))
        role = values.get((device, ROLE_PROPERTY)) or ("admin" if device == founder else "")
        state: Literal["active", "revoked", "pending"] = "active"
        if admission is None or role not in ROLES:
            state = "pending"
        elif cuts.get(device) is not None:
            state = "revoked"
        members[device] = Member(
            device,
            name if isinstance(name, str) else device.hex()[:8],
            str(role),
            state,
            admission.admitted_by if admission else None,
        )
        if admission is not None and admission.roles & {"admin", "technician"}:
            limits[device] = cuts.get(device)
    return Membership(members, limits)
