"""Write changes as this device: ordinary edits, and edit histories that people import.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.body import Fact
from core.changes import MAX_BLOCK_BYTES, Change, fact_id, sign_block
from core.errors import BlockRefused, FieldlineError, Refused
from core.header import MAX_TIMESTAMP_US
from core.history_import import HistoryLine, KeyRef, entity_uuid
from core.membership import Membership
from core.records import Edit, make_edit
from core.schema import Schema
from core.store.entities import read_records
from core.store.ingest import Receipt, add_blocks
from core.store.queries.log import timestamps_of_facts
from core.store.scope import NOW
from core.value_codec import MAX_FACTS, Ref, Value, decode_value, encode_value

SlotKey = tuple[bytes, str]


class Author(Protocol):
    """The device that writes."""

    @property
    def device(self) -> bytes: ...

    @property
    def private_key(self) -> Ed25519PrivateKey: ...


@dataclass(frozen=True, slots=True)
class ImportResult:
    """How many changes and facts an import wrote, and how many lines it passed over because they are here already."""

    change_count: int
    fact_count: int
    skipped_count: int


def write_change(
    connection: sqlite3.Connection,
    author: Author,
    fleet: bytes,
    facts: Sequence[Fact],
    *,
    user: str,
    note: str | None,
    at_us: int,
    receipt: Receipt,
    membership: Membership,
) -> bytes:
    """Write one change of this device on top of its chain, give its id; raises FieldlineError if it may not write."""
    if not membership.may_write(author.device):
        raise FieldlineError(
            "This device may not write in this fleet yet: ask an admin to run `fieldline admit {device}`.",
            device=author.device.hex(),
        )
    if len({(fact.entity, fact.property) for fact in facts}) < len(facts):
        raise Refused("One change cannot set the same property twice.")
    if len(facts) > MAX_FACTS:
        raise Refused(
            "{count} edits are too many for one change: save at most {limit} at once.",
            count=len(facts),
            limit=MAX_FACTS,
        )
    change = Change(author.device, chain_head(connection, author.device), user, at_us, note, tuple(facts))
    try:
        block = sign_block(change, author.private_key, fleet)
    except BlockRefused as refusal:
        if refusal.params.get("limit") != MAX_BLOCK_BYTES:
            raise
        raise Refused(
            "{size} bytes are too many for one change: save fewer values at once, at most {limit} bytes.",
            **refusal.params,
        ) from None
    add_blocks(connection, [block], receipt, membership, fleet)
    return block.id


def chain_head(connection: sqlite3.Connection, device: bytes) -> bytes | None:
    """The change that a device's next one follows: the end of its chain."""
    row = connection.execute(
        "SELECT h.hash FROM heads h JOIN changes c ON c.hash = h.hash"
        " WHERE h.device = (SELECT id FROM devices WHERE device = ?) ORDER BY c.id DESC LIMIT 1",
        (device,),
    ).fetchone()
    return None if row is None else row[0]


def commit_edits(
    connection: sqlite3.Connection,
    author: Author,
    fleet: bytes,
    edits: Sequence[Edit],
    *,
    user: str,
    note: str | None,
    now_us: int,
    membership: Membership,
) -> bytes:
    """Write edits as one change. Its time is now, or just after the latest of what it obsoletes."""
    facts = [Fact(e.entity, e.property, e.value, tuple(sorted(e.obsoletes))) for e in edits]
    seen = timestamps_of_facts(connection, [target for fact in facts for target in fact.obsoletes])
    at = min(MAX_TIMESTAMP_US, max([now_us, *(time + 1 for time in seen.values())]))
    receipt = Receipt(now_us)
    return write_change(
        connection, author, fleet, facts, user=user, note=note or None, at_us=at, receipt=receipt, membership=membership
    )


