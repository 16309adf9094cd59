"""Read the log: changes by their effective times, what each of them changed, what differs between two moments.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.changes import CHANGE_ID_BYTES, MAX_FACTS, Value, decode_value, encode_value, fact_id
from core.slots import Candidate, slot_of
from core.store.connection import placeholders
from core.store.entities import read_leaves
from core.store.scope import Scope

LogCursor = tuple[int, int]
"""(effective time, row id): where a change stands in the log"""
SlotRow = tuple[int, int]
"""The rows of an entity and a property."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which changes of the log to read; None and "" mean all. Times are microseconds since 1970 UTC, both inclusive."""

    entity: bytes | None = None
    property: str | None = None
    user: str | None = None
    device: bytes | None = None
    since_us: int | None = None
    until_us: int | None = None
    text: str = ""


NO_FILTER = LogFilter()
_TRIGRAM_CHARS = 3
"""Characters of a trigram, the unit of the search's index."""
MAX_NAMES_IN_ENTRY = 3
"""How many entities and properties a log entry names."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A change as the log shows it, with how many facts it has, of how many entities, and the first few entities and
    properties that they are of.
    """

    change: bytes
    cursor: LogCursor
    at_us: int
    received_at_us: int
    user: str
    device: bytes
    note: str | None
    accepted: bool
    source: bytes | None
    link: str
    fact_count: int
    entity_count: int
    entities: tuple[bytes, ...]
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FactDiff:
    """What one fact of a change did: `old` is the value that its author saw in use, `seen` whether there was any."""

    fact: bytes
    entity: bytes
    property: str
    old: Value
    new: Value
    had_value: bool


def _filter_condition(scope: Scope, wanted: LogFilter) -> tuple[str, dict[str, object]]:
    terms, values = [scope.changes_condition], {"moment": scope.at_us}
    parameters: dict[str, object] = dict(values)
    if wanted.entity is not None:
        of_property = (
            "" if wanted.property is None else " AND property = (SELECT id FROM properties WHERE name = :property)"
        )
        terms.append(
            f"c.id IN (SELECT id / {MAX_FACTS} FROM facts"
            f" WHERE entity = (SELECT id FROM entities WHERE entity = :entity){of_property})"
        )
    elif wanted.property is not None:
        terms.append(
            f"c.id IN (SELECT id / {MAX_FACTS} FROM facts"
            " WHERE property = (SELECT id FROM properties WHERE name = :property))"
        )
    if wanted.user is not None:
        terms.append("c.user = (SELECT id FROM users WHERE name = :user)")
    if wanted.device is not None:
        terms.append("c.device = (SELECT id FROM devices WHERE device = :device)")
    if wanted.since_us is not None:
        terms.append("c.effective >= :since")
    if wanted.until_us is not None:
        terms.append("c.effective <= :until")
    if wanted.text:
        term, mentioned = mention_condition(wanted.text)
        terms.append(term)
        parameters.update(mentioned)
    parameters.update(
        entity=wanted.entity,
        property=wanted.property,
        user=wanted.user,
        device=wanted.device,
        since=wanted.since_us,
        until=wanted.until_us,
    )
    return " AND ".join(terms), parameters


def mention_condition(text: str) -> tuple[str, dict[str, object]]:
    """The SQL condition that change `c` mentions a text, and its parameters; capital letters do not matter.

    A text is mentioned in what a change says, in the names of the properties, in the note, or by who wrote it. What is
    said is looked up in the index of the search (`core.store.indexes.search_index`), which holds each pair of property
    and value once, so that the log can be filtered without reading every fact. Uses the function `mentions` that
    `prepare` gives the connection.
    """
    text = text.replace("\0", " ").casefold()
    pairs = "said s CROSS JOIN facts p ON p.id = s.fact AND instr(s.text, :mentioned)"
    grams = {text[at : at + _TRIGRAM_CHARS] for at in range(len(text) - _TRIGRAM_CHARS + 1)}
    if grams:
        indexed = "said_index CROSS JOIN said s ON s.fact = said_index.rowid AND said_index MATCH :grams"
        pairs = f"{indexed} CROSS JOIN facts p ON p.id = s.fact AND instr(s.text, :mentioned)"
    said = f"SELECT f.id / {MAX_FACTS} FROM {pairs} CROSS JOIN facts f ON f.property = p.property AND f.value = p.value"
    named = (
        f"SELECT f.id / {MAX_FACTS} FROM facts f"
        " WHERE f.property IN (SELECT id FROM properties WHERE mentions(name, :mentioned))"
    )
    people = "c.user IN (SELECT id FROM users WHERE mentions(name, :mentioned))"
    term = f"(mentions(c.note, :mentioned) OR {people} OR c.id IN ({said} UNION {named}))"
    return term, {"mentioned": text, "grams": " AND ".join('"' + g.replace('"', '""') + '"' for g in sorted(grams))}


