"""Read what a mirror elsewhere lacks: changes, facts and edges.

Rows of them since a row, or all.

All functions run on the store's thread with the plain connection; who calls several of them for one answer does it in
one transaction. Rows have the numbers that they have in the store, which another store of the same fleet need not have.
Facts are given for whole slots, since what arrives late may change the effective times in one. The fleet's secrets are
no facts that are given.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter

from core import cbor
from core.changes import FLEET_ENTITY
from core.fleet_secrets import SECRET_PROPERTIES
from core.slots import Candidate, slot_of
from core.store.connection import VALUE_SQL, load_value
from core.store.entities import read_pick
from core.store.scope import EFFECTIVE, NOW, effective_sql
from core.value_codec import INDEX_BYTES, MAX_FACTS
from core.values import MAX_TEXT_BYTES
from core.withdrawal import FOREVER, Spans, leaf_spans

DAY_US = 86_400_000_000

ChangeRow = tuple[int, int, int, int, int, int, int, bytes, str | None]
"""(number, position, at, received at, device, author, accepted, change, note)"""
FactRow = tuple[int, int, int | None, int, int, int, int, bytes]
"""(number, effective, ended, entity, property, device, accepted, encoded value)"""
LeafRow = tuple[int, int, int, bytes, bool, bool]
"""(entity, property, number of the fact, its encoded value, whether it is in use, whether of several different ones)"""

VOID_FACT, CLAIMED_FACT, VOID_CHANGE = 0, 1, 2
"""Flags: a fact without effect, one that a peer calls obsolete, a change without effect."""

_BY_SPANS = -1
"""Stands for the end of a fact that may come back, since something of its slot was withdrawn."""
EFFECTIVE_SQL = "c.at + f.later"
"""When a fact `f` of change `c` counts from."""
_COLUMNS = f"""
f.id, {EFFECTIVE_SQL},
  CASE WHEN EXISTS (SELECT 1 FROM withdrawals w WHERE w.entity = f.entity AND w.property = f.property)
    THEN {_BY_SPANS} ELSE
    (SELECT min({effective_sql("g")}) FROM obsoletes o JOIN facts g ON g.id = o.fact
     WHERE o.target = f.id AND g.accepted) END,
  f.entity, f.property, c.device, f.accepted, {VALUE_SQL}
"""
_OF_CHANGE = f"JOIN changes c ON c.id = f.id / {MAX_FACTS}"
_SOME = "(SELECT value FROM json_each(:some))"
"""Numbers as one parameter: with them in its text each statement is another one, and Python keeps the last hundred."""
_FIRST_TEXT, _BEHIND_TEXTS = (f"{major << 5:02x}" for major in (cbor.TEXT, cbor.TEXT + 1))
"""Between these bytes begin encoded texts."""
_NAMES = {f"secret{place}": name for place, name in enumerate(SECRET_PROPERTIES)}
IS_SHOWN = (
    "NOT (f.entity IS (SELECT id FROM entities WHERE entity = :fleet)"
    f" AND f.property IN (SELECT id FROM properties WHERE name IN ({', '.join(f':{n}' for n in _NAMES)})))"
)
SECRET = {"fleet": FLEET_ENTITY, **_NAMES}


def _numbers(some: list[int]) -> str:
    return f"[{','.join(map(str, some))}]"


class ChangeOrder:
    """A digest over the changes in their order up to a row.

    It is another one for another store, whatever that holds.
    """

    def __init__(self) -> None:
        self._row, self._hash = 0, blake2b(digest_size=16)

    def read(self, connection: sqlite3.Connection, row: int) -> bytes:
        """Read the digest up to a row.

        Only what is behind the row of the last call is read for it.
        """
        if row < self._row:
            self._row, self._hash = 0, blake2b(digest_size=16)
        found = connection.execute("SELECT hash FROM changes WHERE id > ? AND id <= ? ORDER BY id", (self._row, row))
        for (change,) in found:
            self._hash.update(change)
        self._row = row
        return self._hash.digest()


def read_flag_state(connection: sqlite3.Connection) -> str:
    """Text that is other if other facts or changes are without effect."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum((id * 2654435761) % 4294967291), 0),"
        " (SELECT count(*) || ' ' || coalesce(sum(fact), 0) FROM hearsay) FROM facts WHERE accepted = 0"
    ).fetchone()
    return " ".join(map(str, row))


def read_flags(connection: sqlite3.Connection) -> Iterator[tuple[int, int]]:
    """The numbers of what has no effect, each with its flag, in order."""
    return connection.execute(
        f"SELECT id, {VOID_FACT} FROM facts WHERE accepted = 0 UNION ALL SELECT fact, {CLAIMED_FACT} FROM hearsay"
        f" UNION ALL SELECT id, {VOID_CHANGE} FROM changes WHERE accepted = 0 ORDER BY 1, 2"
    )


