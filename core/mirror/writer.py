"""Write what a store holds into the tables of a mirror, in one transaction.

All functions run on the store's thread with both plain connections, in a transaction on either side.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from core.changes import fact_id
from core.fleet_secrets import is_secret
from core.inbox import InboxItem
from core.membership import Membership
from core.mirror import row_values
from core.mirror.database import Connection
from core.mirror.kind_views import schema_digest, view_statements
from core.records import Record
from core.schema import Schema
from core.store import entities
from core.store.connection import chunks, load_value
from core.store.entities import EntityName
from core.store.queries import mirror_source
from core.store.queries.sync_source import read_summary
from core.store.scope import NOW
from core.value_codec import withdrawn_by
from core.values import printable
from core.withdrawal import FOREVER

ENTITIES_PER_STEP = 500
"""Read at once, so that memory stays small."""
_ALL_TABLES = ("changes", "facts", "obsoletes", "void", "current", "entities")
_COLUMNS = {
    "changes": ("change", "device", "position", "person", "note", "at", "received_at", "accepted"),
    "facts": (
        "fact", "change", "entity", "property", "value", "refs", "effective_at", "at", "device", "person", "accepted",
        "withdraws",
    ),
    "obsoletes": ("target", "fact"),
    "void": ("fact", "since", "until"),
    "current": (
        "entity", "kind", "key", "property", "value", "state", "provisional", "change", "person", "user_name", "device",
        "device_name", "at", "refs", "fits",
    ),
    "entities": ("entity", "kind", "key", "title", "retired"),
    "persons": ("person", "name"),
    "devices": ("device", "name", "role", "state"),
    "inbox": ("type", "entity", "kind", "key", "property", "message", "entities", "candidates"),
    "kinds": ("kind", "key_property", "within_property"),
}  # fmt: skip
_COLUMN_TYPES = {
    "value": "jsonb", "refs": "bytea[]", "entities": "bytea[]", "candidates": "bytea[]", "position": "int8",
    **dict.fromkeys(("at", "effective_at", "received_at", "since", "until"), "timestamptz"),
    **dict.fromkeys(("accepted", "withdraws", "provisional", "fits", "retired"), "bool"),
    **dict.fromkeys(("change", "device", "person", "fact", "target", "entity"), "bytea"),
}  # fmt: skip
"""Of the columns that are not text."""

Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class SourceState:
    """What a store says beside its rows, all read of the same changes; `root` is theirs."""

    root: bytes
    schema: Schema
    membership: Membership
    items: Sequence[InboxItem]


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows a run wrote."""

    change_count: int
    fact_count: int


def is_current(store: sqlite3.Connection, mirror: Connection, state: SourceState) -> bool:
    """Whether the mirror has this root, with the same changes in effect, and the views of this schema."""
    row = mirror.execute("SELECT root, schema_state, source_row, source_state FROM fieldline.watermark").fetchone()
    if row is None or row[:2] != (state.root, schema_digest(state.schema)) or not isinstance(row[2], int):
        return False
    return row[3] == mirror_source.read_past_state(store, row[2])


def write_mirror(store: sqlite3.Connection, mirror: Connection, state: SourceState, at_us: int) -> Written | None:
    """Bring the mirror to what the store holds; None, and nothing written, if that is not what `state` was read of."""
    count, root = read_summary(store)
    if root != state.root:
        return None
    with mirror.transaction():
        row = mirror.execute(
            "SELECT source_row, source_state, schema_state FROM fieldline.watermark FOR UPDATE"
        ).fetchone()
        after, seen, made = row or (0, "", b"")
        assert isinstance(after, int)  # noqa: S101 - the column is an integer
        digest = schema_digest(state.schema)
        if after > count or made != digest or mirror_source.read_past_state(store, after) != seen:
            after = 0
        if made != digest:
            _write_kinds(mirror, state.schema)
        written = _Writer(store, mirror, state).write_rows(after)
        mirror.execute(
            "UPDATE fieldline.watermark SET changes = %s, root = %s, at = %s, source_row = %s, source_state = %s,"
            " schema_state = %s",
            (count, root, row_values.timestamp(at_us), count, mirror_source.read_past_state(store, count), digest),
        )
        mirror.execute("SELECT pg_notify('fieldline', %s)", (root.hex(),))
    return written


