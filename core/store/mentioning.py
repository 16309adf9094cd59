"""Which changes mention a text: in what they say, in the names of the properties, in the note, or by who wrote them.

What is said is looked up in the index of the search (see `core.store.search`), which holds each pair of property and
value once, so that the log can be filtered without reading every fact.
"""

from __future__ import annotations

from core.changes import MAX_FACTS

_GRAM = 3


def condition(text: str) -> tuple[str, dict[str, object]]:
    """The SQL condition that change `c` mentions a text, and its parameters; capital letters do not matter.

    It uses the function `mentions` that the log gives its connection.
    """
    text = text.replace("\0", " ").casefold()
    pairs = "said s CROSS JOIN facts p ON p.id = s.fact AND instr(s.text, :mentioned)"
    grams = {text[at : at + _GRAM] for at in range(len(text) - _GRAM + 1)}
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