def read_changes(connection: sqlite3.Connection, after_row: int) -> Iterator[ChangeRow]:
    """The changes behind a row, in the order in which they were received."""
    return connection.execute(
        "SELECT c.id, c.position, c.at, c.received_at, c.device, c.author, c.accepted, c.hash, l.note FROM changes c"
        " LEFT JOIN changes l ON l.id = c.lead WHERE c.id > ? ORDER BY c.id",
        (after_row,),
    )


def end_facts(
    connection: sqlite3.Connection, rows: Iterator[FactRow], gaps: list[tuple[int, int, int]]
) -> Iterator[FactRow]:
    """Give these rows of facts with their ends.

    `gaps` gets when a fact is no leaf before its end, (number, since, until).

    A fact that never is a leaf ends when it begins to count.
    """
    for row in rows:
        if row[2] == _BY_SPANS:
            last = row[1]
            for since, until in _read_spans(connection, row[0], row[1]):
                if since > last:
                    gaps.append((row[0], last, since))
                last = until
            yield (*row[:2], None if last == FOREVER else last, *row[3:])
        else:
            yield row


def _read_spans(connection: sqlite3.Connection, fact: int, effective: int) -> Spans:
    """When a fact of a slot with withdrawals is a leaf."""
    if connection.execute("SELECT 1 FROM withdrawals WHERE fact = ?", (fact,)).fetchone():
        return ()
    namers = connection.execute(
        f"SELECT g.id, {effective_sql('g')} FROM obsoletes o JOIN facts g ON g.id = o.fact"
        " WHERE o.target = ? AND g.accepted",
        (fact,),
    ).fetchall()
    void = "SELECT since, until FROM void WHERE fact = ? AND timeline = ? ORDER BY since"
    return leaf_spans(
        effective, [(since, tuple(connection.execute(void, (namer, EFFECTIVE)))) for namer, since in namers]
    )


def mark_slots(connection: sqlite3.Connection, after_row: int, facts: Iterator[int]) -> None:
    """Mark the slots of changes behind a row, and those of some facts.

    For the functions that speak of them.
    """
    connection.execute("DROP TABLE IF EXISTS temp.touched")
    connection.execute(
        "CREATE TEMP TABLE touched (entity INTEGER, property INTEGER, PRIMARY KEY (entity, property)) WITHOUT ROWID"
    )
    connection.execute(
        "INSERT OR IGNORE INTO touched SELECT entity, property FROM facts WHERE id >= ?", ((after_row + 1) * MAX_FACTS,)
    )
    connection.executemany(
        "INSERT OR IGNORE INTO touched SELECT entity, property FROM facts WHERE id = ?", ((fact,) for fact in facts)
    )


