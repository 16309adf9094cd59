"""The last column of an exported table.

What the author of an edited copy was shown of each cell. Pure.

It names the thing, and of each property the cell as it was exported (a digest of it) and the facts it came from (their
ids, shortened: no slot has facts enough for two to be alike). So an import can tell which cells were edited, and which
values somebody else changed since.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import Refused
from core.hashes import digest
from core.value_codec import CHANGE_ID_BYTES, ID_BYTES

SEEN_HEAD = "fieldline:seen"
"""The head of the column; no property can be called so."""
_DIGEST_BYTES, _CHANGE_BYTES = 6, 10
_CELL = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)=((?P<digest>[\w-]{8}):(?P<facts>[\w,-]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SeenCell:
    """A cell as it was exported; without facts nothing had been set."""

    digest: str = ""
    facts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one row was exported of: an entity, and its cells by property."""

    entity: bytes
    cells: Mapping[str, SeenCell]


def cell_digest(cell: Any) -> str:
    """Digest a cell: text as CSV has it, or a JSON value.

    How lines end, and spaces around, do not count.
    """
    text = cell if isinstance(cell, str) else json.dumps(cell, sort_keys=True)
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return _base64(digest(text.encode(errors="surrogatepass"))[:_DIGEST_BYTES])


def short_fact(fact: bytes) -> str:
    """Shorten the id of a fact: the start of its change's, and its index."""
    return _base64(fact[:_CHANGE_BYTES] + fact[CHANGE_ID_BYTES:])


def seen_cell(cell: Any, facts: Iterable[bytes]) -> SeenCell:
    """Describe a cell that is exported."""
    shortened = frozenset(map(short_fact, facts))
    return SeenCell(cell_digest(cell), shortened) if shortened else SeenCell()


def format_seen(seen: Seen) -> str:
    """Format what a row was exported of as the text of one cell."""
    cells = [
        f"{name}={cell.digest}:{','.join(sorted(cell.facts))}" if cell.facts else f"{name}="
        for name, cell in seen.cells.items()
    ]
    return " ".join([seen.entity.hex(), *cells])


def parse_seen(text: Any) -> Seen:
    """Parse what `format_seen` wrote; raises Refused."""
    entity, *cells = str(text).split() or [""]
    found = [_CELL.fullmatch(cell) for cell in cells]
    if not re.fullmatch(rf"[0-9a-f]{{{2 * ID_BYTES}}}", entity) or None in found:
        raise Refused("the column {column} is damaged: export again", column=SEEN_HEAD)
    return Seen(
        bytes.fromhex(entity),
        {
            each["name"]: SeenCell(each["digest"], frozenset(each["facts"].split(","))) if each["facts"] else SeenCell()
            for each in found
            if each
        },
    )


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
