"""Draw the tables of states in docs/wire-format.md.

`python -m tests.state_diagrams [--check]`.

What stands between `<!-- states: NAME -->` and `<!-- /states -->` is made from the table of that name. With `--check`
nothing is written, and the exit code is 1 if the document is not up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from core.sync.discovery.dial_scheduler import DIAL
from core.sync.links.serial.arq_states import ARQ
from core.sync.links.serial.baud_negotiation import BAUD
from core.sync.pairing.states import PAIRING
from core.sync.states import METHOD, SESSION, WAIT

Table = Mapping[Any, Mapping[Any, Any]]
TABLES: dict[str, Table] = {
    "session": SESSION,
    "method": METHOD,
    "wait": WAIT,
    "arq": ARQ,
    "baud": BAUD,
    "dial": DIAL,
    "pairing": PAIRING,
}
DOCUMENT = Path(__file__).parent.parent / "docs" / "wire-format.md"
SECTION = re.compile(r"(?<=<!-- states: )(?P<name>\w+) -->\n.*?(?=<!-- /states -->)", re.DOTALL)


def draw(table: Table) -> str:
    """Draw a table as a Mermaid diagram: a line a state, and each event below."""
    arrows = [f"    [*] --> {next(iter(table)).name}"]
    for state, row in table.items():
        targets: dict[str, list[str]] = {}
        for event, after in row.items():
            targets.setdefault(after.name, []).append(event.name)
        arrows += [f"    {state.name} --> {after}: {', '.join(events)}" for after, events in targets.items()]
        arrows += [] if row else [f"    {state.name} --> [*]"]
    events = dict.fromkeys(event for row in table.values() for event in row)
    diagram = ["```mermaid", "stateDiagram-v2", *arrows, "```"]
    return "\n".join([*diagram, "", *_lines("state", table), "", *_lines("event", events), ""])


def redraw(text: str) -> str:
    """Give the document with each of its sections made anew.

    Raises KeyError for a table that does not exist.
    """
    return SECTION.sub(lambda found: f"{found['name']} -->\n{draw(TABLES[found['name']])}", text)


def _lines(kind: str, members: Mapping[Enum, object]) -> list[str]:
    return [f"| {kind} | |", "|---|---|", *(f"| {each.name} | {each.value} |" for each in members)]


def main(arguments: list[str]) -> int:
    before = DOCUMENT.read_text(encoding="utf-8")
    after = redraw(before)
    if arguments == ["--check"]:
        if after != before:
            print("The states in docs/wire-format.md are behind the code: run make diagrams.", file=sys.stderr)
        return int(after != before)
    DOCUMENT.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
