"""Read what each fact of a change did to what its author saw.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.changes import fact_id
from core.slots import Candidate, Conflict, slot_of
from core.store.connection import VALUE_SQL, chunks, load_value, placeholders
from core.store.queries.log import LogEntry
from core.store.scope import void_condition
from core.value_codec import MAX_FACTS, Value

_AUTHOR_FACTS = 2
"""What goes along with somebody's first change: that it is a person, and the name."""
_MAX_STEPS = 10_000
"""Withdrawals of withdrawals that are gone back over for one of them."""


@dataclass(frozen=True, slots=True)
class FactDiff:
    """What one fact of a change did.

    `old` is the value that its author saw in use, `had_value` whether there was any.

    Of a withdrawal `new` is the value that it restored, None if there was none before what it withdrew. `is_undone`
    says whether the fact is void at present, `is_reopened` whether what it left is a conflict and was none before.
    """

    fact: bytes
    entity: bytes
    property: str
    old: Value
    new: Value
    had_value: bool
    is_withdrawal: bool = False
    is_undone: bool = False
    is_reopened: bool = False


def read_fact_diffs(
    connection: sqlite3.Connection, change: bytes, limit: int | None, entity: bytes | None = None
) -> list[FactDiff]:
    """Read what the first `limit` facts of a change did to what its author saw.

    And those of what was saved at once with it: by change, entity and property; only of one entity if that is given.
    None gives all.
    """
    parts = connection.execute(
        "SELECT p.id, p.hash FROM changes c JOIN changes p ON p.id = c.lead OR (p.lead = c.lead AND p.lead <> p.id)"
        " WHERE c.hash = ? ORDER BY p.position, p.hash",
        (change,),
    ).fetchall()
    found: list[FactDiff] = []
    for row, part in parts:
        left = MAX_FACTS if limit is None else limit - len(found)
        if left > 0:
            found += _diffs_of_part(connection, row, part, min(left, MAX_FACTS), entity)
    return found


def read_first_diffs(
    connection: sqlite3.Connection, entries: Iterable[LogEntry], limit: int, entity: bytes | None = None
) -> dict[bytes, list[FactDiff]]:
    """What the first `limit` facts of each of these entries did.

    Of one entity if that is given. Those that say who the author is do not count.
    """
    found = {}
    for entry in entries:
        diffs = read_fact_diffs(connection, entry.change, limit + _AUTHOR_FACTS, entity)
        found[entry.change] = (without_author(entry, diffs) if entity is None else diffs)[:limit]
    return found


def without_author(entry: LogEntry, edits: Sequence[FactDiff]) -> list[FactDiff]:
    """Give what somebody edited.

    Not what goes along with a first change to say who that is, if there is more.
    """
    return [edit for edit in edits if edit.entity != entry.person] or list(edits)


def _diffs_of_part(
    connection: sqlite3.Connection, row: int, change: bytes, limit: int, entity: bytes | None
) -> list[FactDiff]:
    span = (row * MAX_FACTS, row * MAX_FACTS + limit - 1)
    if entity is not None:
        ids = connection.execute(
            "SELECT f.id FROM facts f JOIN entities e ON e.id = f.entity"
            " WHERE f.id BETWEEN ? AND ? AND e.entity = ? ORDER BY f.id LIMIT ?",
            (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1, entity, limit),
        ).fetchall()
        if not ids:
            return []
        span = (ids[0][0], ids[-1][0])
    seen: dict[int, list[int]] = {}
    edges = connection.execute(
        "SELECT o.fact, o.target FROM obsoletes o WHERE o.fact BETWEEN ? AND ?"
        " AND o.target NOT IN (SELECT fact FROM withdrawals)",
        span,
    )
    for fact, target in edges:
        seen.setdefault(fact, []).append(target)
    facts = connection.execute(
        f"""SELECT f.id, e.entity, p.name, {VALUE_SQL}, f.id IN (SELECT fact FROM withdrawals), {void_condition("f.id")}
           FROM facts f JOIN entities e ON e.id = f.entity
           JOIN properties p ON p.id = f.property WHERE f.id BETWEEN ? AND ? ORDER BY f.id""",
        span,
    ).fetchall()
    restored = {
        fact: (_seen_before(connection, fact), _seen_after(connection, fact)) for fact, *_, taken, _ in facts if taken
    }
    wanted = {target for targets in seen.values() for target in targets}
    wanted.update(each for before, after in restored.values() for each in (*before, *after))
    candidates = _read_candidates(connection, wanted)
    found = []
    for fact, about, name, value, taken, undone in facts:
        if entity not in (None, about):
            continue
        before, after = restored.get(fact, (seen.get(fact, ()), ()))
        old = slot_of(candidates[each] for each in before if each in candidates)
        left = slot_of(candidates[each] for each in after if each in candidates)
        new = left.value if taken else load_value(value)
        found.append(
            FactDiff(
                fact_id(change, fact % MAX_FACTS),
                about,
                name,
                old.value,
                new,
                bool(old.leaves),
                bool(taken),
                bool(undone),
                isinstance(left, Conflict) and not isinstance(old, Conflict),
            )
        )
    return found


def _read_candidates(connection: sqlite3.Connection, facts: Iterable[int]) -> dict[int, Candidate]:
    found: dict[int, Candidate] = {}
    for some in chunks(sorted(facts)):
        rows = connection.execute(
            f"SELECT f.id, c.hash, {VALUE_SQL}, c.at + f.later FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}"
            f" WHERE f.id IN ({placeholders(some)})",
            some,
        )
        for row, change, value, effective in rows:
            found[row] = Candidate(fact_id(change, row % MAX_FACTS), load_value(value), "", b"", effective, None)
    return found


def _seen_before(connection: sqlite3.Connection, withdrawal: int) -> set[int]:
    """What was leaf for the author of a withdrawal."""
    leaves = _trace(connection, [(target, False) for target in _targets(connection, withdrawal)])
    return leaves - {target for leaf in leaves for target in _stated_targets(connection, leaf)}


def _seen_after(connection: sqlite3.Connection, withdrawal: int) -> set[int]:
    """What a withdrawal made leaf again."""
    return _trace(connection, [(withdrawal, False)])


def _trace(connection: sqlite3.Connection, work: list[tuple[int, bool]]) -> set[int]:
    """Trace which facts were leaves when each of these had just been written.

    Or with True, right before that.

    After a withdrawal that is what stood before all that it names; before a withdrawal, what stood after that.
    """
    leaves: set[int] = set()
    gone: set[int] = set()
    done: set[tuple[int, bool]] = set()
    while work and len(done) < _MAX_STEPS:
        each = work.pop()
        if each in done:
            continue
        done.add(each)
        fact, is_before = each
        is_withdrawal = connection.execute("SELECT 1 FROM withdrawals WHERE fact = ?", (fact,)).fetchone()
        if is_withdrawal:
            work += [(target, not is_before) for target in _targets(connection, fact)]
        elif is_before:
            gone.add(fact)
            leaves.update(_stated_targets(connection, fact))
        else:
            leaves.add(fact)
    return leaves - gone


def _targets(connection: sqlite3.Connection, fact: int) -> list[int]:
    return [target for (target,) in connection.execute("SELECT target FROM obsoletes WHERE fact = ?", (fact,))]


def _stated_targets(connection: sqlite3.Connection, fact: int) -> list[int]:
    query = "SELECT target FROM obsoletes WHERE fact = ? AND target NOT IN (SELECT fact FROM withdrawals)"
    return [target for (target,) in connection.execute(query, (fact,))]
