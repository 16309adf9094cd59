"""Restore the exact bytes of a damaged block.

From what is known of it besides: its id, and the facts in the tables.

Whatever is tried is right only if it gives the id, or the root that the header is signed with; so nothing is guessed.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import chain, combinations

from core.body import BODY_SALT_AT, Fact, make_body
from core.changes import change_id, decode_block, fact_id, join
from core.errors import BlockRefused
from core.header import MAX_HEADER_BYTES, SignedHeader, decode_header, header_size
from core.salt_tree import SEED_BYTES
from core.value_codec import MAX_FACTS, ParentRef, Ref, Value, decode_value

_MAX_FLIPPED_BODY_BYTES = 2048
"""Each bit of a body up to this size is tried; a larger one would take more than seconds."""
_MAX_PARENT_PROPERTIES = 6


def mend_block(connection: sqlite3.Connection | None, row: int, change: bytes | None, data: bytes) -> bytes | None:
    """Give the bytes of a block as they were, None if they cannot be restored.

    Args:
        connection: the store that it is in; None if it cannot be opened.
        row: its change's row id.
        change: the id that it is kept under, None if that cannot be read.
        data: its bytes as they are.
    """
    for candidate in _with_right_header(change, data):
        try:
            return decode_block(candidate).data
        except BlockRefused:
            pass
        size = header_size(candidate)
        header = decode_header(candidate[:size])
        facts = [] if connection is None else _derived_facts(connection, row)
        note = None if connection is None else _derived_note(connection, row)
        found = _from_facts(header, candidate[size:], facts, note) or _from_flips(candidate, size)
        if found is not None:
            return found
    return None


def _with_right_header(change: bytes | None, data: bytes) -> Iterator[bytes]:
    """Give the block with the header that gives its id.

    As it is, or with one byte of it as it was.
    """
    if _has_good_header(change, data):
        yield data
        return
    if change is None:
        return
    for at in range(min(len(data), MAX_HEADER_BYTES)):
        for byte in range(256):
            candidate = data[:at] + bytes((byte,)) + data[at + 1 :]
            if _has_good_header(change, candidate):
                yield candidate
                return
        if at >= _header_end(data):
            return


def _header_end(data: bytes) -> int:
    try:
        return header_size(data)
    except BlockRefused:
        return MAX_HEADER_BYTES


def _has_good_header(change: bytes | None, data: bytes) -> bool:
    try:
        return (change is None or change_id(data) == change) and bool(decode_header(data[: header_size(data)]))
    except BlockRefused:
        return False


def _from_facts(header: SignedHeader, body: bytes, facts: list[Fact], note: str | None) -> bytes | None:
    """Make the block from the facts in the tables.

    With the salts that the body still has.
    """
    seed = body[BODY_SALT_AT : BODY_SALT_AT + SEED_BYTES]
    if not facts or len(seed) != SEED_BYTES:
        return None
    # The tables do not keep whether a reference is one to a parent: that goes by the property.
    names = sorted({fact.property for fact in facts if _references(fact.value)})[:_MAX_PARENT_PROPERTIES]
    for tagged in chain.from_iterable(combinations(names, count) for count in range(len(names) + 1)):
        tagged_facts = [
            Fact(f.entity, f.property, _tagged(f.value) if f.property in tagged else f.value, f.obsoletes)
            for f in facts
        ]
        try:
            return join(header, make_body(tagged_facts, note, seed)).data
        except BlockRefused:
            continue
    return None


def _from_flips(data: bytes, header_bytes: int) -> bytes | None:
    """The block with one bit of its body turned, if that makes it right."""
    if len(data) - header_bytes > _MAX_FLIPPED_BODY_BYTES:
        return None
    changed = bytearray(data)
    for at in range(header_bytes, len(data)):
        for bit in range(8):
            changed[at] ^= 1 << bit
            try:
                return decode_block(bytes(changed)).data
            except BlockRefused:
                changed[at] ^= 1 << bit
    return None


def _derived_facts(connection: sqlite3.Connection, row: int) -> list[Fact]:
    span = (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1)
    try:
        rows = connection.execute(
            "SELECT f.id, e.entity, p.name, v.value FROM facts f JOIN entities e ON e.id = f.entity"
            " JOIN contents v ON v.id = f.content"
            " JOIN properties p ON p.id = f.property WHERE f.id BETWEEN ? AND ?",
            span,
        ).fetchall()
        targets: dict[int, list[bytes]] = {}
        for fact, change, place in connection.execute(
            f"SELECT o.fact, c.hash, o.target % {MAX_FACTS} FROM obsoletes o JOIN changes c"
            f" ON c.id = o.target / {MAX_FACTS} WHERE o.fact BETWEEN ? AND ?",
            span,
        ):
            targets.setdefault(fact, []).append(fact_id(change, place))
        for fact, target in connection.execute("SELECT fact, target FROM awaited WHERE fact BETWEEN ? AND ?", span):
            targets.setdefault(fact, []).append(target)
        return [
            Fact(entity, name, decode_value(value), tuple(sorted(targets.get(fact, ()))))
            for fact, entity, name, value in rows
        ]
    except (sqlite3.DatabaseError, BlockRefused):
        return []


def _derived_note(connection: sqlite3.Connection, row: int) -> str | None:
    try:
        found = connection.execute("SELECT note FROM changes WHERE id = ?", (row,)).fetchone()
    except sqlite3.DatabaseError:
        return None
    return found[0] if found else None


def _references(value: Value) -> bool:
    return any(isinstance(item, Ref) for item in (value if isinstance(value, tuple) else (value,)))


def _tagged(value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(ParentRef(item.entity) if isinstance(item, Ref) else item for item in value)
    return ParentRef(value.entity) if isinstance(value, Ref) else value
