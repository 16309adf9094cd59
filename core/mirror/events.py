"""Write the feed table `events`.

For each value in use that changed, what it was before and what it is now.

Events are written in the transaction of the rows that they speak of, so each is there exactly once. What changes bring
is an event for each value that `fieldline watch` would tell; what changes because facts lost or regained their effect,
or because the store is another one, is told as far as the values in SQL differ afterwards.

All functions run on the store's thread with both plain connections, in a transaction on either side.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from psycopg import sql

from core.device.display_names import entities_in_value
from core.fleet_secrets import is_secret
from core.mirror import row_values
from core.mirror.copy_rows import Row, copy_rows
from core.mirror.current_rows import name_columns
from core.mirror.database import Connection
from core.schema import Schema
from core.store import entities
from core.store.queries import feed
from core.store.queries.feed import FeedEntry
from core.store.scope import NOW
from core.value_codec import CHANGE_ID_BYTES

_DIFFERENCES = """
INSERT INTO fieldline.events
  (reason, fact, change, entity, kind, key, property, before, after, at, user_name, device_name)
SELECT {reason}, h.fact, h.change, e.entity, coalesce(e.kind, b.kind), coalesce(e.key, b.key), p.property,
  b.value, n.value, h.at, h.user_name, h.device_name
FROM slots_before b
FULL JOIN (
  SELECT e.entity, p.property, s.value, s.fact_id FROM fieldline.slots s
  JOIN fieldline.entities e USING (entity_id) JOIN fieldline.properties p USING (property_id)
  {limit}
) n ON n.entity = b.entity AND n.property = b.property
JOIN fieldline.entities e ON e.entity = coalesce(n.entity, b.entity)
JOIN fieldline.properties p ON p.property = coalesce(n.property, b.property)
LEFT JOIN LATERAL (
  SELECT c.change || decode(lpad(to_hex(n.fact_id & 511), 4, '0'), 'hex') AS fact, c.change, c.at, u.name AS user_name,
    coalesce(nullif(d.name, ''), left(encode(d.device, 'hex'), 8)) AS device_name
  FROM fieldline.changes c JOIN fieldline.persons u USING (person_id) JOIN fieldline.devices d USING (device_id)
  WHERE c.change_id = n.fact_id >> 9
) h ON true
WHERE b.value IS DISTINCT FROM n.value ORDER BY e.entity_id, p.property_id
"""


def write_changes(
    store: sqlite3.Connection,
    mirror: Connection,
    schema: Schema,
    devices: dict[bytes, str],
    after: int,
    *,
    is_flagged: bool,
) -> None:
    """Write the events of the changes behind a row.

    `devices` are the names of those that have one.

    With `is_flagged` those of values that were put aside are left to `write_differences`.
    """
    (first,) = mirror.execute("SELECT coalesce(max(event), 0) FROM fieldline.events").fetchone() or (0,)
    cursor, is_last = feed.cursor_behind(after), False
    while not is_last:
        page = feed.read_fact_page(store, cursor)
        entries = [entry for entry in page.entries if not is_secret(entry.entity, entry.property)]
        copy_rows(mirror, "events", _rows(store, schema, devices, entries))
        cursor, is_last = page.cursor, page.is_last
    if is_flagged:
        mirror.execute(
            "DELETE FROM fieldline.events v USING slots_before b"
            " WHERE v.event > %s AND b.entity = v.entity AND b.property = v.property",
            (first,),
        )


def _rows(
    store: sqlite3.Connection, schema: Schema, devices: dict[bytes, str], entries: Iterable[FeedEntry]
) -> Iterator[Row]:
    some = list(entries)
    values = [value for entry in some for value in (entry.before, entry.after)]
    wanted = {entry.entity for entry in some} | {each for value in values for each in entities_in_value(value)}
    names = entities.read_names(store, NOW, wanted, schema)
    for entry in some:
        yield (
            "change",
            entry.position,
            entry.position[:CHANGE_ID_BYTES],
            entry.entity,
            *name_columns(names[entry.entity]),
            row_values.text(entry.property),
            row_values.json_text(entry.before, names),
            row_values.json_text(entry.after, names),
            row_values.timestamp(entry.at_us),
            row_values.text(entry.user),
            row_values.text(devices.get(entry.device) or entry.device.hex()[:8]),
        )


def note_all_values(mirror: Connection) -> None:
    """Put aside what SQL says now of all properties, for `write_differences`."""
    mirror.execute(
        "CREATE TEMP TABLE slots_before ON COMMIT DROP AS SELECT e.entity, e.kind, e.key, p.property, s.value"
        " FROM fieldline.slots s"
        " JOIN fieldline.entities e USING (entity_id) JOIN fieldline.properties p USING (property_id)"
    )


def note_values_of_facts(mirror: Connection, facts: str) -> None:
    """Put aside the present values of the properties that some facts are about.

    The facts are those in column `id` of a table.
    """
    mirror.execute(
        sql.SQL(
            "CREATE TEMP TABLE slots_before ON COMMIT DROP AS SELECT e.entity, e.kind, e.key, p.property, s.value FROM"
            " (SELECT DISTINCT f.entity_id, f.property_id FROM {} o JOIN fieldline.facts f ON f.fact_id = o.id) t"
            " JOIN fieldline.entities e USING (entity_id) JOIN fieldline.properties p USING (property_id)"
            " LEFT JOIN fieldline.slots s USING (entity_id, property_id)"
        ).format(sql.Identifier(facts))
    )


def write_differences(mirror: Connection, reason: str, *, is_all: bool) -> None:
    """Write the events of what was put aside and is otherwise now.

    With `is_all` also of what was not there.
    """
    noted = sql.SQL("WHERE (e.entity, p.property) IN (SELECT entity, property FROM slots_before)")
    mirror.execute(sql.SQL(_DIFFERENCES).format(reason=sql.Literal(reason), limit=sql.SQL("") if is_all else noted))
