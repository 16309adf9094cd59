"""Write changes as this device: edits, and edit histories to import.

What is saved at once becomes a change for each locality (core/locality_split.py), all in one transaction. All functions
run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.authority import may_succeed
from core.body import Fact
from core.chain import Tip, advance, first_tip
from core.changes import Block, Change, fact_id, sign_block
from core.errors import FieldlineError, Refused
from core.header import BATCH_BYTES
from core.history_import import HistoryLine, KeyRef, entity_uuid
from core.locality_split import Placed, split
from core.member_values import ROLE_PROPERTY, ROLES, WRITING_ROLES
from core.membership import Membership
from core.records import Edit, make_edit
from core.salt_tree import SEED_BYTES
from core.schema import KIND, Schema
from core.scope_rule import PERSON_NAME, make_entity_id
from core.store.connection import VALUE_SQL, load_value
from core.store.entities import read_records, read_values, read_withdrawals
from core.store.indexes.chain_sides import NextChange, StoredChains
from core.store.indexes.chain_table import read_tips
from core.store.ingest import Receipt, add_blocks
from core.store.quotas import DEFAULT_LIMIT, read_limit, read_offset
from core.store.row_ids import row_ids_of
from core.store.scope import NOW
from core.store.scope_check import check_in_scope
from core.value_codec import (
    CHANGE_ID_BYTES,
    MAX_FACTS,
    Ref,
    Value,
    encode_value,
    normalized,
    normalized_value,
    withdrawn_by,
)

SlotKey = tuple[bytes, str]
Entropy = Callable[[int], bytes]

PERSON_KIND = "person"
_TIP_META_KEY = "tip"


class Author(Protocol):
    """The device that writes."""

    @property
    def device(self) -> bytes: ...

    @property
    def private_key(self) -> Ed25519PrivateKey: ...


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import wrote, passed over and refused.

    How many saves and facts it wrote, how many lines it passed over because they are here already, and how many
    changes were refused because nobody ever admitted their devices.
    """

    change_count: int
    fact_count: int
    skipped_count: int
    refused_count: int = 0


@dataclass(frozen=True, slots=True)
class Writer:
    """What every change that this device writes needs."""

    author: Author
    fleet: bytes
    schema: Schema
    membership: Membership
    entropy: Entropy
    now_us: int


def commit_edits(
    connection: sqlite3.Connection,
    writer: Writer,
    edits: Sequence[Edit],
    *,
    user: str,
    note: str | None,
) -> bytes:
    """Write edits that were made at once, give the id of their first change.

    Raises FieldlineError if this device may not write, or if what is to be withdrawn is superseded by now.
    """
    if len({(edit.entity, edit.property) for edit in edits}) < len(edits):
        raise Refused("One change cannot set the same property twice.")
    facts = [
        Fact(e.entity, normalized(e.property), normalized_value(e.value), tuple(sorted(e.obsoletes))) for e in edits
    ]
    _check_withdrawn(connection, facts)
    person, along = _own_person(connection, writer, user)
    receipt = Receipt(writer.now_us)
    return _write_facts(connection, writer, facts, along, person, note, writer.now_us, receipt)


def _check_withdrawn(connection: sqlite3.Connection, facts: Sequence[Fact]) -> None:
    """Raise FieldlineError if facts withdraw what is neither leaf nor withdrawal."""
    targets = [target for fact in facts for target in withdrawn_by(fact.value)]
    rows = row_ids_of(connection, list({target[:CHANGE_ID_BYTES] for target in targets}))
    for target in targets:
        row = rows.get(target[:CHANGE_ID_BYTES], 0) * MAX_FACTS + int.from_bytes(target[CHANGE_ID_BYTES:], "big")
        if connection.execute("SELECT 1 FROM facts WHERE id = ? AND current > 0", (row,)).fetchone() is None:
            raise FieldlineError("Somebody has changed it meanwhile: look at it again, then undo what is left.")


