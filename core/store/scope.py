"""Which of the store's facts a reading sees.

All, those in effect by a moment, or those received by a moment.

The same statements read the present and the past; a scope only supplies their conditions, with `:moment` as parameter.
Conditions speak of a fact `f` and of its change `c`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.value_codec import MAX_FACTS
from core.withdrawal import FOREVER

EFFECTIVE, RECEIVED = 0, 1
"""The times of table `void`: from when facts count, and when this device received them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A point of view on the facts: `now`, `as_of` or `known_at`.

    `as_of`: facts whose effective time is at most `at_us` (microseconds since 1970 UTC); `known_at`: those of changes
    received by it.
    """

    kind: Literal["now", "as_of", "known_at"] = "now"
    at_us: int = 0

    @property
    def changes_condition(self) -> str:
        """That something of change `c`, or of what was saved at once with it, is in sight."""
        if self.kind == "now":
            return "1"
        if self.kind == "known_at":
            return "c.received_at <= :moment"
        return has_fact(f"{effective_sql()} <= :moment")

    @property
    def fact_condition(self) -> str:
        """That fact `f` of change `c` is in sight."""
        column = {"now": "1", "as_of": f"{effective_sql()} <= :moment", "known_at": "c.received_at <= :moment"}
        return column[self.kind]

    @property
    def leaves_condition(self) -> str:
        """That fact `f` is a leaf; of change `c`, which only `known_at` needs."""
        if self.kind == "now":
            return "f.current = 1"
        over, seen, timeline = "", f"{effective_sql('g')} <= :moment", EFFECTIVE
        if self.kind == "known_at":
            over, seen = f" JOIN changes d ON d.id = o.fact / {MAX_FACTS}", "d.received_at <= :moment"
            timeline = RECEIVED
        return (
            f"f.accepted AND {self.fact_condition} AND f.id NOT IN (SELECT fact FROM withdrawals)"
            " AND NOT EXISTS (SELECT 1 FROM obsoletes o"
            f" JOIN facts g ON g.id = o.fact{over} WHERE o.target = f.id AND g.accepted AND {seen}"
            f" AND NOT {void_condition('g.id', timeline, ':moment')})"
        )

    @property
    def facts_source(self) -> str:
        """The tables that `leaves_condition` speaks of, joined; most need no change."""
        return f"facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}" if self.kind == "known_at" else "facts f"


def effective_sql(fact: str = "f") -> str:
    """Give the SQL for when a fact counts from, with no need of its change."""
    return f"({fact}.later + (SELECT at FROM changes WHERE id = {fact}.id / {MAX_FACTS}))"


def void_condition(fact: str, timeline: int = EFFECTIVE, moment: str = str(FOREVER - 1)) -> str:
    """Give the SQL condition that a fact is void at a moment.

    At present if none is given (`core.withdrawal`).
    """
    return (
        f"EXISTS (SELECT 1 FROM void v WHERE v.fact = {fact} AND v.timeline = {timeline}"
        f" AND v.since <= {moment} AND v.until > {moment})"
    )


def has_fact(condition: str) -> str:
    """Give the SQL condition that a change has a fact `f` of this kind.

    Change `c`, or one that was saved at once with it and that it stands for.
    """
    span = f"f.id BETWEEN {{0}}.id * {MAX_FACTS} AND {{0}}.id * {MAX_FACTS} + {MAX_FACTS - 1} AND {condition}"
    return (
        f"(EXISTS (SELECT 1 FROM facts f WHERE {span.format('c')}) OR (c.batch IS NOT NULL AND EXISTS (SELECT 1"
        f" FROM changes p JOIN facts f ON {span.format('p')} WHERE p.lead = c.id AND p.lead <> p.id)))"
    )


NOW = Scope()
