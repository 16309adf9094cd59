"""Read the log: changes in causal order, and what each changed.

By their times.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from core.effective_time import clock_error
from core.slots import Clock
from core.store.content_table import content_with
from core.store.entities import OWN_LINKS
from core.store.indexes.search_index import indexed_property_condition, quote_grams, texts_query
from core.store.scope import Scope, effective_sql, has_fact
from core.value_codec import CHANGE_ID_BYTES, MAX_FACTS, encode_value
from core.values import boolean_word, stored_words

LogCursor = tuple[int, int]
"""(place in the order, row id): where a change stands in the log; the former is no time that anybody is shown"""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which changes of the log to read; None, "" and () mean all.

    Times are microseconds since 1970 UTC, both inclusive. `entities` are several of which any will do.
    """

    entity: bytes | None = None
    entities: tuple[bytes, ...] = ()
    property: str | None = None
    user: str | None = None
    device: bytes | None = None
    since_us: int | None = None
    until_us: int | None = None
    text: str = ""


NO_FILTER = LogFilter()
_QUARTER_US = 900_000_000
MAX_NAMES_IN_ENTRY = 3
"""How many entities and properties a log entry names."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What was saved at once, as the log shows it.

    A change for each locality, the first of which (`change`) stands for all `changes`. With how many facts they have,
    of how many entities, and the first few entities and properties that they are of.

    `at_us` is the author's clock as it was, and `clock` says what is wrong with it, as far as that shows. `moment_us`
    is when the last of the facts that were asked for counts from. `person` is the entity of the one whom `user` names.
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
    moment_us: int
    person: bytes
    clock: Clock
    changes: tuple[bytes, ...]


def _fact_terms(wanted: LogFilter) -> list[str]:
    """The conditions that a fact `f` has to meet, of those that the filter asks for."""
    terms = []
    if wanted.entity is not None:
        terms.append("f.entity = (SELECT id FROM entities WHERE entity = :entity)")
    if wanted.entities:
        names = ", ".join(f":entity{number}" for number in range(len(wanted.entities)))
        terms.append(f"f.entity IN (SELECT id FROM entities WHERE entity IN ({names}))")
    if wanted.property is not None:
        terms.append("f.property = (SELECT id FROM properties WHERE name = :property)")
    if wanted.since_us is not None:
        terms.append(f"{effective_sql()} >= :since")
    if wanted.until_us is not None:
        terms.append(f"{effective_sql()} <= :until")
    return terms


def _fact_parameters(wanted: LogFilter) -> dict[str, object]:
    """The parameters of the conditions that `_fact_terms` gives."""
    several = {f"entity{number}": entity for number, entity in enumerate(wanted.entities)}
    return {
        "entity": wanted.entity,
        "property": wanted.property,
        "since": wanted.since_us,
        "until": wanted.until_us,
        **several,
    }


def _filter_condition(scope: Scope, wanted: LogFilter) -> tuple[str, dict[str, object]]:
    terms = ["c.lead = c.id", scope.changes_condition]
    parameters: dict[str, object] = {"moment": scope.at_us}
    facts = " AND ".join(_fact_terms(wanted))
    if wanted.entity is not None or wanted.entities or wanted.property is not None:
        source = "facts f"
        if wanted.entity is None and not wanted.entities:
            source = (
                "contents v CROSS JOIN facts f ON f.content = v.id"
                " AND v.property = (SELECT id FROM properties WHERE name = :property)"
            )
        terms.append(
            f"c.id IN (SELECT p.lead FROM {source} CROSS JOIN changes p ON p.id = f.id / {MAX_FACTS} WHERE {facts})"
        )
    elif facts:
        terms.append(has_fact(facts))
    if wanted.user is not None:
        terms.append("c.author IN (SELECT entity FROM persons WHERE name = :user)")
    if wanted.device is not None:
        terms.append("c.device = (SELECT id FROM devices WHERE device = :device)")
    if wanted.text:
        term, mentioned = mention_condition(wanted.text)
        terms.append(term)
        parameters.update(mentioned)
    parameters.update(_fact_parameters(wanted), user=wanted.user, device=wanted.device)
    return " AND ".join(terms), parameters


def mention_condition(text: str) -> tuple[str, dict[str, object]]:
    """Give the SQL condition that a change mentions a text, with parameters.

    Change `c`, or one that it stands for.

    Capital letters do not matter, nor which notation of an address, a network, a number or a boolean is written.

    A text is mentioned in what a change says, in the names of the properties, in the note, or by who wrote it. What is
    said is looked up in the index of the search (`core.store.indexes.search_index`), which holds each pair of property
    and value once, so that the log can be filtered without reading every fact. Uses the function `mentions` that
    `register_functions` gives the connection.
    """
    folded = text.replace("\0", " ").casefold()
    terms, parameters = [], {}
    for number, alternative in enumerate(dict.fromkeys((folded, stored_words(folded)))):
        term, mentioned = _text_condition(alternative, f"mentioned{number}", f"grams{number}")
        terms.append(term)
        parameters.update(mentioned)
    if (boolean := boolean_word(folded.strip())) is not None:
        terms.append(_BOOLEAN_CONDITION)
        parameters["boolean"] = encode_value(boolean)
    return f"({' OR '.join(terms)})", parameters


_BOOLEAN_CONDITION = (
    f"c.id IN (SELECT p.lead FROM changes p WHERE p.id IN (SELECT f.id / {MAX_FACTS} FROM properties q"
    f" CROSS JOIN facts f ON f.content = {content_with('q.id', ':boolean')}"
    f" WHERE {indexed_property_condition('q.name')}))"
)


def _text_condition(text: str, mentioned: str, grams_name: str) -> tuple[str, dict[str, object]]:
    """The condition for a text as it is written.

    The other two are the names of its parameters.
    """
    grams = quote_grams(text)
    pairs = texts_query(f"instr(s.text, :{mentioned})", grams_name if grams else None)
    stating = (
        f"SELECT f.id / {MAX_FACTS} FROM ({pairs}) s CROSS JOIN contents v ON v.id = s.content"
        " CROSS JOIN facts f ON f.content = v.id"
    )
    named = (
        f"SELECT f.id / {MAX_FACTS} FROM contents v CROSS JOIN facts f ON f.content = v.id"
        f" WHERE v.property IN (SELECT id FROM properties WHERE mentions(name, :{mentioned}))"
    )
    people = f"c.author IN (SELECT entity FROM persons WHERE mentions(name, :{mentioned}))"
    noted = f"SELECT lead FROM changes WHERE note IS NOT NULL AND mentions(note, :{mentioned})"
    facts = f"SELECT p.lead FROM changes p WHERE p.id IN ({stating} UNION {named})"
    return f"({people} OR c.id IN ({noted} UNION {facts}))", {mentioned: text, grams_name: grams}


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
        condition += f" AND (c.ordered_at, c.id) {sign} (:after_order, :after_row)"
        parameters.update(after_order=after[0], after_row=after[1])
    rows = connection.execute(
        f"""{_ENTRY_SQL} WHERE {condition} ORDER BY c.ordered_at {way}, c.id {way} LIMIT :limit OFFSET :offset""",
        {**parameters, "limit": limit, "offset": offset},
    ).fetchall()
    return [_entry_of_row(connection, row, wanted) for row in rows]


def read_log_entry(connection: sqlite3.Connection, change: bytes) -> LogEntry | None:
    """What the log says of a change and what was saved at once with it.

    None if it is not here.
    """
    row = connection.execute(
        f"{_ENTRY_SQL} WHERE c.id = (SELECT lead FROM changes WHERE hash = ?)", (change,)
    ).fetchone()
    return None if row is None else _entry_of_row(connection, row, NO_FILTER)


_ENTRY_SQL = """
SELECT c.hash, c.ordered_at, c.id, c.at, c.received_at, u.name, d.device, c.note, c.accepted, o.device, c.link,
  a.entity, c.author, c.batch