def note_person(connection: sqlite3.Connection, user: str, person: bytes) -> None:
    """Note which entity stands for a user of this device."""
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (f"person {user}", person))


def person_facts(person: bytes, user: str) -> list[Fact]:
    """What a person's first change on a device says of the person."""
    return [Fact(person, KIND, PERSON_KIND), Fact(person, PERSON_NAME, user)]


def _own_person(connection: sqlite3.Connection, writer: Writer, user: str) -> tuple[bytes, list[Fact]]:
    """The entity of a user of this device, and what is to be said of it if it is new."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (f"person {user}",)).fetchone()
    if row is not None:
        return row[0], []
    # By chance and not by the name: else who knows names could find out whose changes these are.
    person = make_entity_id(writer.membership, writer.author.device, writer.entropy)
    note_person(connection, user, person)
    return person, person_facts(person, user)


def _write_facts(
    connection: sqlite3.Connection,
    writer: Writer,
    facts: Sequence[Fact],
    along: Sequence[Fact],
    person: bytes,
    note: str | None,
    at_us: int,
    receipt: Receipt,
) -> bytes:
    """Write facts as changes of this device on top of its chain.

    Gives the id of the first.
    """
    device = writer.author.device
    # A reader, too, may name its new key.
    is_succession = any(fact.property == ROLE_PROPERTY and may_succeed(fact.value) for fact in facts)
    member = writer.membership.members.get(device)
    if member is not None and member.replaced_by is not None:
        raise FieldlineError("This device has a new key since this program was started: start it again.")
    if not writer.membership.may_write(device) and not (is_succession and writer.membership.may_connect(device)):
        raise FieldlineError(
            "This device may not write in this fleet yet: ask an admin to run `fieldline admit {device}`.",
            device=device.hex(),
        )
    tip = _own_tip(connection, device)
    if tip is not None and not _may_go_on(connection, writer, tip, ROLES if is_succession else WRITING_ROLES):
        raise FieldlineError("What this device wrote before has not all come back yet: sync first, then save.")
    _check_limit(connection, writer, tip)
    parts = split(facts, _places_of(connection, facts, writer.schema).__getitem__, writer.schema, along)
    batch = writer.entropy(BATCH_BYTES) if len(parts) > 1 else None
    blocks: list[Block] = []
    for part in parts:
        change = Change(person, at_us, (note or None) if not blocks else None, tuple(part), batch)
        block = sign_block(change, writer.author.private_key, writer.fleet, writer.entropy(SEED_BYTES), tip)
        tip = advance(tip, block.header) if tip else first_tip(block.header)
        blocks.append(block)
    add_blocks(connection, blocks, receipt, writer.membership, writer.fleet)
    if member is not None and member.scopes:
        check_in_scope(connection, writer.membership, member, blocks, writer.schema)
    if device != writer.membership.recovery:
        note_tip(connection, blocks[-1].id)
    return blocks[0].id


def _check_limit(connection: sqlite3.Connection, writer: Writer, tip: Tip | None) -> None:
    """Raise FieldlineError if other devices would refuse the next change of this one."""
    written = (0 if tip is None else tip.position + 1) + read_offset(connection, writer.author.device)
    if written < DEFAULT_LIMIT:
        return
    limit = read_limit(connection, writer.author.device, writer.fleet)
    if limit is not None and written >= limit:
        raise FieldlineError(
            "This device has written {limit} changes, and more are not kept of it: ask an admin to run `fieldline admit"
            " {device} --role technician --limit {more}`.",
            limit=limit,
            device=writer.author.device.hex(),
            more=2 * limit,
        )


def _may_go_on(connection: sqlite3.Connection, writer: Writer, tip: Tip, roles: Sequence[str]) -> bool:
    """Whether a change on top of this one is made in one of these roles.

    A role may hold from another one on only.
    """
    chains = NextChange(StoredChains(connection), tip)
    authority = writer.membership.authority(tip.device)
    return authority.role_at(chains, tip.device, tip.position + 1, b"") in roles


def note_tip(connection: sqlite3.Connection, change: bytes) -> None:
    """Note this device's latest change: another holder of its key may go on elsewhere."""
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_TIP_META_KEY, change))