def read_marked_slots(connection: sqlite3.Connection, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
    """The next marked slots behind one, in order."""
    return connection.execute(
        "SELECT entity, property FROM touched WHERE (entity, property) > (?, ?) ORDER BY 1, 2 LIMIT ?", (*after, limit)
    ).fetchall()


def read_facts_of_slots(
    connection: sqlite3.Connection, first: tuple[int, int], last: tuple[int, int]
) -> Iterator[FactRow]:
    """All facts of the marked slots from one to another."""
    return connection.execute(
        f"SELECT {_COLUMNS} FROM touched t CROSS JOIN facts f ON f.entity = t.entity AND f.property = t.property"
        f" {_OF_CHANGE} WHERE (t.entity, t.property) >= (:e1, :p1) AND (t.entity, t.property) <= (:e2, :p2)"
        f" AND {IS_SHOWN}",
        {"e1": first[0], "p1": first[1], "e2": last[0], "p2": last[1], **SECRET},
    )


def read_marked_entities(connection: sqlite3.Connection) -> list[int]:
    """The entities of the marked slots, in order."""
    return [entity for (entity,) in connection.execute("SELECT DISTINCT entity FROM touched ORDER BY entity")]


def read_facts_with_withdrawals(connection: sqlite3.Connection) -> Iterator[FactRow]:
    """All facts of the slots in which something was withdrawn."""
    return connection.execute(
        f"SELECT {_COLUMNS} FROM (SELECT DISTINCT entity, property FROM withdrawals) t"
        f" CROSS JOIN facts f ON f.entity = t.entity AND f.property = t.property {_OF_CHANGE} WHERE {IS_SHOWN}",
        SECRET,
    )


def count_facts(connection: sqlite3.Connection, after_row: int) -> int:
    """How many facts the changes behind a row have."""
    first = (after_row + 1) * MAX_FACTS
    return int(connection.execute("SELECT count(*) FROM facts WHERE id >= ?", (first,)).fetchone()[0])


def read_days(connection: sqlite3.Connection, *, is_marked: bool) -> list[int]:
    """Read the days since 1970 (UTC) on which facts begin to count.

    Of all slots, or of the marked ones.
    """
    day = f"{effective_sql()} / {DAY_US}"
    if is_marked:
        source = "touched t CROSS JOIN facts f ON f.entity = t.entity AND f.property = t.property"
        query = f"SELECT DISTINCT {day} FROM {source} ORDER BY 1"
    else:
        # Most facts count from the time of their change, of which there are few.
        of_change = f"f.id >= c.id * {MAX_FACTS} AND f.id < (c.id + 1) * {MAX_FACTS}"
        query = (
            f"SELECT c.at / {DAY_US} FROM changes c WHERE EXISTS"
            f" (SELECT 1 FROM facts f WHERE {of_change} AND f.later = 0)"
            f" UNION SELECT {day} FROM facts f WHERE f.later <> 0 ORDER BY 1"
        )
    return [day for (day,) in connection.execute(query)]


def read_edges(connection: sqlite3.Connection, after_row: int) -> Iterator[tuple[int, int]]:
    """Read the edges of which one end is a fact of a change behind a row.

    (obsolete fact, fact that obsoletes it).
    """
    if after_row == 0:
        return connection.execute("SELECT target, fact FROM obsoletes ORDER BY target, fact")
    first = (after_row + 1) * MAX_FACTS
    return connection.execute(
        "SELECT target, fact FROM obsoletes WHERE fact >= ? UNION SELECT target, fact FROM obsoletes WHERE target >= ?",
        (first, first),
    )


IsPlain = Callable[[int, bytes], bool]
"""Whether nothing is to be told of a property's encoded value beside its fact."""


def _details_sql(free_properties: Iterable[int]) -> str:
    """The condition that something is to be told of a content `v`."""
    return (
        f"NOT CASE WHEN v.property IN ({','.join(map(str, free_properties))}) AND v.value >= x'{_FIRST_TEXT}'"
        f" AND v.value < x'{_BEHIND_TEXTS}' AND length(v.value) <= {MAX_TEXT_BYTES} THEN 1"
        " ELSE is_plain(v.property, v.value) END"
    )


def collect_details(connection: sqlite3.Connection, free_properties: Iterable[int], is_plain: IsPlain) -> None:
    """Collect the contents of which `read_leaf_rows` tells.

    Each is looked at once, while most are said several times.
    """
    connection.create_function("is_plain", 2, is_plain, deterministic=True)
    connection.execute("DROP TABLE IF EXISTS temp.detailed")
    connection.execute("CREATE TEMP TABLE detailed (content INTEGER PRIMARY KEY)")
    connection.execute(f"INSERT INTO detailed SELECT v.id FROM contents v WHERE {_details_sql(free_properties)}")


def read_leaf_rows(
    connection: sqlite3.Connection,
    entities: list[int],
    free_properties: Iterable[int],
    is_plain: IsPlain,
    *,
    is_collected: bool = False,
) -> Iterator[LeafRow]:
    """Read what is to be told of these entities' leaves beside their facts.

    Left out is a leaf that has a slot for itself, if `is_plain` of its property and encoded value. Of the free
    properties every short text is. With `is_collected`, `collect_details` has looked at all contents.

    What a peer calls obsolete is given, too, as not in use.
    """
    some = {"some": _numbers(entities), **SECRET}
    connection.create_function("is_plain", 2, is_plain, deterministic=True)
    contested = set(connection.execute(f"SELECT entity, property FROM contested WHERE entity IN {_SOME}", some))
    condition = "f.content IN (SELECT content FROM temp.detailed)" if is_collected else _details_sql(free_properties)
    rows: Iterable[tuple[int, int, int, bytes]] = connection.execute(
        "SELECT f.entity, f.property, f.id, v.value FROM facts f JOIN contents v ON v.id = f.content"
        f" WHERE f.entity IN {_SOME} AND f.current = 1 AND {condition} AND {IS_SHOWN}",
        some,
    )
    for row in rows:
        if not contested or row[:2] not in contested:
            yield *row, True, False
    if contested:
        together = connection.execute(
            f"SELECT f.entity, f.property, f.id, {VALUE_SQL}, {EFFECTIVE_SQL}, c.hash FROM contested g"
            f" CROSS JOIN facts f ON f.entity = g.entity AND f.property = g.property {_OF_CHANGE}"
            f" WHERE g.entity IN {_SOME} AND f.current = 1 AND {IS_SHOWN} ORDER BY g.entity, g.property",
            some,
        )
        for _, leaves in groupby(together, key=itemgetter(0, 1)):
            yield from _pick(list(leaves))
    for row in connection.execute(
        f"SELECT f.entity, f.property, f.id, {VALUE_SQL} FROM hearsay h CROSS JOIN facts f ON f.id = h.fact"
        f" WHERE f.entity IN {_SOME} AND {IS_SHOWN}",
        some,
    ):
        yield *row, False, False


def _pick(leaves: list[tuple[int, int, int, bytes, int, bytes]]) -> Iterator[LeafRow]:
    if len(leaves) == 1:
        yield *leaves[0][:4], True, False
        return
    by_id = {leaf[5] + (leaf[2] % MAX_FACTS).to_bytes(INDEX_BYTES, "big"): leaf for leaf in leaves}
    slot = slot_of(
        Candidate(fact, load_value(leaf[3]), "", b"", leaf[4], None, leaf[4]) for fact, leaf in by_id.items()
    )
    picked = by_id[slot.leaves[0].fact]
    for leaf in leaves:
        yield *leaf[:4], leaf is picked, leaf is picked and slot.provisional


def read_values_in_use(
    connection: sqlite3.Connection, entities: list[int], properties: Iterable[int]
) -> Iterator[tuple[int, int, bytes]]:
    """Read what is in use of some properties: (entity, property, encoded value)."""
    some, of_some = {"some": _numbers(entities)}, ",".join(map(str, properties))
    # The plus keeps SQLite from looking up each property of each entity.
    yield from connection.execute(
        f"SELECT f.entity, f.property, v.value FROM facts f JOIN contents v ON v.id = f.content"
        f" WHERE f.entity IN {_SOME} AND +f.property IN ({of_some}) AND f.current = 1",
        some,
    )
    several = f"SELECT entity, property FROM contested WHERE entity IN {_SOME} AND +property IN ({of_some})"
    for place in connection.execute(several, some).fetchall():
        # After those that it is picked from.
        yield *place, read_pick(connection, NOW, *place)


def read_entity_ids(connection: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Numbers and ids of the next entities behind a number that something is said of."""
    return connection.execute(
        "SELECT e.id, e.entity FROM entities e WHERE e.id > ? AND EXISTS (SELECT 1 FROM facts f WHERE f.entity = e.id)"
        " ORDER BY e.id LIMIT ?",
        (after, limit),
    ).fetchall()


_WITH_FACTS = "FROM entities e WHERE EXISTS (SELECT 1 FROM facts f WHERE f.entity = e.id)"


def count_entities(connection: sqlite3.Connection) -> int:
    """How many entities there are that something is said of."""
    return int(connection.execute(f"SELECT count(*) {_WITH_FACTS}").fetchone()[0])


def read_entities(connection: sqlite3.Connection, after: bytes, limit: int) -> list[bytes]:
    """The next ids of entities that something is said of, in their order."""
    rows = connection.execute(
        f"SELECT e.entity {_WITH_FACTS} AND e.entity > ? ORDER BY e.entity LIMIT ?", (after, limit)
    )
    return [entity for (entity,) in rows]


def read_touched_entities(connection: sqlite3.Connection, after_row: int) -> set[bytes]:
    """The ids of the entities of which changes behind a row say something."""
    rows = connection.execute(
        "SELECT entity FROM entities WHERE id IN (SELECT entity FROM facts WHERE id >= ?)",
        ((after_row + 1) * MAX_FACTS,),
    )
    return {entity for (entity,) in rows}


def read_ids(connection: sqlite3.Connection, numbers: list[int]) -> dict[int, bytes]:
    """The ids of the entities with these numbers."""
    query = f"SELECT id, entity FROM entities WHERE id IN {_SOME}"
    return dict(connection.execute(query, {"some": _numbers(numbers)}))


def read_persons(connection: sqlite3.Connection) -> Iterator[tuple[int, bytes, str]]:
    """What each person who wrote something is called."""
    return connection.execute("SELECT e.id, e.entity, p.name FROM persons p JOIN entities e ON e.id = p.entity")


def read_devices(connection: sqlite3.Connection) -> dict[bytes, int]:
    """The numbers of the devices that wrote something, or brought it."""
    return dict(connection.execute("SELECT device, id FROM devices"))


def read_properties(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """The numbers and names of all properties."""
    return connection.execute("SELECT id, name FROM properties")
