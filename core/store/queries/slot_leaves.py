"""Read the facts of a slot to say what is leaf by some of them.

Before a row, or if some were withdrawn.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.changes import fact_id
from core.slots import Candidate, Slot, leaf_ids, slot_of
from core.store.connection import VALUE_SQL, chunks, load_value, placeholders
from core.store.entities import LEAF_SQL, candidate_from_row
from core.store.indexes.standings import NEVER, accepted_then
from core.value_codec import MAX_FACTS, Value

SlotKey = tuple[bytes, str]

_WITHDRAWAL = b""
"""The id of the fact that is to withdraw some."""


@dataclass(frozen=True, slots=True)
class _SlotFacts:
    """The facts of a slot that have effect, by row.

    Their ids, the ids that they name, and which withdraw.
    """

    ids: Mapping[int, bytes]
    named: Mapping[int, tuple[bytes, ...]]
    withdrawals: Collection[bytes]

    def leaves(self, withdrawn: Collection[bytes] = ()) -> set[int]:
        """The rows of the leaves; of those if these facts were withdrawn, too."""
        stated = [(fact, 0, self.named.get(row, ())) for row, fact in self.ids.items()]
        taken = {*self.withdrawals, _WITHDRAWAL}
        found = leaf_ids([*stated, (_WITHDRAWAL, 0, tuple(withdrawn))], taken).get(0, set())
        return {row for row, fact in self.ids.items() if fact in found}


def _read_facts(
    connection: sqlite3.Connection, entity: int, name: int, end: int | None = None, step: int = NEVER
) -> _SlotFacts:
    """The facts of a slot, by the row ids of its entity and its property.

    Only those before a row if one is given; with the effect that they had before a step.
    """
    parameters = {"entity": entity, "name": name, "end": end, "step": step}
    of_slot = "f.entity = :entity AND f.property = :name AND (:end IS NULL OR f.id < :end)"
    rows = connection.execute(
        f"SELECT f.id, c.hash, f.id IN (SELECT fact FROM withdrawals) FROM facts f JOIN changes c"
        f" ON c.id = f.id / {MAX_FACTS} WHERE {of_slot} AND {accepted_then('f')}"
        " AND f.id NOT IN (SELECT fact FROM hearsay)",
        parameters,
    ).fetchall()
    ids = {row: fact_id(change, row % MAX_FACTS) for row, change, _ in rows}
    named: dict[int, tuple[bytes, ...]] = {}
    edges = f"SELECT o.fact, o.target FROM facts f CROSS JOIN obsoletes o ON o.fact = f.id WHERE {of_slot}"
    for row, target in connection.execute(edges, parameters):
        if target in ids:
            named[row] = (*named.get(row, ()), ids[target])
    return _SlotFacts(ids, named, {ids[row] for row, _, withdraws in rows if withdraws})


def read_value_before(connection: sqlite3.Connection, entity: int, name: int, end: int, step: int = NEVER) -> Value:
    """The value in use by the facts of a slot before a row.

    With the effect that they had before a step.
    """
    rows = sorted(_read_facts(connection, entity, name, end, step).leaves())
    found: list[Candidate] = []
    for some in chunks(rows):
        query = (
            f"SELECT f.id, c.hash, {VALUE_SQL}, c.at + f.later FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}"
            f" WHERE f.id IN ({placeholders(some)})"
        )
        for row, change, value, effective in connection.execute(query, some):
            found.append(Candidate(fact_id(change, row % MAX_FACTS), load_value(value), "", b"", effective, None))
    return slot_of(found).value


def read_slots_without(
    connection: sqlite3.Connection, withdrawn: Mapping[SlotKey, Collection[bytes]]
) -> dict[SlotKey, Slot]:
    """What each of these slots holds if these facts of it are withdrawn."""
    found: dict[SlotKey, Slot] = {}
    for (entity, name), facts in withdrawn.items():
        numbers = connection.execute(
            "SELECT e.id, p.id FROM entities e, properties p WHERE e.entity = ? AND p.name = ?", (entity, name)
        ).fetchone()
        leaves = sorted(_read_facts(connection, *numbers).leaves(facts)) if numbers else []
        rows = [
            row
            for some in chunks(leaves)
            for row in connection.execute(f"{LEAF_SQL} WHERE f.id IN ({placeholders(some)})", some)
        ]
        found[entity, name] = slot_of(map(candidate_from_row, rows))
    return found