def _own_tip(connection: sqlite3.Connection, device: bytes) -> Tip | None:
    """The change that this device's next one follows; None if it has none yet.

    That is its latest own one, or the end of its chain if that has grown since: a copy of this store was put back.
    Raises FieldlineError if it has some, but not all of its earlier changes.
    """
    tips = read_tips(connection, device)
    noted = connection.execute("SELECT value FROM meta WHERE key = ?", (_TIP_META_KEY,)).fetchone()
    found = next((tip for tip in tips if noted is not None and tip.id == noted[0]), tips[0] if tips else None)
    if found is None and _has_changes(connection, device):
        raise FieldlineError("What this device wrote before has not all come back yet: sync first, then save.")
    return found


def _has_changes(connection: sqlite3.Connection, device: bytes) -> bool:
    query = "SELECT 1 FROM changes WHERE device = (SELECT id FROM devices WHERE device = ?) LIMIT 1"
    return connection.execute(query, (device,)).fetchone() is not None


def _places_of(connection: sqlite3.Connection, facts: Sequence[Fact], schema: Schema) -> dict[bytes, Placed]:
    """Where what is about to be said belongs, by what is in use at present."""
    entities = list(dict.fromkeys(fact.entity for fact in facts))
    kinds = read_values(connection, NOW, KIND, entities)
    found = {entity: Placed() for entity in entities}
    by_parent: dict[str | None, list[bytes]] = {}
    for entity, kind in kinds.items():
        if isinstance(kind, str):
            found[entity] = Placed(kind)
            by_parent.setdefault(schema.kind(kind).parent, []).append(entity)
    for name, some in by_parent.items():
        parents = read_values(connection, NOW, name, some) if name else {}
        for entity, parent in parents.items():
            if isinstance(parent, Ref):
                found[entity] = Placed(found[entity].kind, parent.entity)
    return found


def import_history_lines(
    connection: sqlite3.Connection,
    writer: Writer,
    lines: Sequence[HistoryLine],
    on_progress: Callable[[int, int], None],
) -> ImportResult:
    """Write each line as a save with its own time and user, on top of what is here.

    Lines that are here are skipped.

    `on_progress` is told the lines done and their number, on the store's thread; what it raises ends the import, and
    then nothing of it is kept.
    """
    receipt = Receipt(writer.now_us, link="import")
    stated = _already_stated(connection, lines)
    changes = facts = skipped = 0
    for number, line in enumerate(lines):
        on_progress(number, len(lines))
        wanted = _stated_values(writer.fleet, line)
        if wanted.items() <= stated.get((line.at_us, line.user, line.note or None), {}).items():
            skipped += 1
            continue
        made = _facts_of_line(connection, writer.fleet, line, wanted, writer.schema)
        # By the name, so that devices that import the same history say the same.
        person = entity_uuid(writer.fleet, f"{PERSON_KIND}:{line.user}")
        along = [] if _read_leaf_values(connection, (person, PERSON_NAME)) else person_facts(person, line.user)
        _write_facts(connection, writer, made, along, person, line.note, line.at_us, receipt)
        changes += 1
        facts += len(made)
    on_progress(len(lines), len(lines))
    return ImportResult(changes, facts, skipped)


def _stated_values(fleet: bytes, line: HistoryLine) -> dict[SlotKey, bytes]:
    """What a line says, as encoded values.

    The last word counts if it says two things of a slot.
    """
    values: dict[SlotKey, bytes] = {}
    for stated in line.edits:
        entity = entity_uuid(fleet, stated.entity)
        if stated.property is None:
            values[entity, "retired"] = encode_value(True)
        else:
            values[entity, stated.property] = encode_value(_with_entity_ids(fleet, stated.value))
    return values


