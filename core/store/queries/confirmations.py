"""Read which leaves are confirmations: see `core.confirmation`.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3

from core.slots import Candidate
from core.store.connection import chunks
from core.store.entities import LEAF_SQL, candidate_from_row
from core.store.scope import Scope
from core.value_codec import CHANGE_ID_BYTES, MAX_FACTS

# That fact `f` is a confirmation. What obsoletes something that is not here yet is none until that has come; a
# withdrawal that it names states no value.
_IS_CONFIRMATION = (
    "EXISTS (SELECT 1 FROM obsoletes o WHERE o.fact = f.id AND o.target NOT IN (SELECT fact FROM withdrawals))"
    " AND NOT EXISTS (SELECT 1 FROM obsoletes o JOIN facts t ON t.id = o.target"
    " WHERE o.fact = f.id AND t.content <> f.content AND t.id NOT IN (SELECT fact FROM withdrawals))"
    " AND NOT EXISTS (SELECT 1 FROM awaited w WHERE w.fact = f.id)"
)


def read_confirmations(
    connection: sqlite3.Connection, scope: Scope, entities: list[bytes]
) -> dict[bytes, dict[str, Candidate]]:
    """Read the latest confirmation in each slot of these entities.

    Among its leaves, by entity and property.
    """
    found: dict[bytes, dict[str, Candidate]] = {entity: {} for entity in entities}
    for some in chunks(entities):
        names = {f"e{place}": entity for place, entity in enumerate(some)}
        query = (
            f"{LEAF_SQL} WHERE f.entity IN"
            f" (SELECT id FROM entities WHERE entity IN ({','.join(f':{n}' for n in names)}))"
            f" AND {scope.leaves_condition} AND {_IS_CONFIRMATION}"
        )
        for row in connection.execute(query, {**names, "moment": scope.at_us}):
            leaf = candidate_from_row(row)
            slots = found[row[0]]
            known = slots.get(row[1])
            if known is None or (leaf.at_us, leaf.fact) > (known.at_us, known.fact):
                slots[row[1]] = leaf
    return found


def read_confirmed_facts(connection: sqlite3.Connection, fact: bytes) -> list[Candidate]:
    """Read the facts that set the value which a fact confirms, latest first.

    The fact itself if it confirms none.
    """
    row = connection.execute("SELECT id FROM changes WHERE hash = ?", (fact[:CHANGE_ID_BYTES],)).fetchone()
    if row is None:
        return []
    query = (
        "WITH RECURSIVE confirmed (id) AS (SELECT :fact UNION SELECT e.target FROM confirmed"
        f" JOIN facts f ON f.id = confirmed.id AND {_IS_CONFIRMATION} JOIN obsoletes e ON e.fact = f.id)"
        f" {LEAF_SQL} WHERE f.id IN (SELECT id FROM confirmed) AND NOT ({_IS_CONFIRMATION})"
        " AND f.id NOT IN (SELECT fact FROM withdrawals)"
    )
    start = row[0] * MAX_FACTS + int.from_bytes(fact[CHANGE_ID_BYTES:], "big")
    found = [candidate_from_row(each) for each in connection.execute(query, {"fact": start})]
    return sorted(found, key=lambda leaf: (leaf.moment_us, leaf.fact), reverse=True)
