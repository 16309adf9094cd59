"""Which changes and facts have effect: those of devices in good standing.

The others are kept and relayed, that is all.

A change has effect if its author might write at that place of its chain. Of the fleet, its schema and its members only
what an admin says has, and of a fact about a member only what `core.authority` counts.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from blake3 import blake3

from core.chain_links import State
from core.changes import SCHEMA_ENTITY, Block
from core.member_values import MEMBER_PROPERTIES, NO_ROLE, WRITING_ROLES
from core.membership import NO_GRANT, Grant, Membership
from core.scope_rule import ScopeRule
from core.store.connection import VALUE_SQL, chunks, load_value, placeholders, write_meta
from core.store.indexes.active_members import VERSION_META_KEY, note_active_members, read_version
from core.store.indexes.bound_facts import StoredPlacings, read_below, read_parent_properties
from core.store.indexes.chain_sides import StoredChains
from core.store.indexes.leaves import SlotRow, refresh_current
from core.store.indexes.member_facts import (
    FIRST_MEMBER_PROPERTY,
    KIND_PROPERTY_ROW,
    LAST_MEMBER_PROPERTY,
    load_membership,
    speaks_of_members,
)
from core.store.indexes.standings import note_standings
from core.store.indexes.withdrawals import refresh_void
from core.value_codec import CHANGE_ID_BYTES, MAX_FACTS

_ChangeRow = tuple[int, bytes, bytes, int, int, int]
"""(row id, id, device, position, linked, accepted)"""
_CHANGE_ROWS = (
    "SELECT c.id, c.hash, d.device, c.position, c.linked, c.accepted FROM changes c JOIN devices d ON d.id = c.device"
)


class MembershipCache:
    """Works out the membership of a store when it is asked.

    Anew only if facts about members came since.
    """

    def __init__(self) -> None:
        self._version: bytes | None = None
        self._membership: Membership | None = None

    def read_membership(self, connection: sqlite3.Connection, fleet: bytes) -> Membership:
        """The membership that holds for what the connection sees now."""
        version = read_version(connection)
        if self._membership is None or version != self._version:
            self._membership, self._version = load_membership(connection, fleet), version
        return self._membership


@dataclass(frozen=True, slots=True)
class Accepted:
    """Which of new changes have effect, and which of their facts have none, by row id.

    Before what depends on their chains is known.
    """

    changes: Mapping[int, bool]
    without_effect: AbstractSet[int]


def initial_acceptance(
    membership: Membership, blocks: Sequence[Block], rows: Mapping[bytes, int], faulty: Sequence[bytes]
) -> Accepted:
    """What has effect of new blocks by the membership before them.

    `update_acceptance` says the last word.

    What is not sure yet has none: changes of devices that may write at some places only, and facts about members.
    """
    changes: dict[int, bool] = {}
    without_effect: set[int] = set()
    wrong = set(faulty)
    roles: dict[bytes, str] = {}
    for block in blocks:
        device, row = block.device, rows[block.id]
        if device not in roles:
            authority = membership.authority(device)
            roles[device] = authority.uniform_role if authority.is_uniform else NO_ROLE
        role = NO_ROLE if block.id in wrong else roles[device]
        changes[row] = role in WRITING_ROLES
        facts = range(row * MAX_FACTS, row * MAX_FACTS + len(block.facts))
        if role not in WRITING_ROLES:
            without_effect.update(facts)
        elif speaks_of_members(block) or (
            role != "admin" and any(map(membership.is_reserved, {fact.entity for fact in block.facts}))
        ):
            without_effect.update(
                number
                for number, fact in zip(facts, block.facts, strict=True)
                if fact.property in MEMBER_PROPERTIES or (role != "admin" and membership.is_reserved(fact.entity))
            )
    return Accepted(changes, without_effect)


def update_acceptance(
    connection: sqlite3.Connection,
    before: Membership,
    blocks: Sequence[Block],
    settled: Sequence[bytes],
    faulty: Sequence[bytes],
    fleet: bytes,
) -> None:
    """Settle which changes have effect after these blocks were added.

    Under the membership that held before them.

    `settled` are the changes that were found to follow from their chains meanwhile, `faulty` those that do not.
    """
    new = {block.id for block in blocks}
    spoken = [block.id for block in blocks if speaks_of_members(block)]
    # What had counted until its late previous one came counts no more, members' facts among it.
    late = [change for change in faulty if change not in new]
    after = before
    cuts = before.cuts
    # On a change that says nothing of members it depends who counts only if it is at a cut, or closes a gap below one.
    if spoken or late or not cuts.isdisjoint(settled) or (cuts and not new.issuperset(settled)):
        version = blake3(read_version(connection) + b"".join([*spoken, *faulty])).digest()
        write_meta(connection, VERSION_META_KEY, version)
        after = load_membership(connection, fleet)
        note_active_members(connection, after)
    # Of a device whose changes count at some places only the gap below one of them may just have been closed.
    uneven = after.uneven_devices
    if after is before and not uneven and not late:
        return
    refresher = _Refresher(connection, after)
    moved = {
        d for d in before.authorities.keys() | after.authorities.keys() if before.authority(d) != after.authority(d)
    }
    closed = set(settled) | set(faulty)
    moved |= {device for device in uneven if any(cut.change in closed for cut in after.authority(device).cuts())}
    for device in moved:
        refresher.refresh_changes(connection.execute(f"{_CHANGE_ROWS} WHERE d.device = ?", (device,)).fetchall())
    open_rows = _rows_of(connection, {*new, *settled} if uneven else ())
    refresher.refresh_changes(row for row in open_rows if row[2] in uneven - moved)
    refresher.refresh_changes(row for row in _rows_of(connection, late) if row[2] not in moved)
    refresher.refresh_changes(_rows_of(connection, {fact[:CHANGE_ID_BYTES] for fact in before.counted ^ after.counted}))
    refresher.refresh_entities(before.members.keys() ^ after.members.keys())
    if after.bound_devices or before.bound_devices:
        _refresh_bound(connection, refresher, after, moved, before.members.keys() ^ after.members.keys(), blocks)
    if refresher.flipped:
        _note_flipped(connection, refresher.flipped, blocks, spoken)


def _refresh_bound(
    connection: sqlite3.Connection,
    refresher: _Refresher,
    after: Membership,
    moved: AbstractSet[bytes],
    members: AbstractSet[bytes],
    blocks: Sequence[Block],
) -> None:
    """Settle what bound devices say, once it is settled what the others do.

    It depends on where things were placed, by these blocks too. `moved` are the devices whose authority is another one
    than before, `members` what became a member or is none any more.
    """
    flipped = _entities_of(connection, refresher.flipped)
    schema = connection.execute("SELECT id FROM entities WHERE entity = ?", (SCHEMA_ENTITY,)).fetchone()
    entities = {fact.entity for block in blocks for fact in block.facts}
    is_new_rule = (
        not moved.isdisjoint(after.bound_devices) or SCHEMA_ENTITY in entities or (schema and schema[0] in flipped)
    )
    names = read_parent_properties(connection)
    again = refresher.begin_bound(names)
    if is_new_rule:
        rows: Iterable[_ChangeRow] = [
            row
            for device in sorted(after.bound_devices)
            for row in connection.execute(f"{_CHANGE_ROWS} WHERE d.device = ?", (device,)).fetchall()
        ]
    else:
        parents = set(names.values())
        placed = {fact.entity for block in blocks for fact in block.facts if fact.property in parents} | members
        flipped_placed = _entities_of(connection, refresher.flipped, names)
        below = read_below(connection, names, _entity_rows(connection, placed) | flipped_placed)
        rows = [*again, *_rows_about(connection, below, after.bound_devices)]
    refresher.refresh_changes({row[0]: row for row in rows}.values())


def _entities_of(
    connection: sqlite3.Connection, facts: Iterable[int], properties: Iterable[int] | None = None
) -> set[int]:
    """The rows of the entities of these facts, or of those of some properties only."""
    wanted = None if properties is None else set(properties)
    found: set[int] = set()
    for some in chunks(list(facts)):
        query = f"SELECT entity, property FROM facts WHERE id IN ({placeholders(some)})"
        found.update(entity for entity, name in connection.execute(query, some) if wanted is None or name in wanted)
    return found


def _entity_rows(connection: sqlite3.Connection, entities: Iterable[bytes]) -> set[int]:
    found: set[int] = set()
    for some in chunks(list(entities)):
        query = f"SELECT id FROM entities WHERE entity IN ({placeholders(some)})"
        found.update(row for (row,) in connection.execute(query, some))
    return found


def _rows_about(
    connection: sqlite3.Connection, entities: Iterable[int], devices: AbstractSet[bytes]
) -> list[_ChangeRow]:
    """The changes of these devices that say something of these entities."""
    found: list[_ChangeRow] = []
    for some in chunks(sorted(entities)):
        rows = connection.execute(
            f"{_CHANGE_ROWS} WHERE c.id IN"
            f" (SELECT DISTINCT id / {MAX_FACTS} FROM facts WHERE entity IN ({placeholders(some)}))",
            some,
        )
        found += [row for row in rows if row[2] in devices]
    return found


def _note_flipped(
    connection: sqlite3.Connection, facts: AbstractSet[int], blocks: Sequence[Block], spoken: Sequence[bytes]
) -> None:
    """Note what facts that were here before gained or lost their effect.

    By the last of these blocks that speaks of members, else by the last.
    """
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()
    new = [row[0] for row in _rows_of(connection, [block.id for block in blocks])]
    about = [row[0] for row in _rows_of(connection, spoken)]
    note_standings(connection, facts, min(new, default=last + 1), max(about or new, default=last))


def _rows_of(connection: sqlite3.Connection, changes: Iterable[bytes]) -> list[_ChangeRow]:
    found: list[_ChangeRow] = []
    for some in chunks(list(changes)):
        found += connection.execute(f"{_CHANGE_ROWS} WHERE c.hash IN ({placeholders(some)})", some).fetchall()
    return found


class _Refresher:
    """Gives changes and facts the effect that a membership gives them.

    And works out which facts are leaves.
    """

    def __init__(self, connection: sqlite3.Connection, membership: Membership) -> None:
        self._connection = connection
        self._membership = membership
        self._chains = StoredChains(connection)
        named = (fact for facts in membership.successions.values() for fact in facts)
        self._successions = {fact[:CHANGE_ID_BYTES] for fact in named if fact in membership.counted}
        """The changes by which a device has a new key; a reader's have no other effect."""
        self._scope_rule: ScopeRule | None = None
        self._bound_rows: dict[int, _ChangeRow] = {}
        """The changes of bound devices that wait for what others say to be settled."""
        self.flipped: set[int] = set()
        """The facts whose effect is another one than in the beginning."""

    def begin_bound(self, parent_properties: Mapping[int, str]) -> list[_ChangeRow]:
        """Decide from now on what bound devices say, by what is settled of the others.

        Gives the changes of bound devices that waited for that.
        """
        known = StoredPlacings(self._connection, self._membership, self._chains, parent_properties)
        self._scope_rule = ScopeRule(known, set(parent_properties.values()))
        return list(self._bound_rows.values())

    def refresh_changes(self, rows: Iterable[_ChangeRow]) -> None:
        """Work out anew these changes and all their facts."""
        flipped: list[tuple[bool, int]] = []
        touched: set[int] = set()
        for each in rows:
            row, change, device, position, linked, accepted = each
            grant = self._grant(device, position, change, linked)
            if grant.scopes and self._scope_rule is None:
                self._bound_rows[row] = each
                continue
            span = (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1)
            facts = self._connection.execute(
                "SELECT f.id, e.entity, f.property, f.accepted FROM facts f JOIN entities e ON e.id = f.entity"
                " WHERE f.id BETWEEN ? AND ?",
                span,
            ).fetchall()
            found = {fact: self._is_accepted(grant, change, fact, entity, name) for fact, entity, name, _was in facts}
            if self._scope_rule is not None and grant.scopes:
                in_scope = self._facts_in_scope(self._scope_rule, device, grant, span)
                found = {fact: has_effect and fact in in_scope for fact, has_effect in found.items()}
            touched.update(fact for fact, _entity, _name, was in facts if found[fact] != bool(was))
            is_in_effect = grant.role in WRITING_ROLES and (not grant.scopes or any(found.values()))
            has_effect = is_in_effect or change in self._successions
            if has_effect != bool(accepted):
                flipped.append((has_effect, row))
        self._connection.executemany("UPDATE changes SET accepted = ? WHERE id = ?", flipped)
        self._flip(touched)

    def refresh_entities(self, entities: Iterable[bytes]) -> None:
        """Work out anew all facts about these entities.

        Those of bound devices are not settled by it.
        """
        touched: set[int] = set()
        for some in chunks(list(entities)):
            rows = self._connection.execute(
                "SELECT f.id, e.entity, f.property, f.accepted, c.hash, d.device, c.position, c.linked"
                " FROM entities e JOIN facts f ON f.entity = e.id"
                f" JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN devices d ON d.id = c.device"
                f" WHERE e.entity IN ({placeholders(some)})",
                some,
            ).fetchall()
            for fact, entity, name, was, change, device, position, linked in rows:
                grant = self._grant(device, position, change, linked)
                if not grant.scopes and self._is_accepted(grant, change, fact, entity, name) != bool(was):
                    touched.add(fact)
        self._flip(touched)

    def _grant(self, device: bytes, position: int, change: bytes, linked: int) -> Grant:
        """In which role a device signed a change, and bound to what."""
        if linked == State.FAULTY:
            return NO_GRANT
        return self._membership.authority(device).grant_at(self._chains, device, position, change)

    def _is_accepted(self, grant: Grant, change: bytes, fact: int, entity: bytes, name: int) -> bool:
        """Whether a fact has effect by the role in which it was signed."""
        if FIRST_MEMBER_PROPERTY <= name <= LAST_MEMBER_PROPERTY:
            return change + (fact % MAX_FACTS).to_bytes(2, "big") in self._membership.counted
        if name == KIND_PROPERTY_ROW and self._membership.names_successor(change, entity):
            return True
        return grant.role == "admin" or (grant.role in WRITING_ROLES and not self._membership.is_reserved(entity))

    def _facts_in_scope(self, rule: ScopeRule, device: bytes, grant: Grant, span: tuple[int, int]) -> set[int]:
        """Those of the facts of a bound device's change that its scopes let it say."""
        rows = self._connection.execute(
            f"SELECT f.id, e.entity, p.name, {VALUE_SQL} FROM facts f JOIN entities e ON e.id = f.entity"
            " JOIN properties p ON p.id = f.property WHERE f.id BETWEEN ? AND ?",
            span,
        ).fetchall()
        return {
            fact
            for fact, entity, name, value in rows
            if rule.may_state(device, grant.scopes, entity, name, load_value(value))
        }

    def _flip(self, facts: set[int]) -> None:
        """Give these facts the other standing, and work out which facts are leaves now."""
        self.flipped ^= facts
        targets: set[int] = set()
        for some in chunks(list(facts)):
            query = f"UPDATE facts SET state = (state | 4) - (state & 4) WHERE id IN ({placeholders(some)})"
            self._connection.execute(query, some)
            obsolete = f"SELECT target FROM obsoletes WHERE fact IN ({placeholders(some)})"
            targets.update(target for (target,) in self._connection.execute(obsolete, some))
        places: set[SlotRow] = set()
        for some in chunks(list(facts)):
            query = f"SELECT entity, property FROM facts WHERE id IN ({placeholders(some)})"
            places.update(self._connection.execute(query, some).fetchall())
        refresh_current(self._connection, facts | targets | refresh_void(self._connection, places))