def _with_entity_ids(fleet: bytes, value: object) -> Value:
    """A line's value with its references by key turned into ids."""
    if isinstance(value, tuple):
        return tuple(Ref(entity_uuid(fleet, item.key)) if isinstance(item, KeyRef) else item for item in value)
    return Ref(entity_uuid(fleet, value.key)) if isinstance(value, KeyRef) else value  # type: ignore[return-value]


def _already_stated(
    connection: sqlite3.Connection, lines: Sequence[HistoryLine]
) -> dict[tuple[int, str, str | None], dict[SlotKey, bytes]]:
    """What saves with the times, users and notes of these lines say already."""
    wanted = {(line.at_us, line.user, line.note or None) for line in lines}
    found: dict[tuple[int, str, str | None], dict[SlotKey, bytes]] = {}
    rows = connection.execute(
        "SELECT c.id, c.at, u.name, l.note FROM changes c JOIN changes l ON l.id = c.lead"
        " JOIN persons u ON u.entity = c.author"
    ).fetchall()
    for row, at, user, note in rows:
        if (at, user, note) not in wanted:
            continue
        facts = connection.execute(
            f"SELECT e.entity, p.name, {VALUE_SQL} FROM facts f JOIN entities e ON e.id = f.entity"
            " JOIN properties p ON p.id = f.property WHERE f.id BETWEEN ? AND ?",
            (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1),
        )
        found.setdefault((at, user, note), {}).update({(entity, name): value for entity, name, value in facts})
    return found


def _facts_of_line(
    connection: sqlite3.Connection, fleet: bytes, line: HistoryLine, wanted: dict[SlotKey, bytes], schema: Schema
) -> list[Fact]:
    """The facts that a line makes here.

    They are what it says, the kind and key of what it speaks of for the first time, and that what was retired is back.
    """
    facts: list[Fact] = []
    for called in dict.fromkeys(stated.entity for stated in line.edits):
        entity = entity_uuid(fleet, called)
        if not _read_leaf_values(connection, (entity, "kind")):
            kind, _, key = called.partition(":")
            facts.append(Fact(entity, "kind", kind))
            name = schema.kind(kind).key
            if (entity, name) not in wanted:
                facts.append(Fact(entity, name, key))
    for entity in dict.fromkeys(entity for entity, name in wanted if name != "retired"):
        leaves = _read_leaf_values(connection, (entity, "retired"))
        if any(value == encode_value(True) for value in leaves.values()) and (entity, "retired") not in wanted:
            facts.append(Fact(entity, "retired", False, _seen_facts(connection, (entity, "retired"), leaves)))
    for (entity, name), value in wanted.items():
        if name == "retired":
            made = make_edit(read_records(connection, NOW, [entity], schema)[0], name, True)
            facts.append(Fact(entity, name, True, made.obsoletes))
        else:
            leaves = _read_leaf_values(connection, (entity, name))
            facts.append(Fact(entity, name, load_value(value), _seen_facts(connection, (entity, name), leaves)))
    return facts


def _seen_facts(connection: sqlite3.Connection, place: SlotKey, leaves: Iterable[bytes]) -> tuple[bytes, ...]:
    """What an edit of a slot with these leaves names."""
    entity, name = place
    return tuple(sorted({*leaves, *read_withdrawals(connection, [entity]).get(entity, {}).get(name, ())}))


def _read_leaf_values(connection: sqlite3.Connection, place: SlotKey) -> dict[bytes, bytes]:
    """The ids and encoded values of a slot's leaves."""
    rows = connection.execute(
        f"SELECT c.hash, f.id % {MAX_FACTS}, {VALUE_SQL} FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}"
        " WHERE f.entity = (SELECT id FROM entities WHERE entity = ?)"
        " AND f.property = (SELECT id FROM properties WHERE name = ?) AND f.current = 1",
        place,
    )
    return {fact_id(change, index): value for change, index, value in rows}
