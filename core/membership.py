"""Who belongs to the fleet: the facts about members, and what they come to.

A device's authority is not one role: a role may hold from a place in the device's chain on, and a revocation leaves
what lies before a place. `core.authority` works it out from the facts; here is what they say and what is asked of the
result.

Pure. What lies where in a chain is asked of the caller (`Chains`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol, TypeGuard

from core.chain import Side
from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.header import KEY_BYTES
from core.value_codec import CHANGE_ID_BYTES, ID_BYTES, Value

NAME_PROPERTY, ROLE_PROPERTY, REVOKED_PROPERTY = "member.name", "member.role", "member.revoked"
LIMIT_PROPERTY = "member.limit"
"""How many changes are kept of a device, if more than of others (core.store.quotas)."""
RECOVERY_PROPERTY = "recovery"
"""Of the fleet, in the genesis alone: the public key that ranks above the founder, in hex."""
MEMBER_PROPERTIES = (NAME_PROPERTY, ROLE_PROPERTY, REVOKED_PROPERTY)
ROLES = ("admin", "technician", "reader")
WRITING_ROLES = ("admin", "technician")
BOUND_ROLE = "technician"
"""The role that can be bound to a scope: admins may do anything, readers write nothing."""
NO_ROLE = ""
_AUTHORITY = {role: rank for rank, role in enumerate([*ROLES, NO_ROLE])}
"""The lower the number, the more a device may do."""

Scope = frozenset[bytes]
"""Entities, localities mostly: who is bound to them writes of what lies in one of them (core.scope_rule)."""
Scopes = frozenset[Scope]
"""Scopes that all hold: of what several admins say each takes something away. None: bound to nothing."""
UNBOUND: Scopes = frozenset()

MAX_SCOPE = 64
"""Entities of one scope: each takes 33 characters of a value."""
MAX_HEADS = 64
"""Of a chain with more ends than that the highest are named: each takes 75 characters of a value."""
_HEAD = rf"[0-9]{{1,10}}:[0-9a-f]{{{2 * CHANGE_ID_BYTES}}}"
_MARK_PATTERN = re.compile(rf"{_HEAD}(?: {_HEAD})*", re.ASCII)
_ENTITY = rf"[0-9a-f]{{{2 * ID_BYTES}}}"
_ROLE_PATTERN = re.compile(
    rf"(?P<role>[a-z]+)(?: in (?P<scope>{_ENTITY}(?: {_ENTITY}){{0,{MAX_SCOPE - 1}}}))?(?: (?P<start>from .+))?",
    re.ASCII,
)
_NOTHING = "nothing"
_FROM = "from "


@dataclass(frozen=True, slots=True)
class Cut:
    """A change of a chain, by position and id, as the last one before a place."""

    position: int
    change: bytes


Mark = tuple[Cut, ...]
"""A place in a device's chain: the last changes before it, one for each branch. Empty: before the first change."""


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


def mark_text(mark: Mark) -> str:
    """A place in a chain as text.

    `POSITION:HEX`, separated by spaces where there are branches, or `nothing`.
    """
    return " ".join(f"{cut.position}:{cut.change.hex()}" for cut in mark) or _NOTHING


def _parse_mark(text: str) -> Mark | None:
    if text == _NOTHING:
        return ()
    if not _MARK_PATTERN.fullmatch(text):
        return None
    heads = (head.split(":") for head in text.split(" "))
    return tuple(Cut(int(position), bytes.fromhex(change)) for position, change in heads)


def revocation_value(mark: Mark) -> str:
    """The value of a revocation that accepts what lies before a place."""
    return mark_text(mark)


def readmission_value(mark: Mark) -> str:
    """The value by which what a device writes from a place on counts again."""
    return _FROM + mark_text(mark)


def parse_revocation(value: Value) -> Mark | None:
    """What a revocation accepts: nothing, if its value is of no known form.

    None if it is none.
    """
    if not isinstance(value, str) or parse_readmission(value) is not None:
        return None
    return _parse_mark(value) or ()


def parse_readmission(value: Value) -> Mark | None:
    """From which place on a device is readmitted; None if it is not by this value."""
    return _parse_mark(value[len(_FROM) :]) if isinstance(value, str) and value.startswith(_FROM) else None


def role_value(role: str, start: Mark | None = None, scope: Scope = frozenset()) -> str:
    """The value of a role that holds for the whole chain, or from a place of it on.

    With a scope it is bound to that.
    """
    bound = f" in {' '.join(sorted(each.hex() for each in scope))}" if scope else ""
    return role + bound if start is None else f"{role}{bound} {_FROM}{mark_text(start)}"


def parse_role(value: Value) -> tuple[str, Mark | None, Scopes]:
    """A role, from which place of the chain on it holds, and what it is bound to.

    The place is None for all of the chain. What is not understood is no role; only a technician can be bound.
    """
    found = _ROLE_PATTERN.fullmatch(value) if isinstance(value, str) else None
    if found is None or found["role"] not in ROLES:
        return _NO_GRANT
    start = None if found["start"] is None else parse_readmission(found["start"])
    if found["start"] is not None and start is None:
        return _NO_GRANT
    if found["scope"] is None:
        return found["role"], start, UNBOUND
    if found["role"] != BOUND_ROLE:
        return _NO_GRANT
    return BOUND_ROLE, start, frozenset({frozenset(bytes.fromhex(each) for each in found["scope"].split(" "))})


_NO_GRANT: tuple[str, Mark | None, Scopes] = (NO_ROLE, None, UNBOUND)


def parse_recovery(value: Value) -> bytes | None:
    """The public recovery key that is a value in the genesis; None if it is none."""
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", value, re.ASCII):
        return None
    return bytes.fromhex(value)


def may_limit(value: Value) -> TypeGuard[int]:
    """Whether a value is a number of changes."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


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
        return self._least_grant(self.roles, self.roles).role

    @property
    def has_admin_role(self) -> bool:
        """Whether the device is or was an admin at some place of its chain."""
        return any(rule.role == ROLES[0] for rule in self.roles)

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
        return self._least_grant(caps, given)

    @staticmethod
    def _least_grant(caps: Sequence[RoleRule], given: Sequence[RoleRule]) -> Grant:
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