def register_functions(connection: sqlite3.Connection) -> None:
    """Give the connection the function that the text filter uses."""
    connection.create_function("mentions", 2, _contains_text, deterministic=True)


def _contains_text(where: str | None, text: str) -> bool:
    return where is not None and text in where.casefold()


def read_log_page(
    connection: sqlite3.Connection,
    scope: Scope,
    wanted: LogFilter,
    after: LogCursor | None,
    limit: int,
    offset: int,
    newest_first: bool,
) -> list[LogEntry]:
    """A page of the log behind the position `after` in the direction of reading."""
    condition, parameters = _filter_condition(scope, wanted)
    way, sign = ("DESC", "<") if newest_first else ("ASC", ">")
    if after is not None:
        condition += f" AND (c.effective, c.id) {sign} (:after_time, :after_row)"
        parameters.update(after_time=after[0], after_row=after[1])
    rows = connection.execute(
        f"""SELECT c.hash, c.effective, c.id, c.at, c.received_at, u.name, d.device, c.note, c.accepted,
                   o.device, c.link
            FROM changes c JOIN users u ON u.id = c.user JOIN devices d ON d.id = c.device
            LEFT JOIN devices o ON o.id = c.source
            WHERE {condition} ORDER BY c.effective {way}, c.id {way} LIMIT :limit OFFSET :offset""",
        {**parameters, "limit": limit, "offset": offset},
    ).fetchall()
    found = []
    for change, moment, row, at, received_at, user, device, note, accepted, source, link in rows:
        gist = _summarize_facts(connection, row)
        own = (at, received_at, user, device, note, bool(accepted), source, link)
        found.append(LogEntry(change, (moment, row), *own, *gist))
    return found


def _summarize_facts(connection: sqlite3.Connection, row: int) -> tuple[int, int, tuple[bytes, ...], tuple[str, ...]]:
    """How many facts a change has, of how many entities, and the first few entities and properties that they are of."""
    span = (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1)
    count, touched = connection.execute(
        "SELECT count(*), count(DISTINCT entity) FROM facts WHERE id BETWEEN ? AND ?", span
    ).fetchone()
    facts = connection.execute(
        "SELECT e.entity, p.name FROM facts f JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property"
        " WHERE f.id BETWEEN ? AND ? ORDER BY f.id LIMIT ?",
        (*span, 4 * MAX_NAMES_IN_ENTRY),
    ).fetchall()
    entities, properties = dict.fromkeys(f[0] for f in facts), dict.fromkeys(f[1] for f in facts)
    return count, touched, tuple(entities)[:MAX_NAMES_IN_ENTRY], tuple(properties)[:MAX_NAMES_IN_ENTRY]


def count_log_entries(connection: sqlite3.Connection, scope: Scope, wanted: LogFilter) -> int:
    """How many changes the filtered log has."""
    condition, parameters = _filter_condition(scope, wanted)
    return int(connection.execute(f"SELECT count(*) FROM changes c WHERE {condition}", parameters).fetchone()[0])


def count_newer_entries(connection: sqlite3.Connection, scope: Scope, wanted: LogFilter, position: LogCursor) -> int:
    """How many changes stand above this position in the filtered log, newest first."""
    condition, parameters = _filter_condition(scope, wanted)
    query = f"SELECT count(*) FROM changes c WHERE {condition} AND (c.effective, c.id) > (:time, :row)"
    return int(connection.execute(query, {**parameters, "time": position[0], "row": position[1]}).fetchone()[0])


