"""Write what a store holds into the tables of a mirror, in one transaction.

All functions run on the store's thread with both plain connections, in a transaction on either side.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from core.membership import Membership
from core.mirror import events, partitions, row_values
from core.mirror.copy_rows import (
    COLUMNS,
    Row,
    copy_lines,
    copy_packed,
    copy_rows,
    identifier,
    json_field,
    pack_edges,
    pack_facts,
    sync_rows,
)
from core.mirror.current_rows import CurrentRows
from core.mirror.database import Connection, secure_views
from core.mirror.kind_views import schema_digest, view_statements
from core.mirror.server_work import ServerWork
from core.schema import Schema
from core.store.queries import mirror_source
from core.store.queries.mirror_lines import prepare_fact_lines, read_fact_lines, same_state
from core.store.queries.mirror_source import VOID_CHANGE, ChangeOrder, FactRow
from core.store.queries.sync_source import read_summary

SLOTS_PER_STEP = 2000
"""Rewritten at once, so that memory stays small."""
_FACT_TABLES = ("changes", "facts", "gaps", "obsoletes")
_SMALLER_TABLES = ("leaf_details", "entities", "source_flags")
"""Those that are written last."""
_BUILT_AFTERWARDS = (
    ("obsoletes", "obsoletes_pkey", "PRIMARY KEY (target_id, fact_id)"),
    ("leaf_details", "leaf_details_pkey", "PRIMARY KEY (entity_id, fact_id)"),
    ("entities", "entities_entity_key", "UNIQUE (entity)"),
)
"""The keys that are made at once over all rows where there were none, which takes a fraction of the time."""
_INDEXES_AFTERWARDS = (
    ("facts", "facts_slot", "(entity_id)"),
    ("facts", "facts_in_use", "(property_id) WHERE accepted AND ended_at IS NULL"),
    ("entities", "entities_key", "(kind, key)"),
    ("leaf_details", "leaf_details_refs", "USING gin (refs) WHERE refs IS NOT NULL"),
)

_ANALYZE_LESS, _ANALYZE_AS_USUAL = "SET LOCAL default_statistics_target = 25", "RESET default_statistics_target"
"""Some thousand rows tell enough of a month's facts; the server looks closer by itself when it has the time."""
_COLUMNS_OF_NO_PLAN = ("value",)
"""Costly to look at, and only ever read with something made of it."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What a store says beside its rows, all read of the same changes.

    `root` is theirs.
    """

    root: bytes
    schema: Schema
    membership: Membership
    inbox: Sequence[Row]
    is_inbox_mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows a run wrote."""

    change_count: int
    fact_count: int


def is_current(store: sqlite3.Connection, mirror: Connection, state: SourceState, order: ChangeOrder) -> bool:
    """Whether the mirror has this root, the same changes in effect, and this schema."""
    row = mirror.execute(
        "SELECT root, schema_state, source_row, source_order, source_flags FROM fieldline.watermark"
    ).fetchone()
    if row is None or row[:2] != (state.root, schema_digest(state.schema)) or not isinstance(row[2], int):
        return False
    return row[3:] == (order.read(store, row[2]), mirror_source.read_flag_state(store))


def write_mirror(
    store: sqlite3.Connection, mirror: Connection, state: SourceState, order: ChangeOrder, at_us: int
) -> Written | None:
    """Bring the mirror to what the store holds.

    None, and nothing written, if that is not what `state` was read of.
    """
    count, root = read_summary(store)
    if root != state.root:
        return None
    with mirror.transaction():
        row = mirror.execute(
            "SELECT source_row, source_order, source_flags, schema_state FROM fieldline.watermark FOR UPDATE"
        ).fetchone()
        after, seen, flags, made = row or (0, b"", "", b"")
        assert isinstance(after, int)  # noqa: S101 - the column is an integer
        digest = schema_digest(state.schema)
        if after > count or order.read(store, after) != seen:
            after = 0
        if made != digest:
            _write_kinds(mirror, state.schema)
        written = _Writer(store, mirror, state, at_us).write_rows(
            after, is_flagged=flags != mirror_source.read_flag_state(store), is_other_schema=made != digest
        )
        mirror.execute(
            "UPDATE fieldline.watermark SET changes = %s, root = %s, at = %s, source_row = %s, source_order = %s,"
            " source_flags = %s, schema_state = %s",
            (
                count,
                root,
                row_values.timestamp(at_us),
                count,
                order.read(store, count),
                mirror_source.read_flag_state(store),
                digest,
            ),
        )
        mirror.execute("SELECT pg_notify('fieldline', %s)", (root.hex(),))
    return written


_KIND_VIEWS = (
    " FROM pg_class c {} WHERE c.relnamespace = to_regnamespace('fieldline') AND c.relkind = 'v'"
    " AND c.relname LIKE 'kind\\_%'"
)
_GRANTS = (
    "SELECT c.relname::text, r.rolname::text"
    + _KIND_VIEWS.format("CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee")
    + " AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner"
)


def _write_kinds(mirror: Connection, schema: Schema) -> None:
    """Make the views of kinds anew, and grant them to whom they were granted."""
    granted = mirror.execute(_GRANTS).fetchall()
    for (name,) in mirror.execute("SELECT c.relname::text" + _KIND_VIEWS.format("")).fetchall():
        mirror.execute(sql.SQL("DROP VIEW {}").format(identifier(str(name))))
    for statement in view_statements(schema):
        mirror.execute(statement)
    secure_views(mirror)
    there = set(mirror.execute("SELECT c.relname::text" + _KIND_VIEWS.format("")).fetchall())
    for name, role in granted:
        if (name,) in there:
            to = sql.SQL("PUBLIC") if role is None else sql.Identifier(str(role))
            mirror.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(identifier(str(name)), to))
    sync_rows(mirror, "kinds", [(kind.name, kind.key, kind.within) for kind in schema.kinds.values()])


def _key_statements(*tables: str) -> Iterator[sql.Composed]:
    """The statements that make the keys and indexes of some tables, which have none."""
    for table, name, key in _BUILT_AFTERWARDS:
        if table in tables:
            statement = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
            yield statement.format(identifier(table), sql.Identifier(name), sql.SQL(key))
    for table, name, of in _INDEXES_AFTERWARDS:
        if table in tables:
            yield sql.SQL("CREATE INDEX {} ON {} {}").format(sql.Identifier(name), identifier(table), sql.SQL(of))


class _Writer:
    """One run: the rows of changes and facts, then what follows from them."""

    def __init__(self, store: sqlite3.Connection, mirror: Connection, state: SourceState, at_us: int) -> None:
        self._store = store
        self._mirror = mirror
        self._state = state
        self._at_us = at_us

    def write_rows(self, after: int, *, is_flagged: bool, is_other_schema: bool) -> Written:
        """Write what is behind a row of the store, or with 0 all anew."""
        self._write_small_tables()
        if after == 0:
            return self._write_all()
        changes = copy_rows(self._mirror, "changes", _change_rows(self._store, after))
        mirror_source.mark_slots(self._store, after, self._sync_flags() if is_flagged else iter(()))
        if is_flagged:
            events.note_values_of_facts(self._mirror, "other_flags")
        self._make_partitions(is_marked=True)
        facts = self._rewrite_slots(after)
        self._write_edges(after)
        current = CurrentRows(self._store, self._mirror, self._state.schema)
        if is_other_schema:
            # Names and what fits follow from it.
            self._delete("leaf_details", "entities")
            current.write_all()
        else:
            current.write_some(mirror_source.read_marked_entities(self._store))
        self._write_events(after, is_flagged=is_flagged)
        return Written(changes, facts)

    def _write_events(self, after: int, *, is_flagged: bool) -> None:
        members = self._state.membership.members
        names = {device: member.name for device, member in members.items() if member.name}
        events.write_changes(self._store, self._mirror, self._state.schema, names, after, is_flagged=is_flagged)
        if is_flagged:
            events.write_differences(self._mirror, "effect", is_all=False)

    def _write_all(self) -> Written:
        is_empty = self._mirror.execute("SELECT changes FROM fieldline.watermark").fetchone() == (0,)
        if is_empty:
            self._drop_keys()
        else:
            events.note_all_values(self._mirror)
            self._delete(*_FACT_TABLES, *_SMALLER_TABLES)
        self._make_partitions(is_marked=False)
        written = self._write_facts_and_entities(has_keys=not is_empty)
        copy_rows(self._mirror, "source_flags", mirror_source.read_flags(self._store))
        if is_empty:
            for statement in _key_statements(*_SMALLER_TABLES):
                self._mirror.execute(statement)
        else:
            events.write_differences(self._mirror, "store", is_all=True)
        self._analyze(*_SMALLER_TABLES)
        return written

    def _analyze(self, *tables: str) -> None:
        self._mirror.execute(_ANALYZE_LESS)
        for table in tables:
            columns = [column for column in COLUMNS[table] if column not in _COLUMNS_OF_NO_PLAN]
            statement = sql.SQL("ANALYZE {} ({})")
            self._mirror.execute(statement.format(identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))))
        self._mirror.execute(_ANALYZE_AS_USUAL)

    def _write_facts_and_entities(self, *, has_keys: bool) -> Written:
        """Write the large tables, on two threads if each can read the store."""
        current = CurrentRows(self._store, self._mirror, self._state.schema)
        with same_state(self._store) as other:
            if other is None:
                prepare_fact_lines(self._store, json_field)
                written = self._copy_statements(self._store, has_keys=has_keys)
                current.write_all()
                return written
            prepare_fact_lines(other, json_field)
            with ServerWork(lambda: self._copy_statements(other, has_keys=has_keys)) as work:
                current.write_all(work)
                return work.wait()

    def _copy_statements(self, store: sqlite3.Connection, *, has_keys: bool) -> Written:
        """Write all changes, facts and edges, and their keys where they have none."""
        changes = copy_rows(self._mirror, "changes", _change_rows(store, 0))
        facts = copy_lines(self._mirror, "facts", read_fact_lines(store))
        facts += self._copy_facts(store, mirror_source.read_facts_with_withdrawals(store))
        copy_packed(self._mirror, "obsoletes", pack_edges(mirror_source.read_edges(store, 0)))
        if not has_keys:
            for statement in _key_statements(*_FACT_TABLES):
                self._mirror.execute(statement)
        self._analyze(*_FACT_TABLES)
        return Written(changes, facts)

    def _delete(self, *tables: str) -> None:
        """Delete all rows; others go on reading them until this transaction ends."""
        for table in tables:
            self._mirror.execute(sql.SQL("DELETE FROM {}").format(identifier(table)))

    def _drop_keys(self) -> None:
        for table, name, _ in _BUILT_AFTERWARDS:
            statement = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
            self._mirror.execute(statement.format(identifier(table), sql.Identifier(name)))
        for _, name, _ in _INDEXES_AFTERWARDS:
            self._mirror.execute(sql.SQL("DROP INDEX {}").format(identifier(name)))

    def _make_partitions(self, *, is_marked: bool) -> None:
        days = mirror_source.read_days(self._store, is_marked=is_marked)
        partitions.make_partitions(self._mirror, partitions.months_of(days, self._at_us))

    def _sync_flags(self) -> Iterator[int]:
        """Bring the flags to those of the store; give the facts whose flags were other."""
        self._mirror.execute("CREATE TEMP TABLE incoming_flags (LIKE fieldline.source_flags) ON COMMIT DROP")
        copy_rows(self._mirror, "source_flags", mirror_source.read_flags(self._store), sql.Identifier("incoming_flags"))
        self._mirror.execute(
            "CREATE TEMP TABLE other_flags ON COMMIT DROP AS"
            " (SELECT id, flag FROM incoming_flags EXCEPT SELECT id, flag FROM fieldline.source_flags)"
            " UNION ALL (SELECT id, flag FROM fieldline.source_flags EXCEPT SELECT id, flag FROM incoming_flags)"
        )
        self._mirror.execute(
            "UPDATE fieldline.changes c SET accepted = NOT c.accepted FROM other_flags o WHERE o.flag = %(flag)s"
            " AND o.id = c.change_id AND c.accepted = EXISTS"
            " (SELECT 1 FROM incoming_flags n WHERE n.id = o.id AND n.flag = %(flag)s)",
            {"flag": VOID_CHANGE},
        )
        self._mirror.execute("DELETE FROM fieldline.source_flags")
        self._mirror.execute("INSERT INTO fieldline.source_flags SELECT id, flag FROM incoming_flags")
        with self._mirror.cursor("other_flags") as cursor:
            cursor.execute("SELECT id FROM other_flags WHERE flag <> %s", (VOID_CHANGE,))
            for (fact,) in cursor:
                assert isinstance(fact, int)  # noqa: S101 - the column is an integer
                yield fact

    def _rewrite_slots(self, after: int) -> int:
        """Write the facts of the marked slots in place of those that are there.

        Give how many are new.
        """
        place = (0, 0)
        while some := mirror_source.read_marked_slots(self._store, place, SLOTS_PER_STEP):
            self._mirror.execute(
                "WITH gone AS (DELETE FROM fieldline.facts f"
                " USING unnest(%s::integer[], %s::integer[]) s (entity_id, property_id)"
                " WHERE f.entity_id = s.entity_id AND f.property_id = s.property_id RETURNING f.fact_id)"
                " DELETE FROM fieldline.gaps g USING gone WHERE g.fact_id = gone.fact_id",
                ([entity for entity, _ in some], [name for _, name in some]),
            )
            place = some[-1]
            self._copy_facts(self._store, mirror_source.read_facts_of_slots(self._store, some[0], place))
        return mirror_source.count_facts(self._store, after)

    def _copy_facts(self, store: sqlite3.Connection, rows: Iterator[FactRow]) -> int:
        gaps: list[tuple[int, int, int]] = []
        count = copy_packed(self._mirror, "facts", pack_facts(mirror_source.end_facts(store, rows, gaps)))
        times = ((fact, row_values.timestamp(since), row_values.timestamp(until)) for fact, since, until in gaps)
        copy_rows(self._mirror, "gaps", times)
        return count

    def _write_edges(self, after: int) -> None:
        self._mirror.execute(
            "CREATE TEMP TABLE IF NOT EXISTS incoming_edges (LIKE fieldline.obsoletes) ON COMMIT DELETE ROWS"
        )
        copy_rows(
            self._mirror, "obsoletes", mirror_source.read_edges(self._store, after), sql.Identifier("incoming_edges")
        )
        self._mirror.execute("INSERT INTO fieldline.obsoletes SELECT * FROM incoming_edges ON CONFLICT DO NOTHING")

    def _write_small_tables(self) -> None:
        """Write properties, persons, devices and inbox, which are small beside the facts."""
        properties = mirror_source.read_properties(self._store)
        sync_rows(self._mirror, "properties", ((number, row_values.text(name)) for number, name in properties))
        numbers = mirror_source.read_devices(self._store)
        members = self._state.membership.members
        devices: list[Row] = [
            (device, numbers.get(device), row_values.text(member.name or ""), member.role or "", member.state)
            for device, member in members.items()
        ]
        devices += [(each, number, "", "", "unknown") for each, number in numbers.items() if each not in members]
        persons = mirror_source.read_persons(self._store)
        sync_rows(self._mirror, "devices", devices)
        sync_rows(self._mirror, "persons", ((*ids, row_values.text(name)) for *ids, name in persons))
        if not self._state.is_inbox_mirrored:
            sync_rows(self._mirror, "inbox", self._state.inbox)


def _change_rows(store: sqlite3.Connection, after: int) -> Iterator[Row]:
    for number, position, at, received_at, device, author, accepted, change, note in mirror_source.read_changes(
        store, after
    ):
        times = (row_values.timestamp(at), row_values.timestamp(received_at))
        shown = None if note is None else row_values.text(note)
        yield (number, position, *times, device, author, bool(accepted), change, shown)
