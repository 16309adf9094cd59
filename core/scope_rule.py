"""What a device that is bound to localities may say: of what lies in them.

A scope is a set of entities: localities, mostly. An entity lies in it if it is one of them, or if it was ever placed in
one that does: by a device that is not bound, or, if its id says that a bound device made it, by that device, within
that one's own scope. So who is bound can neither move anything into its scope nor out of it, and what is moved by
others keeps what was said of it before.

Pure. What was placed where is asked of the caller (`Placings`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from blake3 import blake3

from core.member_values import UNBOUND, Scope, Scopes
from core.membership import Membership
from core.schema import KIND, PERSON_KIND
from core.value_codec import ID_BYTES, ParentRef, Ref, Value

MAX_LEVELS = 8
"""What lies deeper than that lies in no scope: whoever makes things could nest them without end."""
MAX_PLACES = 64
"""What was placed in more than that lies in none of them, for the same reason."""

PERSON_NAME = "person.name"
_MAKER_CONTEXT = "fieldline 2 the device that made an entity"
_CHANCE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Placing:
    """That an entity was placed in another one.

    By a device that was bound to `scopes` then.
    """

    parent: bytes
    scopes: Scopes = UNBOUND


class Placings(Protocol):
    """Where entities were ever placed.

    With effect, or by the bound device that made them.
    """

    def placings(self, entity: bytes) -> Collection[Placing]:
        """Where an entity was ever placed; no two are equal."""


def make_entity_id(membership: Membership, device: bytes, entropy: Callable[[int], bytes]) -> bytes:
    """Make an id for something new; that of a bound device says who has made it."""
    chance = entropy(ID_BYTES)
    if not membership.authority(device).is_bound:
        return chance
    return chance[:_CHANCE_BYTES] + _mark_of(device, chance[:_CHANCE_BYTES])


def is_made_by(entity: bytes, device: bytes) -> bool:
    """Whether an entity's id says that this device has made it.

    No other can have chosen it for one that was there: it would take 2^64 tries to find a key that fits.
    """
    return len(entity) == ID_BYTES and entity[_CHANCE_BYTES:] == _mark_of(device, entity[:_CHANCE_BYTES])


def _mark_of(device: bytes, chance: bytes) -> bytes:
    return blake3(device + chance, derive_key_context=_MAKER_CONTEXT).digest(ID_BYTES - _CHANCE_BYTES)


def parent_of(value: Value) -> bytes | None:
    """The entity that a value of a property of a parent names; None if it names none."""
    return value.entity if isinstance(value, Ref | ParentRef) else None


@dataclass(slots=True)
class ScopeRule:
    """Decides which facts of bound devices lie in their scopes.

    `parent_properties` are those by which a kind of the fleet was ever placed in another. An answer holds as long as no
    entity is placed anew.
    """

    known: Placings
    parent_properties: Collection[str]
    _placings: dict[bytes, Collection[Placing]] = field(default_factory=dict)
    _answers: dict[tuple[bytes, Scope, int], bool] = field(default_factory=dict)

    def lies_in(self, entity: bytes, scopes: Iterable[Scope]) -> bool:
        """Whether an entity lies in each of these scopes."""
        return all(self._lies_in(entity, scope, MAX_LEVELS) for scope in scopes)

    def may_state(self, device: bytes, scopes: Scopes, entity: bytes, name: str, value: Value) -> bool:
        """Whether a fact of a device that is bound to these scopes has effect.

        Where something lies it may say only if that place is in its scope, too.
        """
        if name in self.parent_properties:
            parent = parent_of(value)
            return parent is not None and self.lies_in(parent, scopes) and self.lies_in(entity, scopes)
        if is_made_by(entity, device) and (name == PERSON_NAME or (name == KIND and value == PERSON_KIND)):
            return True
        return self.lies_in(entity, scopes)

    def _lies_in(self, entity: bytes, scope: Scope, levels: int) -> bool:
        if entity in scope:
            return True
        if not levels:
            return False
        asked = entity, scope, levels
        if asked not in self._answers:
            self._answers[asked] = any(
                self._lies_in(each.parent, scope, levels - 1)
                and all(self._lies_in(each.parent, own, levels - 1) for own in each.scopes)
                for each in self._placings_of(entity)
            )
        return self._answers[asked]

    def _placings_of(self, entity: bytes) -> Collection[Placing]:
        if entity not in self._placings:
            found = self.known.placings(entity)
            self._placings[entity] = found if len(found) <= MAX_PLACES else ()
        return self._placings[entity]
