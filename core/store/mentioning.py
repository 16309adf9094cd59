"""Which changes mention a text: in what they say, in the names of the properties, in the note, or by who wrote them.

What is said is looked up in the index of the search (see `core.store.search`), which holds each pair of property and
value once, so that the log can be filtered without reading every fact.
"""

from __future__ import annotations

from core.changes import MAX_FACTS
from core.store.search import MAX_TEXT

_GRAM = 3


def condition(text: str) -> tuple[str, dict[str, object]]:
    """The SQL condition that change `c` mentions a text, and its parameters; capital letters do not matter.

    It uses the function `mentions` that the log gives its connection.
    """
    text = text.replace("\0", " ").casefold()
    found = f"instr(s.text, :mentioned) OR length(s.text) >= {MAX_TEXT} AND mentions(p.value, :mentioned)"
    pairs = f"said s CROSS JOIN facts p ON p.id = s.fact AND ({found})"
    grams = {text[at : at + _GRAM] for at in range(len(text) - _GRAM + 1)}
    if grams:
        # The index knows the beginning of a value only: those that are longer are looked through.
        indexed = "SELECT rowid FROM said_index WHERE said_index MATCH :grams"
        longer = f"SELECT fact FROM said WHERE length(text) >= {MAX_TEXT}"
        found_in = f"({indexed} UNION {longer}) i CROSS JOIN said s ON s.fact = i.rowid"
        pairs = f"{found_in} CROSS JOIN facts p ON p.id = s.fact AND ({found})"
    said = f"SELECT f.id / {MAX_FACTS} FROM {pairs} CROSS JOIN facts f ON f.property = p.property AND f.value = p.value"
    named = (
        f"SELECT f.id / {MAX_FACTS} FROM facts f"
        " WHERE f.property IN (SELECT id FROM properties WHERE mentions(name, :mentioned))"
    )
    people = "c.user IN (SELECT id FROM users WHERE mentions(name, :mentioned))"
    term = f"(mentions(c.note, :mentioned) OR {people} OR c.id IN ({said} UNION {named}))"
    return term, {"mentioned": text, "grams": " AND ".join('"' + g.replace('"', '""') + '"' for g in sorted(grams))}