def import_history_lines(
    connection: sqlite3.Connection,
    author: Author,
    fleet: bytes,
    lines: Sequence[HistoryLine],
    schema: Schema,
    *,
    now: int,
    membership: Membership,
    on_progress: Callable[[int, int], None],
) -> ImportResult:
    """Write each line as a change with its own time and user, on top of what is here; lines that are here are skipped.

    A line of more facts than a change may have becomes several changes. `progress` is told the lines done and their
    number, on the store's thread; what it raises ends the import, and then nothing of it is kept.
    """
    receipt = Receipt(now, link="import")
    said = _already_stated(connection, lines)
    changes = facts = skipped = 0
    for number, line in enumerate(lines):
        on_progress(number, len(lines))
        wanted = _stated_values(fleet, line)
        if wanted.items() <= said.get((line.at_us, line.user, line.note or None), {}).items():
            skipped += 1
            continue
        for piece in _batches(_facts_of_line(connection, fleet, line, wanted, schema)):
            write_change(
                connection,
                author,
                fleet,
                piece,
                user=line.user,
                note=line.note or None,
                at_us=line.at_us,
                receipt=receipt,
                membership=membership,
            )
            changes += 1
            facts += len(piece)
    on_progress(len(lines), len(lines))
    return ImportResult(changes, facts, skipped)


def _stated_values(fleet: bytes, line: HistoryLine) -> dict[SlotKey, bytes]:
    """What a line says, as encoded values; the last word counts if it says two things of a slot."""
    said: dict[SlotKey, bytes] = {}
    for stated in line.edits:
        entity = entity_uuid(fleet, stated.entity)
        if stated.property is None:
            said[entity, "retired"] = encode_value(True)
        else:
            said[entity, stated.property] = encode_value(_with_entity_ids(fleet, stated.value))
    return said


def _with_entity_ids(fleet: bytes, value: object) -> Value:
    """A line's value with its references by key turned into ids."""
    if isinstance(value, tuple):
        return tuple(Ref(entity_uuid(fleet, item.key)) if isinstance(item, KeyRef) else item for item in value)
    return Ref(entity_uuid(fleet, value.key)) if isinstance(value, KeyRef) else value  # type: ignore[return-value]


def _already_stated(
    connection: sqlite3.Connection, lines: Sequence[HistoryLine]
) -> dict[tuple[int, str, str | None], dict[SlotKey, bytes]]:
    """What changes with the times, users and notes of these lines say already."""
    wanted = {(line.at_us, line.user, line.note or None) for line in lines}
    said: dict[tuple[int, str, str | None], dict[SlotKey, bytes]] = {}
    rows = connection.execute(
        "SELECT c.id, c.at, u.name, c.note FROM changes c JOIN users u ON u.id = c.user"
    ).fetchall()
    for row, at, user, note in rows:
        if (at, user, note) not in wanted:
            continue
        facts = connection.execute(
            "SELECT e.entity, p.name, f.value FROM facts f JOIN entities e ON e.id = f.entity"
            " JOIN properties p ON p.id = f.property WHERE f.id BETWEEN ? AND ?",
            (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1),
        )
        said.setdefault((at, user, note), {}).update({(entity, name): value for entity, name, value in facts})
    return said


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
            facts.append(Fact(entity, "retired", False, tuple(sorted(leaves))))
    for (entity, name), value in wanted.items():
        if name == "retired":
            made = make_edit(read_records(connection, NOW, [entity], schema)[0], name, True)
            facts.append(Fact(entity, name, True, made.obsoletes))
        else:
            facts.append(
                Fact(entity, name, decode_value(value), tuple(sorted(_read_leaf_values(connection, (entity, name)))))
            )
    return facts


def _read_leaf_values(connection: sqlite3.Connection, place: SlotKey) -> dict[bytes, bytes]:
    """The ids and encoded values of a slot's leaves."""
    rows = connection.execute(
        f"SELECT c.hash, f.id % {MAX_FACTS}, f.value FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}"
        " WHERE f.entity = (SELECT id FROM entities WHERE entity = ?)"
        " AND f.property = (SELECT id FROM properties WHERE name = ?) AND f.current = 1",
        place,
    )
    return {fact_id(change, index): value for change, index, value in rows}


_MAX_BATCH_BYTES = MAX_BLOCK_BYTES - 4096 - 1024  # room for the longest note and for the frame of a change


def _batches(facts: list[Fact]) -> Iterator[list[Fact]]:
    """Facts in pieces that fit one change each."""
    piece: list[Fact] = []
    size = 0
    for fact in facts:
        length = len(encode_value(fact.value)) + len(fact.property.encode()) + 36 * len(fact.obsoletes) + 32
        if piece and (len(piece) == MAX_FACTS or size + length > _MAX_BATCH_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(fact)
        size += length
    if piece:
        yield piece
