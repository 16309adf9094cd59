"""Who belongs to the fleet: the facts about members, and what they come to.

A device's authority is not one role: a role may hold from a place in the device's chain on, and a revocation leaves
what lies before a place. `core.authority` works it out from the facts; here is what they say and what is asked of the
result.

Pure. What lies where in a chain is asked of the caller (`Chains`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

from core.chain import Side
from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.member_values import NO_ROLE, ROLES, UNBOUND, WRITING_ROLES, Cut, Mark, Scope, Scopes
from core.value_codec import CHANGE_ID_BYTES, Value

_AUTHORITY = {role: rank for rank, role in enumerate([*ROLES, NO_ROLE])}
"""The lower the number, the more a device may do."""


class Chains(Protocol):
    """What is known of the devices' chains."""

    def side(self, device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        """On which side of a cut of a device one of its changes lies, by position and id."""

    def is_after(self, device: bytes, cut: Cut, position: int, change: bytes) -> bool:
        """Whether a change is known to have that of the cut before it in its own chain."""


class ChainEnd:
    """What is known of a change that a device has yet to make.

    It would be made in knowledge of all that is known of it.
    """

    def side(self, device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        return Side.BEYOND

    def is_after(self, device: bytes, cut: Cut, position: int, change: bytes) -> bool:
        return True


# --- what the facts say ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MemberFact:
    """A fact about a member.

    `device` wrote it in the change at `position` of its chain, `member` is whom it is about.

    `effective_us` is when it counts from, in microseconds since 1970 UTC. `is_succession`: by it the key of `member`
    goes on for that of `device`, and agrees (core.succession).
    """

    fact: bytes
    device: bytes
    member: bytes
    property: str
    value: Value
    effective_us: int
    obsoletes: tuple[bytes, ...] = ()
    position: int = 0
    is_succession: bool = False


# --- what they come to -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grant:
    """In which role a change was signed, and what its facts have to lie in."""

    role: str = NO_ROLE
    scopes: Scopes = UNBOUND


NO_GRANT = Grant()


@dataclass(frozen=True, slots=True)
class RoleRule:
    """A role of a device, for its whole chain (`start` None) or from a place on."""

    fact: bytes
    role: str
    start: Mark | None = None
    obsoletes: tuple[bytes, ...] = ()
    scopes: Scopes = UNBOUND


@dataclass(frozen=True, slots=True)
class Denial:
    """A revocation: only what lies before `cut` or after a place of `lifted` counts."""

    fact: bytes
    cut: Mark
    lifted: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """What a device's changes may say, change by change.

    `ends` are the changes by which the device named a new key: what is not known to lie before each counts for nothing.
    """

    roles: tuple[RoleRule, ...] = ()
    denials: tuple[Denial, ...] = ()
    ends: tuple[Cut, ...] = ()

    @property
    def is_uniform(self) -> bool:
        """Whether it is the same for all of the device's changes."""
        is_whole = not self.denials and not self.ends and all(rule.start is None for rule in self.roles)
        return is_whole and not self.is_bound

    @property
    def is_bound(self) -> bool:
        """Whether the device is or was bound to a scope at some place of its chain."""
        return any(rule.scopes for rule in self.roles)

    @property
    def uniform_role(self) -> str:
        """The role in all of the device's changes; only for a uniform authority."""
        return self._lowest_grant(self.roles, self.roles).role

    @property
    def has_admin_role(self) -> bool:
        """Whether the device is or was an admin at some place of its chain."""
        return any(rule.role == ROLES[0] for rule in self.roles)

    def last_scopes(self, role: str) -> Scopes | None:
        """What the device was bound to when it last had a role; None if it never had it."""
        by_fact = {rule.fact: rule for rule in self.roles}
        own = [rule for rule in self.roles if rule.role == role]
        older: set[bytes] = set()
        left = [fact for rule in own for fact in rule.obsoletes]
        while left:
            fact = left.pop()
            if fact not in older and fact in by_fact:
                older.add(fact)
                left += by_fact[fact].obsoletes
        latest = [rule for rule in own if rule.fact not in older]
        return frozenset[Scope]().union(*(rule.scopes for rule in latest)) if latest else None

    def cuts(self) -> Iterator[Cut]:
        """The changes on which it depends whether another one counts."""
        for rule in self.roles:
            yield from rule.start or ()
        for denial in self.denials:
            yield from denial.cut
            for mark in denial.lifted:
                yield from mark
        yield from self.ends

    def denials_at(self, chains: Chains, device: bytes, position: int, change: bytes) -> list[Denial]:
        """The revocations that void a change."""
        return [
            denial
            for denial in self.denials
            if not _is_before(chains, device, denial.cut, position, change)
            and not any(_is_behind(chains, device, mark, position, change) for mark in denial.lifted)
        ]

    def role_at(self, chains: Chains, device: bytes, position: int, change: bytes) -> str:
        """The role in which a device signed a change.

        NO_ROLE if the change counts for nothing.
        """
        return self.grant_at(chains, device, position, change).role

    def grant_at(self, chains: Chains, device: bytes, position: int, change: bytes) -> Grant:
        """In which role a device signed a change, and bound to what.

        Without a role if the change counts for nothing.

        A role caps whatever is not known to lie before it, and is given to what is known to lie behind it only.
        """
        if self.is_uniform:
            return Grant(self.uniform_role)
        if any(not _is_before(chains, device, (end,), position, change) for end in self.ends):
            return NO_GRANT
        if self.denials_at(chains, device, position, change):
            return NO_GRANT
        return self.undenied_grant_at(chains, device, position, change)

    def undenied_grant_at(self, chains: Chains, device: bytes, position: int, change: bytes) -> Grant:
        """What a change was granted, were the device not revoked."""
        caps, given = [], []
        for rule in self.roles:
            if rule.start is None or not _is_before(chains, device, rule.start, position, change):
                caps.append(rule)
            if rule.start is None or _is_behind(chains, device, rule.start, position, change):
                given.append(rule)
        return self._lowest_grant(caps, given)

    @staticmethod
    def _lowest_grant(caps: Sequence[RoleRule], given: Sequence[RoleRule]) -> Grant:
        """The least of the roles that cap, and all of their scopes."""
        obsolete = {fact for rule in given for fact in rule.obsoletes}
        if not given:
            return NO_GRANT
        in_force = [rule for rule in caps if rule.fact not in obsolete]
        role = max((rule.role for rule in in_force), key=_AUTHORITY.__getitem__, default=NO_ROLE)
        return Grant(role, frozenset[Scope]().union(*(rule.scopes for rule in in_force)))


def _is_before(chains: Chains, device: bytes, mark: Mark, position: int, change: bytes) -> bool:
    """Whether a change is known to lie before a place, on one of its branches."""
    return any(chains.side(device, cut, position, change) is Side.WITHIN for cut in mark)


def _is_behind(chains: Chains, device: bytes, mark: Mark, position: int, change: bytes) -> bool:
    """Whether a change is known to lie behind a place.

    What is behind the beginning is all.
    """
    return not mark or any(chains.is_after(device, cut, position, change) for cut in mark)


@dataclass(frozen=True, slots=True)
class Member:
    """A device of the fleet.

    `admitted_by` is the device that first admitted it, None for the first admin. `replaces` is the device whose key
    this one's goes on for, `replaced_by` the one that goes on for this. `scopes` are those that it is bound to.
    """

    device: bytes
    name: str
    role: str
    state: Literal["active", "revoked", "pending"]
    admitted_by: bytes | None = None
    replaces: bytes | None = None
    replaced_by: bytes | None = None
    scopes: Scopes = UNBOUND

    @property
    def bound_to(self) -> Scope:
        """All entities that a scope names which the device is bound to."""
        return frozenset[bytes]().union(*self.scopes)


@dataclass(frozen=True)
class Membership:
    """The members, and what each device's changes may say.

    `counted` are the facts about members that have effect, `leaves` those of them, by member and property, that none
    of them obsoletes. `successions` are the facts by which a member's key goes on for another, whether they
    count or not: of what is stated of its role only what obsoletes one of them does.
    """

    members: Mapping[bytes, Member] = field(default_factory=dict)
    authorities: Mapping[bytes, Authority] = field(default_factory=dict)
    counted: frozenset[bytes] = frozenset()
    leaves: Mapping[tuple[bytes, str], tuple[bytes, ...]] = field(default_factory=dict)
    successions: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    recovery: bytes | None = None
    """The id of the fleet's recovery key, which is an admin and no device."""

    @cached_property
    def cuts(self) -> frozenset[bytes]:
        """The changes on which it depends whether others count."""
        return frozenset(cut.change for authority in self.authorities.values() for cut in authority.cuts())

    @cached_property
    def uneven_devices(self) -> frozenset[bytes]:
        """The devices whose changes do not all count alike."""
        return frozenset(device for device, authority in self.authorities.items() if not authority.is_uniform)

    @cached_property
    def bound_devices(self) -> frozenset[bytes]:
        """The devices that are or were bound to a scope at some place of their chains."""
        return frozenset(device for device, authority in self.authorities.items() if authority.is_bound)

    def authority(self, device: bytes) -> Authority:
        """What a device's changes may say."""
        return self.authorities.get(device, _NO_AUTHORITY)

    def is_reserved(self, entity: bytes) -> bool:
        """Whether only admins' facts about an entity count.

        It is the fleet, its schema, or a member.
        """
        return entity in (FLEET_ENTITY, SCHEMA_ENTITY) or entity in self.members

    def names_successor(self, change: bytes, device: bytes) -> bool:
        """Whether by a change, and with effect, a device's key goes on for another."""
        named = self.successions.get(device, ())
        return any(fact[:CHANGE_ID_BYTES] == change and fact in self.counted for fact in named)

    def may_connect(self, device: bytes) -> bool:
        """Whether this device is a member in good standing, of any role."""
        member = self.members.get(device)
        return member is not None and member.state == "active"

    def may_write(self, device: bytes) -> bool:
        """Whether what this device writes from now on has effect."""
        if device == self.recovery:
            return True
        return self.may_connect(device) and self.members[device].role in WRITING_ROLES

    def is_admin(self, device: bytes) -> bool:
        """Whether this device may admit and revoke."""
        return device == self.recovery or (self.may_connect(device) and self.members[device].role == "admin")


_NO_AUTHORITY = Authority()