def _write_kinds(mirror: Connection, schema: Schema) -> None:
    views = mirror.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('fieldline') AND relkind = 'v'"
        " AND relname LIKE 'kind\\_%'"
    ).fetchall()
    for (name,) in views:
        mirror.execute(sql.SQL("DROP VIEW {}").format(sql.Identifier("fieldline", str(name))))
    for statement in view_statements(schema):
        mirror.execute(statement)
    kinds = [(kind.name, kind.key, kind.within) for kind in schema.kinds.values()]
    mirror.execute("DELETE FROM fieldline.kinds")
    _copy(mirror, "kinds", kinds)


def _copy(mirror: Connection, table: str, rows: Iterable[Row], into: sql.Composable | None = None) -> int:
    columns = _COLUMNS[table]
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT BINARY)").format(
        into or sql.Identifier("fieldline", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    count = 0
    with mirror.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([_COLUMN_TYPES.get(column, "text") for column in columns])
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


class _Writer:
    """One run: the rows of changes and facts, then what follows from them."""

    def __init__(self, store: sqlite3.Connection, mirror: Connection, state: SourceState) -> None:
        self._store = store
        self._mirror = mirror
        self._state = state
        self._device_names = {device: member.name for device, member in state.membership.members.items() if member.name}

    def write_rows(self, after: int) -> Written:
        """Write what is behind a row of the store, or with 0 all anew."""
        if after == 0:
            for table in _ALL_TABLES:
                self._mirror.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("fieldline", table)))
        written = Written(_copy(self._mirror, "changes", self._changes(after)), self._write_facts(after))
        self._write_edges(after)
        self._write_void(after)
        self._write_small_tables()
        self._write_entities(mirror_source.read_entities(self._store, after), is_all=after == 0)
        return written

    def _changes(self, after: int) -> Iterator[Row]:
        for change, device, position, person, note, at, received_at, accepted in mirror_source.read_changes(
            self._store, after
        ):
            times = (row_values.timestamp(at), row_values.timestamp(received_at))
            yield (
                change,
                device,
                position,
                person,
                None if note is None else row_values.text(note),
                *times,
                bool(accepted),
            )

    def _write_facts(self, after: int) -> int:
        rows = self._facts(after)
        if after == 0:
            return _copy(self._mirror, "facts", rows)
        self._mirror.execute(
            "CREATE TEMP TABLE IF NOT EXISTS incoming_facts (LIKE fieldline.facts) ON COMMIT DELETE ROWS"
        )
        count = _copy(self._mirror, "facts", rows, sql.Identifier("incoming_facts"))
        self._mirror.execute("DELETE FROM fieldline.facts f USING incoming_facts i WHERE i.fact = f.fact")
        self._mirror.execute("INSERT INTO fieldline.facts SELECT * FROM incoming_facts")
        return count

    def _facts(self, after: int) -> Iterator[Row]:
        for change, index, entity, name, encoded, effective, at, device, person, accepted in mirror_source.read_facts(
            self._store, after
        ):
            if is_secret(entity, name):
                continue
            value = load_value(encoded)
            yield (
                fact_id(change, index),
                change,
                entity,
                row_values.text(name),
                row_values.json_text(value, None),
                row_values.references(value),
                row_values.timestamp(effective),
                row_values.timestamp(at),
                device,
                person,
                bool(accepted),
                bool(withdrawn_by(value)),
            )

    def _write_edges(self, after: int) -> None:
        edges = (
            (fact_id(target, target_index), fact_id(change, index))
            for target, target_index, change, index in mirror_source.read_edges(self._store, after)
        )
        if after == 0:
            _copy(self._mirror, "obsoletes", edges)
            return
        self._mirror.execute(
            "CREATE TEMP TABLE IF NOT EXISTS incoming_edges (LIKE fieldline.obsoletes) ON COMMIT DELETE ROWS"
        )
        _copy(self._mirror, "obsoletes", edges, sql.Identifier("incoming_edges"))
        self._mirror.execute("INSERT INTO fieldline.obsoletes SELECT * FROM incoming_edges ON CONFLICT DO NOTHING")

    def _write_void(self, after: int) -> None:
        if after != 0:
            self._mirror.execute("DELETE FROM fieldline.void v USING incoming_facts i WHERE i.fact = v.fact")
        _copy(
            self._mirror,
            "void",
            (
                (
                    fact_id(change, index),
                    row_values.timestamp(since),
                    None if until == FOREVER else row_values.timestamp(until),
                )
                for change, index, since, until in mirror_source.read_void(self._store, after)
            ),
        )

    def _write_small_tables(self) -> None:
        """Persons, devices and inbox, which are small beside the facts, anew; and the names that follow from them."""
        members = self._state.membership.members
        rows: dict[str, Iterable[Row]] = {
            "persons": ((person, row_values.text(name)) for person, name in mirror_source.read_persons(self._store)),
            "devices": (
                (device, row_values.text(member.name or ""), member.role or "", member.state)
                for device, member in members.items()
            ),
            "inbox": map(_inbox_row, self._state.items),
        }
        for table, some in rows.items():
            self._mirror.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("fieldline", table)))
            _copy(self._mirror, table, some)
        self._mirror.execute(
            "UPDATE fieldline.current c SET user_name = p.name FROM fieldline.persons p"
            " WHERE p.person = c.person AND p.name <> c.user_name"
        )
        self._mirror.execute(
            "UPDATE fieldline.current c SET device_name = d.name FROM fieldline.devices d"
            " WHERE d.device = c.device AND d.name <> '' AND d.name <> c.device_name"
        )

    def _write_entities(self, touched: list[bytes], *, is_all: bool) -> None:
        """Write what is current of these entities, and of those whose names or references change by it."""
        done: set[bytes] = set()
        while touched:
            renamed: list[bytes] = []
            for some in chunks(touched, ENTITIES_PER_STEP):
                renamed += self._write_current(some, is_all=is_all)
            done.update(touched)
            touched = (
                [] if is_all or not renamed else [each for each in self._referring_to(renamed) if each not in done]
            )

    def _referring_to(self, renamed: list[bytes]) -> list[bytes]:
        rows = self._mirror.execute(
            "SELECT DISTINCT entity FROM fieldline.current WHERE refs && %s::bytea[]", (renamed,)
        )
        return [bytes(entity) for (entity,) in rows if isinstance(entity, bytes)]

    def _write_current(self, some: list[bytes], *, is_all: bool) -> list[bytes]:
        """Write what is current of these entities; give those that were called otherwise before, or nothing."""
        records = entities.read_records(self._store, NOW, some, self._state.schema)
        referred = {
            each for record in records for slot in record.slots.values() for each in row_values.references(slot.value)
        }
        names = entities.read_names(self._store, NOW, [*some, *referred], self._state.schema)
        before: dict[object, tuple[object, ...]] = {}
        if not is_all:
            rows = self._mirror.execute(
                "SELECT entity, kind, key FROM fieldline.entities WHERE entity = ANY (%s)", (some,)
            )
            before = {entity: tuple(name) for entity, *name in rows}
            for table in ("current", "entities"):
                statement = sql.SQL("DELETE FROM {} WHERE entity = ANY (%s)").format(sql.Identifier("fieldline", table))
                self._mirror.execute(statement, (some,))
        shown = [record for record in records if record.slots]
        _copy(self._mirror, "entities", (_entity_row(record, names[record.entity]) for record in shown))
        _copy(self._mirror, "current", (row for record in shown for row in self._current_rows(record, names)))
        return [each for each in some if before.get(each) != _name_columns(names[each])]

    def _current_rows(self, record: Record, names: dict[bytes, EntityName]) -> Iterator[Row]:
        kind = self._state.schema.kind(record.kind)
        for name, slot in record.slots.items():
            if not slot.leaves or is_secret(record.entity, name):
                continue
            leaf = slot.leaves[0]
            yield (
                record.entity,
                *_name_columns(names[record.entity]),
                row_values.text(name),
                row_values.json_text(slot.value, names),
                slot.state,
                slot.provisional,
                leaf.change,
                leaf.person,
                row_values.text(leaf.user),
                leaf.device,
                row_values.text(self._device_names.get(leaf.device) or leaf.device.hex()[:8]),
                row_values.timestamp(leaf.at_us),
                row_values.references(slot.value),
                row_values.fits_column(kind.property(name), slot.value),
            )


def _name_columns(name: EntityName) -> tuple[str | None, str | None]:
    return (
        None if name.kind is None else row_values.text(name.kind),
        None if name.key is None else row_values.text(name.key),
    )


def _entity_row(record: Record, name: EntityName) -> Row:
    return record.entity, *_name_columns(name), row_values.text(name.title), record.retired


def _inbox_row(item: InboxItem) -> Row:
    name = EntityName(item.entity, item.kind, item.key, "")
    message = row_values.text(printable(str(item.message)))
    facts = [leaf.fact for leaf in item.candidates]
    return item.type, item.entity, *_name_columns(name), item.property, message, list(item.entities), facts
