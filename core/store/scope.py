"""Which of the store's changes a reading sees: all, those in effect by a moment, or those received by a moment.

The same statements read the present and the past; a scope only supplies their conditions, with `:moment` as parameter.
Conditions speak of a fact `f` and of its change `c`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.value_codec import MAX_FACTS


@dataclass(frozen=True, slots=True)
class Scope:
    """`now`; `as_of`: changes whose effective time is at most `moment` (microseconds since 1970 UTC); `known_at`:
    received by it.
    """

    kind: Literal["now", "as_of", "known_at"] = "now"
    at_us: int = 0

    @property
    def _column(self) -> str:
        return "effective" if self.kind == "as_of" else "received_at"

    @property
    def changes_condition(self) -> str:
        """That change `c` is in sight."""
        return "1" if self.kind == "now" else f"c.{self._column} <= :moment"

    @property
    def leaves_condition(self) -> str:
        """That fact `f` of change `c` is a leaf."""
        if self.kind == "now":
            return "f.current = 1"
        return (
            f"c.accepted AND c.{self._column} <= :moment AND NOT EXISTS (SELECT 1 FROM obsoletes o"
            f" JOIN changes d ON d.id = o.fact / {MAX_FACTS}"
            f" WHERE o.target = f.id AND d.accepted AND d.{self._column} <= :moment)"
        )

    @property
    def facts_source(self) -> str:
        """The tables that `leaves` speaks of, joined; in the present the change is not needed."""
        return "facts f" if self.kind == "now" else f"facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}"


NOW = Scope()