FROM changes c JOIN persons u ON u.entity = c.author JOIN entities a ON a.id = c.author
JOIN devices d ON d.id = c.device LEFT JOIN devices o ON o.id = c.source
"""


def _entry_of_row(connection: sqlite3.Connection, row: tuple[Any, ...], wanted: LogFilter) -> LogEntry:
    (change, order, lead, at, received_at, user, device, note, accepted, source, link, person, author, batch) = row
    parts = [(lead, change, note, accepted)]
    if batch is not None:
        parts = connection.execute(
            "SELECT id, hash, note, accepted FROM changes WHERE id = :lead OR (lead = :lead AND lead <> id)"
            " ORDER BY position, hash",
            {"lead": lead},
        ).fetchall()
    gist = _summarize_facts(connection, lead, author, wanted)
    latest, moment = gist[-2:]
    return LogEntry(
        change,
        (order, lead),
        at,
        received_at,
        user,
        device,
        next((note for _, _, note, _ in parts if note is not None), None),
        all(counts for *_, counts in parts),
        source,
        link,
        *gist[:-2],
        moment,
        person,
        clock_error(at, latest, received_at, is_own=link in OWN_LINKS),
        tuple(part for _, part, *_ in parts),
    )


def _summarize_facts(
    connection: sqlite3.Connection, lead: int, author: int, wanted: LogFilter
) -> tuple[int, int, tuple[bytes, ...], tuple[str, ...], int, int]:
    """Count the facts and entities of changes, and name the first few.

    The first few entities and properties that they are of, when the last of them counts from, and the last of those
    that the filter asks for.

    What an author says of its own person is not counted and comes last: it goes along with its first change.
    """
    source = (
        f"changes p CROSS JOIN facts f ON f.id BETWEEN p.id * {MAX_FACTS} AND p.id * {MAX_FACTS} + {MAX_FACTS - 1}"
        " CROSS JOIN entities e ON e.id = f.entity WHERE p.id = :lead OR (p.lead = :lead AND p.lead <> p.id)"
    )
    asked = " AND ".join(["1", *_fact_terms(wanted)])
    parameters = {
        "lead": lead,
        "author": author,
        "limit": 4 * MAX_NAMES_IN_ENTRY,
        **_fact_parameters(wanted),
    }
    count, touched, own, latest, moment = connection.execute(
        "SELECT count(*), count(DISTINCT f.entity), count(*) FILTER (WHERE f.entity = :author), max(p.at + f.later),"
        " max(p.at + f.later) FILTER (WHERE "
        f"{asked}) FROM {source}",
        parameters,
    ).fetchone()
    if own and touched > 1:
        count, touched = count - own, touched - 1
    facts = connection.execute(
        f"SELECT e.entity, (SELECT name FROM properties WHERE id = f.property) FROM {source}"
        " ORDER BY f.entity = :author, p.position, f.id LIMIT :limit",
        parameters,
    ).fetchall()
    entities, properties = dict.fromkeys(f[0] for f in facts), dict.fromkeys(f[1] for f in facts)
    named = tuple(entities)[:MAX_NAMES_IN_ENTRY], tuple(properties)[:MAX_NAMES_IN_ENTRY]
    return count, touched, *named, latest, latest if moment is None else moment


def count_log_entries(connection: sqlite3.Connection, scope: Scope, wanted: LogFilter) -> int:
    """How many changes the filtered log has."""
    condition, parameters = _filter_condition(scope, wanted)
    return int(connection.execute(f"SELECT count(*) FROM changes c WHERE {condition}", parameters).fetchone()[0])


def count_log_quarters(connection: sqlite3.Connection, scope: Scope, wanted: LogFilter) -> list[tuple[int, int]]:
    """The changes of the filtered log in each quarter of an hour, newest first.

    As (number since 1970 UTC, changes), of those with any: of these every time zone can make its days.
    """
    condition, parameters = _filter_condition(scope, wanted)
    query = (
        f"SELECT c.ordered_at / {_QUARTER_US} - (c.ordered_at % {_QUARTER_US} < 0), count(*) FROM changes c"
        f" WHERE {condition} GROUP BY 1 ORDER BY 1 DESC"
    )
    return [(int(number), int(count)) for number, count in connection.execute(query, parameters)]


def count_newer_entries(connection: sqlite3.Connection, scope: Scope, wanted: LogFilter, position: LogCursor) -> int:
    """How many changes stand above this position in the filtered log, newest first."""
    condition, parameters = _filter_condition(scope, wanted)
    query = f"SELECT count(*) FROM changes c WHERE {condition} AND (c.ordered_at, c.id) > (:order, :row)"
    return int(connection.execute(query, {**parameters, "order": position[0], "row": position[1]}).fetchone()[0])


def find_changed_entities(connection: sqlite3.Connection, scope: Scope, wanted: LogFilter, limit: int) -> set[bytes]:
    """The entities, at most `limit`, that the filtered changes touched."""
    condition, parameters = _filter_condition(scope, wanted)
    asked = " AND ".join(["1", *_fact_terms(wanted)])
    query = (
        f"SELECT DISTINCT e.entity FROM changes c JOIN changes p ON p.lead = c.id"
        f" CROSS JOIN facts f ON f.id BETWEEN p.id * {MAX_FACTS} AND p.id * {MAX_FACTS} + {MAX_FACTS - 1}"
        f" CROSS JOIN entities e ON e.id = f.entity WHERE {condition} AND {asked} LIMIT :limit"
    )
    return {entity for (entity,) in connection.execute(query, {**parameters, "limit": limit})}


def find_changes_by_prefix(connection: sqlite3.Connection, prefix: str) -> list[bytes]:
    """The change ids that begin with this hex prefix, two at most."""
    low = bytes.fromhex(prefix.ljust(CHANGE_ID_BYTES * 2, "0"))
    high = bytes.fromhex(prefix.ljust(CHANGE_ID_BYTES * 2, "f"))
    rows = connection.execute("SELECT hash FROM changes WHERE hash BETWEEN ? AND ? LIMIT 2", (low, high))
    return [change for (change,) in rows]