def read_fact_diffs(connection: sqlite3.Connection, change: bytes, limit: int) -> list[FactDiff]:
    """What each of the first `limit` facts of a change did to what its author saw, in the order of the change."""
    row = connection.execute("SELECT id FROM changes WHERE hash = ?", (change,)).fetchone()
    if row is None:
        return []
    span = (row[0] * MAX_FACTS, row[0] * MAX_FACTS + min(limit, MAX_FACTS) - 1)
    seen: dict[int, list[Candidate]] = {}
    targets = connection.execute(
        f"""SELECT o.fact, c.hash, t.id % {MAX_FACTS}, t.value, c.at
            FROM facts f JOIN obsoletes o ON o.fact = f.id JOIN facts t ON t.id = o.target
            JOIN changes c ON c.id = t.id / {MAX_FACTS}
            WHERE f.id BETWEEN ? AND ?""",
        span,
    )
    for fact, target, index, value, at in targets:
        seen.setdefault(fact, []).append(Candidate(fact_id(target, index), decode_value(value), "", b"", at, None))
    facts = connection.execute(
        """SELECT f.id, e.entity, p.name, f.value FROM facts f JOIN entities e ON e.id = f.entity
           JOIN properties p ON p.id = f.property WHERE f.id BETWEEN ? AND ? ORDER BY f.id""",
        span,
    )
    return [
        FactDiff(
            fact_id(change, fact % MAX_FACTS),
            entity,
            name,
            slot_of(seen.get(fact, ())).value,
            decode_value(value),
            fact in seen,
        )
        for fact, entity, name, value in facts
    ]


def find_changed_slots(
    connection: sqlite3.Connection, one: Scope, other: Scope, entity: bytes | None, first: int, end: int
) -> set[SlotRow]:
    """The slots that changes from row `first` up to `end` speak of which count in one of both only."""
    of_entity = "" if entity is None else " AND f.entity = (SELECT id FROM entities WHERE entity = :entity)"
    in_one, in_other = (
        scope.changes_condition.replace(":moment", name) for scope, name in ((one, ":one"), (other, ":other"))
    )
    # CROSS JOIN keeps SQLite to this order: a span of facts a change, and not every change a fact.
    rows = connection.execute(
        f"""SELECT DISTINCT f.entity, f.property FROM changes c
            CROSS JOIN facts f ON f.id BETWEEN c.id * {MAX_FACTS} AND c.id * {MAX_FACTS} + {MAX_FACTS - 1}
            WHERE c.id >= :first AND c.id < :end AND ({in_one}) IS NOT ({in_other}){of_entity}""",
        {"one": one.at_us, "other": other.at_us, "entity": entity, "first": first, "end": end},
    )
    return set(rows)


def end_row(connection: sqlite3.Connection) -> int:
    """The row behind the last change."""
    return int(connection.execute("SELECT coalesce(max(id), -1) + 1 FROM changes").fetchone()[0])


def compare_slots(
    connection: sqlite3.Connection, one: Scope, other: Scope, places: Sequence[SlotRow]
) -> list[tuple[bytes, str, Value, Value]]:
    """(entity, property, value in `one`, value in `other`) for each of these slots whose value in use is not the same
    in both.
    """
    numbers = list(dict.fromkeys(entity for entity, _property in places))
    found_as = f"SELECT id, entity FROM entities WHERE id IN ({placeholders(numbers)})"
    entities = dict(connection.execute(found_as, numbers).fetchall())
    names = dict(connection.execute("SELECT id, name FROM properties").fetchall())
    before, after = (read_leaves(connection, scope, list(entities.values())) for scope in (one, other))
    found = []
    for number, name in ((entities[entity], names[prop]) for entity, prop in places):
        old = slot_of(before[number].get(name, ())).value
        new = slot_of(after[number].get(name, ())).value
        if encode_value(old) != encode_value(new):
            found.append((number, name, old, new))
    return found


def find_changes_by_prefix(connection: sqlite3.Connection, prefix: str) -> list[bytes]:
    """The change ids that begin with this hex prefix, two at most."""
    low = bytes.fromhex(prefix.ljust(CHANGE_ID_BYTES * 2, "0"))
    high = bytes.fromhex(prefix.ljust(CHANGE_ID_BYTES * 2, "f"))
    rows = connection.execute("SELECT hash FROM changes WHERE hash BETWEEN ? AND ? LIMIT 2", (low, high))
    return [change for (change,) in rows]


def timestamps_of_facts(connection: sqlite3.Connection, facts: Iterable[bytes]) -> dict[bytes, int]:
    """`at` of the change of each of these facts that the store holds."""
    wanted = list({fact[:CHANGE_ID_BYTES] for fact in facts})
    rows = connection.execute(f"SELECT hash, at FROM changes WHERE hash IN ({placeholders(wanted)})", wanted)
    times = dict(rows.fetchall())
    return {fact: times[fact[:CHANGE_ID_BYTES]] for fact in facts if fact[:CHANGE_ID_BYTES] in times}
