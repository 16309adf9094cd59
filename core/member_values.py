"""The values of facts about members: roles, revocations and limits as text.

What is not understood gives less authority, never more.

Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeGuard

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
